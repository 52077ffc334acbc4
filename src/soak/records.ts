import type { ArenaImage, TakeImage } from '../results/arena-image.ts';
import type { SoakViolation } from '../results/race-log.ts';
import type { CellSink, ViolationRecord } from '../results/types.ts';
import { CELL_FILE } from '../results/violation-file.ts';
import { endsCell } from './limits.ts';
import { takeProgress } from './progress.ts';
import type { Fate } from './signatures.ts';
import type { Running, State } from './state.ts';
import { sumOf } from './totals.ts';

/** Folders of one signature. */
const FOLDERS_EACH = 3;
/** Cells that broke and whose threads' states are all in the log; later ones only when their number is a power of two. */
const FIRST_DETAILED = 20;

/** Where the running cell sends what it finds. `stopCell` ends it early. */
export function sinkOf(s: State, running: Running, stopCell: () => void): CellSink {
  return {
    violation(record, take) {
      if (!running.abandoned) takeRecord(s, running, record, take);
    },
    progress(progress) {
      if (running.abandoned) return;
      takeProgress(s, running, progress);
      if (endsCell(s, running.slot.entry.canary ? null : progress)) stopCell();
    },
    histogram(name, histogram) {
      running.histograms.set(name, histogram);
    },
    log: (level, message, data) => logCell(s, running, level, message, data),
    inspect(states) {
      running.states = states;
    },
    counted(signatures) {
      running.counted = signatures;
    },
  };
}

/** Faults come with the states of all threads; of many alike the first ones say enough. */
function logCell(
  { parts: { journal }, totals }: State,
  { slot }: Running,
  level: 'info' | 'warn' | 'error',
  message: string,
  data?: Readonly<Record<string, unknown>>,
): void {
  const before = sumOf(totals.faults);
  const detailed = before < FIRST_DETAILED || Math.log2(before + 1) % 1 === 0;
  journal.log(level, message, { cell: slot.index, entry: slot.entry.key, seed: slot.seed, ...(detailed ? data : {}) });
}

function takeRecord(s: State, running: Running, record: ViolationRecord, take?: TakeImage): void {
  const { canary } = running.slot.entry;
  s.signatures.offer(record, (signature, nth, nthOfKind): Fate => {
    if (!s.budget.hasRoom()) return 'overBudget';
    const { slot, t } = running;
    const marked: SoakViolation = { ...record, signature, nth, cell: slot.index, t: Math.round(t + record.atMs) };
    const wanted = !canary && nthOfKind <= FOLDERS_EACH;
    // Before all that is written: the threads go on.
    const image = wanted && take !== undefined ? (s.parts.dumps?.take(marked, take) ?? null) : null;
    const fate = logRecord(s, marked);
    if (wanted) keepFolder(s, running, marked, image);
    return fate;
  });
}

function logRecord({ parts: { journal }, budget }: State, marked: SoakViolation): Fate {
  const { races } = journal;
  const [lost, { bytes, file }] = [races.lost(), races.position()];
  races.add(marked);
  const now = races.position();
  budget.add(now.file === file ? now.bytes - bytes : now.bytes);
  return races.lost() > lost ? 'lost' : 'logged';
}

function keepFolder(s: State, { plan }: Running, marked: SoakViolation, image: ArenaImage | null): void {
  const { journal, draw, dumps } = s.parts;
  // The cell stands beside the record: run.json has kinds of cells, not each single one.
  const beside = { [CELL_FILE]: `${JSON.stringify(plan, null, 2)}\n` };
  const folder = journal.keepViolation(marked, draw(marked), beside);
  if (folder === null) return;
  s.folders++;
  if (image !== null) dumps!.write(folder, marked, image);
}
