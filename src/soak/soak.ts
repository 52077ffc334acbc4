import { setTimeout as sleep } from 'node:timers/promises';
import type { CellLine, SoakCheckpoint } from '../results/soak-types.ts';
import type { CellResult } from '../results/types.ts';
import { OdpError } from '../scenario/errors.ts';
import { brokenCell } from './broken-cell.ts';
import { addFigures } from './figures.ts';
import { isOver, leftMs } from './limits.ts';
import type { EndReason, SoakParts } from './parts.ts';
import { addLastPoint } from './progress.ts';
import { sinkOf } from './records.ts';
import type { Slot } from './rotation.ts';
import { checkpointOf, snapshotOf } from './snapshot.ts';
import { createState, type Running, type State } from './state.ts';
import { addCell, caught } from './totals.ts';

export interface Soak {
  /** Runs cells until the soak ends. Throws what the journal throws. */
  run(): Promise<EndReason>;
  /** The last checkpoint. */
  checkpoint(): SoakCheckpoint;
  /** What goes on at this moment. */
  snapshot(): Readonly<Record<string, unknown>>;
  /** Writes how the session ended. */
  end(reason: string, finished: boolean): SoakCheckpoint;
}

const GRACE_MS = 20_000;
/** Threads and their arena are thrown away after so many cells: what leaks in them leaks no further. */
const RECYCLE_CELLS = 50;

export function createSoak(parts: SoakParts): Soak {
  const { journal, clock } = parts;
  const state = createState(parts);
  journal.save((offsets) => checkpointOf(state, offsets));
  return {
    run: () => runCells(state),
    checkpoint: () => state.saved!,
    snapshot: () => snapshotOf(state),
    end(reason, finished) {
      state.session = { ...state.session, endedAt: new Date(clock.wall()).toISOString(), reason };
      state.finished = finished;
      // Of a cell that was given up, nothing stays: the files end where they ended before it.
      const kept = state.running === null ? null : state.saved;
      journal.save((offsets) => checkpointOf(state, kept?.offsets ?? offsets, kept));
      state.meter.close();
      return state.saved!;
    },
  };
}

async function runCells(s: State): Promise<EndReason> {
  const { plan, stop } = s.parts;
  for (;;) {
    if (stop.aborted) return 'stopped';
    const over = isOver(s);
    if (over !== null) return over;
    const slot = plan.rotations.at(s.index);
    if (!(await runSlot(s, slot))) return 'abandoned';
    if (!(await keepMemoryFlat(s))) return 'memory';
  }
}

/** Runs one cell and makes it last. False: it did not end when it was told to, and does not count. */
async function runSlot(s: State, slot: Slot): Promise<boolean> {
  const { journal, stop, dumps, graceMs = GRACE_MS } = s.parts;
  const running = begin(s, slot);
  const ended = new AbortController();
  const stopCell = (): void => ended.abort();
  stop.addEventListener('abort', stopCell, { once: true });
  if (stop.aborted) stopCell();
  try {
    const result = await withinGrace(runCell(s, running, stopCell, ended.signal), stop, graceMs);
    if (result === null) {
      running.abandoned = true;
      journal.log('error', `cell ${slot.index} did not end in time`, { threads: running.states() });
      return false;
    }
    await dumps?.settle();
    finishCell(s, running, result);
    return true;
  } finally {
    stop.removeEventListener('abort', stopCell);
  }
}

function begin(s: State, slot: Slot): Running {
  const { clock, journal, view } = s.parts;
  const durationMs = Math.min(slot.entry.plan.durationMs, leftMs(s));
  const running: Running = {
    slot,
    plan: { ...slot.entry.plan, seed: slot.seed, durationMs },
    startedAt: clock.wall(),
    t: s.elapsed(),
    states: () => [],
    counted: {},
    histograms: new Map(),
    last: null,
    pointAt: clock.mono(),
    pointed: null,
    abandoned: false,
  };
  s.running = running;
  s.signatures.begin(slot.entry.canary);
  s.budget.measure(journal.bytes());
  view.begin(slot);
  return running;
}

