import type { WriteStream } from 'node:tty';

/** The process's two streams and what is known of them. stdout carries results, stderr progress and errors. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  readonly width: number;
  readonly stderr: WriteStream;
}

/** Width of reports that do not go to a terminal. */
const FILE_WIDTH = 110;
const MIN_WIDTH = 80;
const MAX_WIDTH = 160;

/** A reader that goes away (`| head`) is not an error: the run goes on and writes its files. */
function ignoreClosedPipe(stream: NodeJS.WriteStream): () => boolean {
  let closed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    closed = true;
  });
  return () => closed;
}

export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  const outClosed = ignoreClosedPipe(stdout);
  const errClosed = ignoreClosedPipe(stderr);
  const columns = stdout.isTTY ? stdout.columns : FILE_WIDTH;
  return {
    out: (line) => {
      if (!outClosed()) stdout.write(`${line}\n`);
    },
    err: (line) => {
      if (!errClosed()) stderr.write(`${line}\n`);
    },
    env: process.env,
    cwd: process.cwd(),
    outIsTty: stdout.isTTY === true,
    errIsTty: stderr.isTTY === true,
    width: Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns)),
    stderr,
  };
}
