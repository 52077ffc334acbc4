import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { closedSegment, openSegment } from './race-segments.ts';
import { createRecordFile, type FileCalls, type RecordFile, type RecordPosition } from './record-file.ts';
import type { ViolationRecord } from './types.ts';

/** A file of the race log ends before it would pass this size: small enough for an editor. */
export const RACE_LOG_BYTES = 16 * 1024 * 1024;

/** A violation in the race log of a soak: `signature` and `nth` are those of the whole soak. */
export interface SoakViolation extends ViolationRecord {
  /** Index of its cell. */
  readonly cell: number;
  /** Soak time, ms. */
  readonly t: number;
}

export interface RaceLog {
  add(record: ViolationRecord | SoakViolation): void;
  readonly written: () => number;
  readonly lost: () => number;
  readonly position: () => RecordPosition;
  sync(): void;
  close(): void;
}

export interface LogOptions {
  readonly dir: string;
  readonly maxBytes?: number;
  readonly onLost?: (reason: string) => void;
  readonly files?: Partial<FileCalls>;
  readonly resume?: RecordPosition;
}

/** `races-1.ndjson`, `races-2.ndjson`, ...: one violation a line, with its window. The last one ends in `.open` until the log is closed. */
export function openRaceLog(options: LogOptions): RaceLog {
  const { dir, ...rest } = options;
  const file = createRecordFile({
    maxBytes: RACE_LOG_BYTES,
    ...rest,
    pathOf: (n) => closedSegment(dir, n),
    openPathOf: (n) => openSegment(dir, n),
  });
  const logger = pinoTo(file);
  const { written, lost, position, sync, close } = file;
  return { add: (record) => logger.error(record), written, lost, position, sync, close };
}

export interface RunLog {
  log(level: 'info' | 'warn' | 'error', message: string, data?: Readonly<Record<string, unknown>>): void;
  readonly lost: () => number;
  readonly position: () => RecordPosition;
  close(): void;
}

/** `odptorture.log`: what the harness itself did, one JSON object a line. */
export function openRunLog(options: LogOptions): RunLog {
  const { dir, ...rest } = options;
  const file = createRecordFile({ ...rest, pathOf: () => join(dir, 'odptorture.log') });
  const logger = pinoTo(file);
  const { lost, position, close } = file;
  return { log: (level, message, data) => logger[level](data ?? {}, message), lost, position, close };
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
