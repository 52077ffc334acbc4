import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkLength, writeSoakCheckpoint } from '../results/checkpoint.ts';
import { openRaceLog, openRunLog, type RaceLog, type RunLog } from '../results/race-log.ts';
import { cutBackSegments } from '../results/race-segments.ts';
import { createRecordFile } from '../results/record-file.ts';
import { openSeries, type Series } from '../results/series.ts';
import { type CellLine, SOAK_FILES, type SoakCheckpoint } from '../results/soak-types.ts';
import { outputError, violationKeeper, writeAtomic } from '../results/store.ts';
import type { ViolationRecord } from '../results/types.ts';
import { OdpError } from '../scenario/errors.ts';

/** Points that a series holds: a second each for the last quarter, coarser before. */
const SERIES_POINTS = 20_000;

export interface JournalOptions {
  readonly dir: string;
  /** Goes on from here; null: a new soak. */
  readonly from: SoakCheckpoint | null;
  /** odptorture.log grows to this size at most. */
  readonly maxLogBytes: number;
  readonly maxRaceBytes?: number;
  /** Whether the folder is still this process's. */
  readonly isHeld: () => boolean;
  /** Told once when a record could not be written. */
  readonly onLost: (reason: string) => void;
}

/** The files of a soak. */
export interface Journal {
  readonly dir: string;
  readonly runId: string;
  readonly races: RaceLog;
  readonly series: Series;
  readonly log: RunLog['log'];
  readonly logDropped: () => number;
  readonly logLines: () => number;
  /** Its folder; null: there are enough. */
  keepViolation(record: ViolationRecord, timeline: string, more: Readonly<Record<string, string>>): string | null;
  /**
   * Makes a finished cell last: its line, then the checkpoint that counts it, each flushed before the next is begun. Throws
   * `ODP_E_OUTPUT`; then the cell is not counted, and a resume runs it again.
   */
  commit(line: CellLine, checkpoint: (offsets: SoakCheckpoint['offsets']) => SoakCheckpoint): void;
  /** A checkpoint between two cells. */
  save(checkpoint: (offsets: SoakCheckpoint['offsets']) => SoakCheckpoint): void;
  writeWhole(name: string, text: string): void;
  /** What the folder takes on the disk now, bytes. */
  bytes(): number;
  close(): void;
}

/**
 * Opens the files of a soak. Whatever an earlier session wrote behind its last checkpoint belongs to a cell that was not finished; it is
 * cut off, so that nothing is there twice when that cell has run again. Throws `ODP_E_RESUME` when something that the checkpoint
 * counts on is gone.
 */
export function openJournal({ dir, from, maxLogBytes, maxRaceBytes, isHeld, onLost }: JournalOptions): Journal {
  const path = (name: string): string => join(dir, name);
  if (from !== null) cutBack(dir, from);
  const open = <T>(name: string, make: () => T): T => {
    try {
      return make();
    } catch (error) {
      throw error instanceof OdpError ? error : outputError(path(name), error);
    }
  };
  let cellLost = '';
  const cells = open(SOAK_FILES.cells, () =>
    createRecordFile({
      pathOf: () => path(SOAK_FILES.cells),
      onLost: (reason) => {
        cellLost = reason;
      },
      ...(from === null ? {} : { resume: { file: 1, bytes: from.offsets.cells, records: from.totals.cells } }),
    }),
  );
  const races = open('races-1.ndjson', () =>
    openRaceLog({
      dir,
      onLost,
      ...(maxRaceBytes === undefined ? {} : { maxBytes: maxRaceBytes }),
      ...(from === null ? {} : { resume: from.offsets.races }),
    }),
  );
  const logBytes = wholeLines(path(SOAK_FILES.log));
  const log = open(SOAK_FILES.log, () =>
    openRunLog({
      dir,
      onLost,
      // What was cut off elsewhere did happen: the log keeps it.
      ...(from === null || logBytes < 0 ? {} : { resume: { file: 1, bytes: logBytes, records: from.log.lines } }),
    }),
  );
  let dropped = from?.log.dropped ?? 0;
  const say: RunLog['log'] = (level, message, data) => {
    if (log.position().bytes >= maxLogBytes) dropped++;
    else log.log(level, message, data);
  };
  const series = openSeries({
    dir,
    maxPoints: SERIES_POINTS,
    ...(from === null ? {} : { resumeFrom: from.offsets.series }),
    onLost: (reason) => say('warn', `series.ndjson has gaps: ${reason}`),
  });
  const offsets = (): SoakCheckpoint['offsets'] => ({
    cells: cells.position().bytes,
    races: races.position(),
    log: log.position().bytes,
    series: series.checkpoint(),
  });
  const checkHeld = (): void => {
    if (!isHeld()) {
      const message = 'another process has taken this folder over; nothing more is written from here';
      throw new OdpError({ code: 'ODP_E_IN_USE', message, at: path(SOAK_FILES.lock) });
    }
  };
  const save: Journal['save'] = (checkpoint) => {
    checkHeld();
    cells.sync();
    races.sync();
    if (cells.lost() > 0) throw outputError(path(SOAK_FILES.cells), cellLost);
    writeSoakCheckpoint(dir, checkpoint(offsets()));
  };
  return {
    dir,
    runId: basename(dir),
    races,
    series,
    log: say,
    logDropped: () => dropped,
    logLines: () => log.position().records,
    keepViolation: violationKeeper(dir, { log: say }, from?.violationFolders ?? 0),
    commit(line, checkpoint) {
      checkHeld();
      cells.write(`${JSON.stringify(line)}\n`);
      save(checkpoint);
    },
    save,
    writeWhole: (name, text) => writeAtomic(path(name), text),
    bytes: () => sizeOf(dir),
    close() {
      cells.close();
      races.close();
      series.close();
      log.close();
    },
  };
}

/** Removes what stands behind the checkpoint and is a file of its own; the others are cut when they are opened. */
function cutBack(dir: string, from: SoakCheckpoint): void {
  const { races, cells } = from.offsets;
  checkLength(join(dir, SOAK_FILES.cells), cells);
  cutBackSegments(dir, races);
  const folders = join(dir, 'violations');
  if (!existsSync(folders)) return;
  for (const name of readdirSync(folders))
    if (/^\d+$/.test(name) && Number(name) > from.violationFolders) rmSync(join(folders, name), { recursive: true });
}

/** Length of a file up to the end of its last whole line; -1: there is none. */
function wholeLines(file: string): number {
  return existsSync(file) ? readFileSync(file).lastIndexOf('\n') + 1 : -1;
}

function sizeOf(dir: string): number {
  let sum = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  return sum;
}
