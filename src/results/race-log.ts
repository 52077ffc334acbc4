import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { createRecordFile, type FileCalls, type RecordFile } from './record-file.ts';
import type { ViolationRecord } from './types.ts';

/** A file of the race log ends before it would pass this size: small enough for an editor. */
export const RACE_LOG_BYTES = 16 * 1024 * 1024;

export interface RaceLog {
  add(record: ViolationRecord): void;
  readonly written: () => number;
  readonly lost: () => number;
  close(): void;
}

export interface LogOptions {
  readonly dir: string;
  readonly maxBytes?: number;
  readonly onLost?: (reason: string) => void;
  readonly files?: FileCalls;
}

/** `races-1.ndjson`, `races-2.ndjson`, ...: one violation a line, with its window. */
export function openRaceLog(options: LogOptions): RaceLog {
  const { dir, ...rest } = options;
  const file = createRecordFile({
    maxBytes: RACE_LOG_BYTES,
    ...rest,
    pathOf: (n) => join(dir, `races-${n}.ndjson`),
  });
  const logger = pinoTo(file);
  return { add: (record) => logger.error(record), written: file.written, lost: file.lost, close: file.close };
}

export interface RunLog {
  log(level: 'info' | 'warn' | 'error', message: string, data?: Readonly<Record<string, unknown>>): void;
  readonly lost: () => number;
  close(): void;
}

/** `odptorture.log`: what the harness itself did, one JSON object a line. */
export function openRunLog(options: LogOptions): RunLog {
  const { dir, ...rest } = options;
  const file = createRecordFile({ ...rest, pathOf: () => join(dir, 'odptorture.log') });
  const logger = pinoTo(file);
  return { log: (level, message, data) => logger[level](data ?? {}, message), lost: file.lost, close: file.close };
}

function pinoTo(file: RecordFile): Logger {
  return pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    file,
  );
}
