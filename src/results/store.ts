import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OdpError, systemReason } from '../scenario/errors.ts';
import { makeFolders, syncFolder } from './folder.ts';
import { type LogOptions, openRaceLog, openRunLog, type RaceLog, type RunLog } from './race-log.ts';
import { type Summary, validateSummary } from './summary.ts';
import type { ViolationRecord } from './types.ts';

/** run.json says how far a run got: `running` in a folder without a process means that it was killed. */
export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

export interface StoreOptions {
  /** Folder of all results; a run gets `<root>/<group>/<UTC time>-<seed>/`. */
  readonly root: string;
  /** The scenario's name, or the command's when there are several. */
  readonly group: string;
  readonly seed: number;
  readonly startedAt: Date;
  /** Write exactly here instead; it must not hold a run yet. */
  readonly dir?: string | undefined;
  readonly logs?: Omit<LogOptions, 'dir'>;
}

export interface RunStore {
  readonly dir: string;
  readonly runId: string;
  readonly races: RaceLog;
  readonly log: RunLog;
  /** Writes run.json; first with status `running`, before anything runs. */
  writeRun(status: RunStatus, config: Readonly<Record<string, unknown>>): void;
  /** Writes a file that is there whole or not at all. */
  writeWhole(name: string, text: string): void;
  writeSummary(summary: Summary): void;
  /**
   * Keeps a violation in a folder of its own, `violations/<n>/`, for whoever looks into it later: the record, and its timeline. Only
   * the first `VIOLATION_FOLDERS` of a run; the race log has all. Returns the folder; null: there is no room.
   */
  keepViolation(record: ViolationRecord, timeline: string): string | null;
  close(): void;
}

/** Folders of single violations in one run: a run that finds more of them has its race log. */
export const VIOLATION_FOLDERS = 100;

/** `20261123T034220Z`: sorts by time and is a file name everywhere. */
export const utcStamp = (date: Date): string => date.toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');

/** Makes the folder of a run. Throws `OdpError` (ODP_E_OUTPUT, exit 7) when it cannot be written. */
export function openStore(options: StoreOptions): RunStore {
  const dir = options.dir === undefined ? newRunDir(options) : givenDir(options.dir);
  const races = openRaceLog({ ...options.logs, dir });
  const log = openRunLog({ ...options.logs, dir });
  const writeWhole = (name: string, text: string): void => writeAtomic(join(dir, name), text);
  if (options.dir === undefined) linkLatest(dir, log);
  return {
    dir,
    runId: basename(dir),
    races,
    log,
    writeRun: (status, config) => writeWhole('run.json', `${JSON.stringify({ status, ...config }, null, 2)}\n`),
    writeWhole,
    writeSummary: (summary) => writeWhole('summary.json', `${JSON.stringify(validateSummary(summary), null, 2)}\n`),
    keepViolation: violationKeeper(dir, log),
    close() {
      races.close();
      log.close();
    },
  };
}

/**
 * Keeps violations in `violations/<n>/`, up to `VIOLATION_FOLDERS` of them; `kept` are there already. What is given beside the record
 * becomes files of that folder. Returns the folder; null: there are enough, or it could not be written.
 */
export function violationKeeper(
  dir: string,
  log: Pick<RunLog, 'log'>,
  kept = 0,
): (record: ViolationRecord, timeline: string, more?: Readonly<Record<string, string>>) => string | null {
  let n = kept;
  return (record, timeline, more = {}) => {
    if (n >= VIOLATION_FOLDERS) return null;
    n++;
    const folder = join(dir, 'violations', String(n));
    const files = { 'violation.json': `${JSON.stringify(record, null, 2)}\n`, 'timeline.txt': timeline, ...more };
    try {
      makeFolders(folder);
      // Not flushed, unlike the race log, which has the same record: the cell goes on while this is written.
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    } catch (error) {
      log.log('warn', `violations/${n} could not be written, nor will others be: ${systemReason(error)}`);
      n = VIOLATION_FOLDERS;
      removeHalf(folder);
      return null;
    }
    return folder;
  };
}

/** Half a folder would be taken for a whole one. */
function removeHalf(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // There was none, nor a place for one.
  }
}

/** `ODP_E_OUTPUT`, exit code 7. */
export const outputError = (path: string, error: unknown): OdpError => {
  const message = `cannot write results: ${typeof error === 'string' ? error : systemReason(error)}`;
  return new OdpError({ code: 'ODP_E_OUTPUT', message, at: path }, { cause: error });
};

export function newRunDir({ root, group, seed, startedAt }: Omit<StoreOptions, 'logs' | 'dir'>): string {
  const parent = resolve(root, group);
  const name = `${utcStamp(startedAt)}-${seed}`;
  for (let n = 1; ; n++) {
    const dir = join(parent, n === 1 ? name : `${name}-${n}`);
    try {
      makeFolders(parent);
      mkdirSync(dir);
      return dir;
    } catch (error) {
      // Two runs in one second with one seed: the later one gets a number.
      if (systemReason(error) !== 'EEXIST' || n === 100 || !existsSync(parent)) throw outputError(dir, error);
    }
  }
}

/** A folder that a user has named; it must not hold a run yet. */
export function givenDir(path: string): string {
  const dir = resolve(path);
  try {
    makeFolders(dir);
  } catch (error) {
    throw outputError(dir, error);
  }
  // Results of an earlier run are never written over.
  if (existsSync(join(dir, 'run.json'))) throw outputError(dir, 'the folder already holds a run');
  try {
    writeFileSync(join(dir, '.probe'), '');
    rmSync(join(dir, '.probe'));
  } catch (error) {
    throw outputError(dir, error);
  }
  return dir;
}

/**
 * Written beside, flushed, renamed: a reader sees the old file or the new one, never a part. The folder is flushed as well, so that
 * the new one also outlives a loss of power. Throws `ODP_E_OUTPUT`.
 */
export function writeAtomic(path: string, text: string): void {
  const temporary = `${path}.partial`;
  try {
    const fd = openSync(temporary, 'w');
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    throw outputError(path, error);
  }
}

/** `latest` beside the run's folder. A convenience: where links cannot be made, the run goes on without. */
export function linkLatest(dir: string, log: Pick<RunLog, 'log'>): void {
  const link = join(dirname(dir), 'latest');
  const temporary = `${link}.${process.pid}`;
  try {
    symlinkSync(basename(dir), temporary);
    renameSync(temporary, link);
  } catch (error) {
    rmSync(temporary, { force: true });
    log.log('warn', `no link 'latest': ${systemReason(error)}`);
  }
}