/** A mistake of the harness breaks the cell and not the soak. Results that cannot be written concern all cells: those it throws. */
async function runCell(s: State, running: Running, stopCell: () => void, signal: AbortSignal): Promise<CellResult> {
  const { runner, journal } = s.parts;
  const { plan, slot } = running;
  try {
    return await runner.runCell(plan, sinkOf(s, running, stopCell), signal);
  } catch (error) {
    if (error instanceof OdpError) throw error;
    const reason = error instanceof Error ? error : new Error(String(error));
    journal.log('error', `the harness failed in cell ${slot.index}: ${reason.message}`, { stack: reason.stack });
    // The line of a broken cell has no figures; neither have the sums.
    running.histograms.clear();
    return brokenCell(plan, reason.message, s.elapsed() - running.t, s.signatures.seen(running.counted));
  }
}

/** The result of a cell; null when it takes longer than `graceMs` after the soak was told to end. */
async function withinGrace(cell: Promise<CellResult>, told: AbortSignal, graceMs: number): Promise<CellResult | null> {
  const settled = new AbortController();
  const late = new Promise<null>((resolve, reject) => {
    const wait = (): void => {
      sleep(graceMs, null, { signal: settled.signal }).then(resolve, () => resolve(null));
    };
    told.addEventListener('abort', wait, { once: true, signal: settled.signal });
    if (told.aborted) wait();
    // Nobody waits for this one once the cell has failed.
    cell.catch(reject);
  });
  try {
    return await Promise.race([cell, late]);
  } finally {
    settled.abort();
  }
}

function finishCell(s: State, running: Running, result: CellResult): void {
  const { journal, view } = s.parts;
  const { slot } = running;
  const line: CellLine = {
    ...(result as CellLine),
    ...s.signatures.tally(result, running.counted),
    index: slot.index,
    rotation: slot.rotation,
    entry: slot.entry.key,
    canary: slot.entry.canary,
    startedAt: new Date(running.startedAt).toISOString(),
    t: Math.round(running.t),
    session: s.sessions.length,
  };
  addLastPoint(s, running, result);
  const fresh = s.signatures.end(line, running.startedAt);
  s.totals = addCell(s.totals, line, slot.entry.thresholds);
  s.figures = addFigures(s.figures, line, running.histograms);
  s.index++;
  s.running = null;
  const { rssMb } = s.meter.read();
  s.session = { ...s.session, maxRssMb: Math.max(s.session.maxRssMb, rssMb) };
  journal.commit(line, (offsets) => checkpointOf(s, offsets));
  tellOfCell(s, slot, line, fresh);
  view.cell(line, fresh);
}

function tellOfCell(s: State, slot: Slot, line: CellLine, fresh: readonly string[]): void {
  const { journal } = s.parts;
  // A canary's are no news.
  for (const signature of slot.entry.canary ? [] : fresh)
    journal.log('info', `first seen: ${signature}`, { cell: slot.index, seed: slot.seed });
  if (slot.entry.canary && caught(line) === false)
    note(s, `the canary was missed in cell ${slot.index} (seed ${slot.seed}): without it nothing else says much`);
  if (s.budget.justFilled())
    note(s, 'the disk budget is reached: from now on violations are counted, without windows and folders');
}

function note({ parts: { journal, view } }: State, message: string): void {
  journal.log('warn', message);
  view.note(message);
}

/** Threads and arena go after a number of cells, and when the process has grown; false when that does not help any more. */
async function keepMemoryFlat(s: State): Promise<boolean> {
  s.sinceRecycled++;
  const tooLarge = s.budget.memoryPassed(s.meter.read().rssMb);
  if (s.sinceRecycled < RECYCLE_CELLS && !tooLarge) return true;
  await s.parts.runner.closeCells();
  s.sinceRecycled = 0;
  if (!tooLarge || !s.budget.memoryPassed(s.meter.read().rssMb)) return true;
  note(s, `the process has ${Math.round(s.meter.read().rssMb)} MiB, also without threads: beyond the memory budget`);
  return false;
}
