import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onOneCore } from '../control/one-core.ts';
import type { FromProcess, ToProcess } from './process-messages.ts';

/** A process that explores, as the command sees it. */
export interface ExploreProcess {
  readonly pid: number;
  /** Core that it is pinned to; -1: none. */
  readonly core: number;
  send(message: ToProcess): void;
  kill(): void;
}

export interface ProcessEvents {
  message(from: ExploreProcess, message: FromProcess): void;
  /** It is gone, whoever ended it; `why` has the signal or code and the last lines that it wrote to stderr. */
  gone(from: ExploreProcess, why: string): void;
}

/** The last of what a process wrote: enough for the message of a crash. */
const STDERR_KEPT = 2000;

/** The built entry of an exploring process. */
function entryFile(): string {
  const file = fileURLToPath(new URL('../../../workers/explore-process.js', import.meta.url));
  if (!existsSync(file)) throw new Error("the built worker 'explore-process' is missing: run 'npm run build'");
  return file;
}

/** Starts a process that explores, its threads on one core (see one-core.ts); `core` -1 leaves that to the system. */
export function startProcess(core: number, events: ProcessEvents): ExploreProcess {
  const node = [...process.execArgv.filter((arg) => !arg.startsWith('--inspect')), entryFile()];
  const { pinned, command, args } = onOneCore(core, process.execPath, node);
  const child = spawn(command, args, {
    // What a program prints would flood the terminal, thousands of times a second.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  return watched(child, pinned ? core : -1, events);
}

function watched(child: ChildProcess, core: number, events: ProcessEvents): ExploreProcess {
  let stderr = '';
  let gone = false;
  const self: ExploreProcess = {
    pid: child.pid ?? -1,
    core,
    send(message) {
      // One that has just died is reported by its end, not by a message that cannot be sent.
      if (!gone && child.connected) child.send(message, () => {});
    },
    kill: () => void child.kill('SIGKILL'),
  };
  const end = (why: string): void => {
    if (gone) return;
    gone = true;
    const said = lastLines(stderr);
    events.gone(self, said === '' ? why : `${why}: ${said}`);
  };
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  child.on('message', (message) => {
    if (!gone) events.message(self, message as FromProcess);
  });
  child.on('error', (error) => end(error.message));
  // `close` comes after the last message and the last line of stderr.
  child.on('close', (code, signal) => end(signal === null ? `exit code ${code}` : signal));
  return self;
}

/** The line of a stack that says what it is, or the last one. */
function lastLines(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const error = lines.findLast((line) => /^\s*(?:[A-Z]\w*)?Error\b|FATAL ERROR/.test(line));
  return (error ?? lines.at(-1) ?? '').trim();
}

/** Cores on which this process may run, by number; where the system does not say, as many as there are, unpinned (-1). */
export function allowedCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    const cores = list === undefined ? [] : parseCores(list);
    // A quota of a container may be smaller than its list of cores.
    if (cores.length > 0) return cores.slice(0, Math.max(1, availableParallelism()));
  } catch {
    // No such file: not Linux.
  }
  return Array.from({ length: availableParallelism() }, () => -1);
}

/** `0-3,8` -> 0, 1, 2, 3, 8. */
export function parseCores(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    if (from === undefined || !Number.isInteger(from) || !Number.isInteger(to)) return [];
    return Array.from({ length: to! - from + 1 }, (_, i) => from + i);
  });
}
