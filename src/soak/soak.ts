import { setTimeout as sleep } from 'node:timers/promises';
import type { DumpKeeper } from '../results/arena-dump.ts';
import type { TakeImage } from '../results/arena-image.ts';
import type { SoakViolation } from '../results/race-log.ts';
import type { CellLine, SoakCheckpoint, SoakSession } from '../results/soak-types.ts';
import type { CellProgress, CellResult, CellSink, ViolationRecord } from '../results/types.ts';
import { CELL_FILE } from '../results/violation-file.ts';
import { OdpError } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { brokenCell } from './broken-cell.ts';
import { type Budget, type BudgetLimits, createBudget } from './budget.ts';
import type { Journal } from './journal.ts';
import { createMeter, type Meter } from './meter.ts';
import type { Rotations, Slot } from './rotation.ts';
import { createSignatures, type Fate, type Signatures } from './signatures.ts';
import { addCell, caught, noTotals, sumOf, violationsOf } from './totals.ts';
import { reachedOf, type Until } from './until.ts';

/** What runs cells. */
export interface CellRunner {
  runCell(plan: CellPlan, sink: CellSink, signal: AbortSignal): Promise<CellResult>;
  /** Ends the threads that are kept between cells. */
  closeCells(): Promise<void>;
}

/** Milliseconds; injected, so that tests can let clocks jump. */
export interface Clock {
  /** Wall clock. It may jump; only times for people and `stopAt` are taken from it. */
  wall(): number;
  /** Never goes back. All durations are taken from it. */
  mono(): number;
}

export interface SoakPlan {
  readonly campaign: string;
  readonly campaignHash: string;
  readonly seed: number;
  readonly rotations: Rotations;
  /** Soak time, all sessions together; null: no limit. */
  readonly durationMs: number | null;
  readonly until: readonly Until[];
  /** Wall clock. */
  readonly stopAt: number | null;
  readonly budget: BudgetLimits;
}

/** Why a session ended. `memory`: its budget was passed. `abandoned`: stopped, and the cell did not end in time. */
export type EndReason = 'duration' | 'until' | 'stop-at' | 'memory' | 'stopped' | 'abandoned';

/** What watches a soak: a terminal. */
export interface SoakView {
  begin(slot: Slot): void;
  progress(progress: CellProgress): void;
  cell(line: CellLine, fresh: readonly string[]): void;
  note(message: string): void;
}

export interface SoakParts {
  readonly plan: SoakPlan;
  readonly journal: Journal;
  readonly runner: CellRunner;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  readonly view: SoakView;
  readonly from: SoakCheckpoint | null;
  /** Draws a violation, for its folder. */
  readonly draw: (record: ViolationRecord) => string;
  /** Keeps arenas beside violations; absent: none are kept. */
  readonly dumps?: DumpKeeper;
  /** How long a cell may take to end when the soak was told to, milliseconds. */
  readonly graceMs?: number;
}

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
/** A cell that would be shorter is not begun. */
const LEAST_CELL_MS = 100;
/** The last cell is as long as what is left; its start is not counted in that, so that it may end a little later. */
const OVERRUN_MS = 2000;
/** Threads and their arena are thrown away after so many cells: what leaks in them leaks no further. */
const RECYCLE_CELLS = 50;
const POINT_MS = 1000;
/** Each heartbeat waits a tenth longer than the last: 10 s at first, about 90 in a night. */
const FIRST_HEARTBEAT_MS = 10_000;
const HEARTBEAT_GROWTH = 1.1;
/** Folders of one signature. */
const FOLDERS_EACH = 3;

/** The cell that runs. */
interface Running {
  readonly slot: Slot;
  readonly plan: CellPlan;
  readonly startedAt: number;
  readonly t: number;
  states: () => readonly string[];
  counted: Readonly<Record<string, number>>;
  last: CellProgress | null;
  pointAt: number;
  pointed: CellProgress | null;
  /** Nothing that comes from it is taken any more. */
  abandoned: boolean;
}

export function createSoak(parts: SoakParts): Soak {
  const { plan, journal, clock, from } = parts;
  const began = clock.mono();
  const startedAt = new Date(clock.wall()).toISOString();
  const before = from?.elapsedMs ?? 0;
  const state: State = {
    parts,
    meter: createMeter(),
    budget: createBudget(plan.budget),
    signatures: createSignatures(from?.signatures ?? []),
    totals: from?.totals ?? noTotals(),
    index: from?.next.index ?? 0,
    folders: from?.violationFolders ?? 0,
    nextHeartbeat: from?.log.nextHeartbeatMs ?? FIRST_HEARTBEAT_MS,
    sessions: (from?.sessions ?? []).map((session) => session),
    session: {
      startedAt,
      endedAt: null,
      pid: process.pid,
      reason: '',
      firstCell: from?.next.index ?? 0,
      elapsedMs: 0,
      maxRssMb: 0,
    },
    startedAt: from?.startedAt ?? startedAt,
    elapsed: () => before + clock.mono() - began,
    sessionMs: () => clock.mono() - began,
    running: null,
    saved: null,
    sinceRecycled: 0,
    finished: false,
  };
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

interface State {
  readonly parts: SoakParts;
  readonly meter: Meter;
  readonly budget: Budget;
  readonly signatures: Signatures;
  totals: SoakCheckpoint['totals'];
  index: number;
  folders: number;
  nextHeartbeat: number;
  readonly sessions: readonly SoakSession[];
  session: SoakSession;
  readonly startedAt: string;
  readonly elapsed: () => number;
  readonly sessionMs: () => number;
  running: Running | null;
  saved: SoakCheckpoint | null;
  sinceRecycled: number;
  finished: boolean;
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

/** Milliseconds that are left by the clocks. */
function leftMs({ parts: { plan, clock }, elapsed }: State): number {
  const byDuration = plan.durationMs === null ? Number.POSITIVE_INFINITY : plan.durationMs - elapsed();
  const byClock = plan.stopAt === null ? Number.POSITIVE_INFINITY : plan.stopAt - clock.wall();
  return Math.min(byDuration, byClock);
}

function isOver(s: State): EndReason | null {
  const { plan, clock } = s.parts;
  if (reached(s, null) !== undefined) return 'until';
  if (leftMs(s) >= LEAST_CELL_MS) return null;
  return plan.stopAt !== null && plan.stopAt - clock.wall() < LEAST_CELL_MS ? 'stop-at' : 'duration';
}

/** The condition that holds, with what the running cell has found so far. */
function reached({ parts: { plan }, totals, index }: State, running: CellProgress | null): Until | undefined {
  if (plan.until.length === 0) return undefined;
  const exposures = { ...totals.exposures };
  for (const [name, n] of Object.entries(running?.exposures ?? {})) exposures[name] = (exposures[name] ?? 0) + n;
  return reachedOf(plan.until, {
    violations: sumOf(totals.violations) + sumOf(running?.violations ?? {}),
    exposures,
    cells: index,
    rotations: plan.rotations.at(index).rotation,
  });
}

/** Runs one cell and makes it last. False: it did not end when it was told to, and does not count. */
async function runSlot(s: State, slot: Slot): Promise<boolean> {
  const { parts } = s;
  const { clock, runner, journal, view } = parts;
  const durationMs = Math.min(slot.entry.plan.durationMs, leftMs(s));
  const plan: CellPlan = { ...slot.entry.plan, seed: slot.seed, durationMs };
  const running: Running = {
    slot,
    plan,
    startedAt: clock.wall(),
    t: s.elapsed(),
    states: () => [],
    counted: {},
    last: null,
    pointAt: clock.mono(),
    pointed: null,
    abandoned: false,
  };
  s.running = running;
  s.signatures.begin();
  s.budget.measure(journal.bytes());
  view.begin(slot);
  const ended = new AbortController();
  const stopCell = (): void => ended.abort();
  parts.stop.addEventListener('abort', stopCell, { once: true });
  if (parts.stop.aborted) stopCell();
  try {
    const cell = runner.runCell(plan, sinkOf(s, running, stopCell), ended.signal).catch((error: unknown) => {
      // Results that cannot be written concern all cells.
      if (error instanceof OdpError) throw error;
      const reason = error instanceof Error ? error : new Error(String(error));
      journal.log('error', `the harness failed in cell ${slot.index}: ${reason.message}`, { stack: reason.stack });
      return brokenCell(plan, reason.message, s.elapsed() - running.t);
    });
    const result = await withinGrace(cell, parts.stop, parts.graceMs ?? GRACE_MS);
    if (result === null) {
      running.abandoned = true;
      journal.log('error', `cell ${slot.index} did not end in time`, { threads: running.states() });
      return false;
    }
    await parts.dumps?.settle();
    finishCell(s, running, result);
    return true;
  } finally {
    parts.stop.removeEventListener('abort', stopCell);
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

function sinkOf(s: State, running: Running, stopCell: () => void): CellSink {
  const { view, clock } = s.parts;
  return {
    violation(record, take) {
      if (!running.abandoned) takeRecord(s, running, record, take);
    },
    progress(progress) {
      if (running.abandoned) return;
      running.last = progress;
      view.progress(progress);
      heartbeat(s, progress);
      if (clock.mono() - running.pointAt >= POINT_MS) addPoint(s, running, progress);
      const counts = running.slot.entry.canary ? null : progress;
      // A clock that was set, or a condition that holds, ends the cell early.
      if (reached(s, counts) !== undefined || leftMs(s) < -OVERRUN_MS) stopCell();
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
  const detailed = before < 20 || Math.log2(before + 1) % 1 === 0;
  journal.log(level, message, { cell: slot.index, entry: slot.entry.key, seed: slot.seed, ...(detailed ? data : {}) });
}

function takeRecord(s: State, running: Running, record: ViolationRecord, take?: TakeImage): void {
  const { journal, draw, dumps } = s.parts;
  const { slot, plan, t } = running;
  s.signatures.offer(record, (signature, nth): Fate => {
    if (!s.budget.hasRoom()) return 'overBudget';
    const marked: SoakViolation = { ...record, signature, nth, cell: slot.index, t: Math.round(t + record.atMs) };
    const { races } = journal;
    const [lost, { bytes, file }] = [races.lost(), races.position()];
    races.add(marked);
    const now = races.position();
    s.budget.add(now.file === file ? now.bytes - bytes : now.bytes);
    // The cell stands beside the record: run.json has kinds of cells, not each single one.
    const beside = { [CELL_FILE]: `${JSON.stringify(plan, null, 2)}\n` };
    const wanted = !slot.entry.canary && nth <= FOLDERS_EACH;
    const image = wanted && take !== undefined ? (dumps?.take(marked, take) ?? null) : null;
    const folder = wanted ? journal.keepViolation(marked, draw(marked), beside) : null;
    if (folder !== null) s.folders++;
    if (folder !== null && image !== null) dumps!.write(folder, marked, image);
    return races.lost() > lost ? 'lost' : 'logged';
  });
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
  addPoint(s, running, running.last ?? progressOf(result), result);
  const fresh = s.signatures.end(line, running.startedAt);
  s.totals = addCell(s.totals, line, slot.entry.thresholds);
  s.index++;
  s.running = null;
  const { rssMb } = s.meter.read();
  s.session = { ...s.session, maxRssMb: Math.max(s.session.maxRssMb, rssMb) };
  journal.commit(line, (offsets) => checkpointOf(s, offsets));
  // A canary's are no news.
  for (const signature of slot.entry.canary ? [] : fresh)
    journal.log('info', `first seen: ${signature}`, { cell: slot.index, seed: slot.seed });
  if (slot.entry.canary && caught(line) === false)
    note(s, `the canary was missed in cell ${slot.index} (seed ${slot.seed}): without it nothing else says much`);
  if (s.budget.justFilled())
    note(s, 'the disk budget is reached: from now on violations are counted, without windows and folders');
  view.cell(line, fresh);
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

function heartbeat(s: State, progress: CellProgress): void {
  const elapsed = s.elapsed();
  if (elapsed < s.nextHeartbeat || s.running === null) return;
  s.nextHeartbeat = Math.max(elapsed + FIRST_HEARTBEAT_MS, elapsed * HEARTBEAT_GROWTH);
  const { slot } = s.running;
  s.parts.journal.log('info', `cell ${slot.index}, rotation ${slot.rotation}: ${slot.entry.key}`, {
    elapsedMs: Math.round(elapsed),
    violations: sumOf(s.totals.violations) + (slot.entry.canary ? 0 : sumOf(progress.violations)),
    exposures: sumOf(s.totals.exposures),
    canary: s.totals.canary,
    faults: s.totals.faults,
    rssMb: Math.round(s.meter.read().rssMb),
  });
}

/** Names of the series for operations of the model. */
const RATES = {
  fault: 'faults',
  section: 'sections',
  register: 'registrations',
  deregister: 'deregistrations',
} as const;

function addPoint(s: State, running: Running, progress: CellProgress, result?: CellResult): void {
  const { journal, clock } = s.parts;
  const now = clock.mono();
  const seconds = Math.max(now - running.pointAt, 1) / 1000;
  const rates: Record<string, number> = { operations: 0 };
  const current = result === undefined ? progress.operations : progressOf(result).operations;
  for (const [name, n] of Object.entries(current)) {
    const perSecond = Math.max(0, n - (running.pointed?.operations[name] ?? 0)) / seconds;
    rates.operations! += perSecond;
    const rate = RATES[name as keyof typeof RATES];
    if (rate !== undefined) rates[rate] = perSecond;
  }
  const latency = result?.latencyNs ?? progress.latencyNs;
  const quantiles = ({ p50, p99 }: { p50: number; p99: number }): { p50: number; p99: number } => ({ p50, p99 });
  const violations = sumOf(s.totals.violations) + s.totals.canary.violations;
  journal.series.add({
    t: Math.round(s.elapsed()),
    cell: running.slot.index,
    scenario: running.plan.scenario,
    strategy: running.plan.strategy,
    rates,
    exposures:
      sumOf(s.totals.exposures) + (running.slot.entry.canary ? 0 : sumOf(result?.exposures ?? progress.exposures)),
    violations: violations + sumOf(result === undefined ? progress.violations : progressOf(result).violations),
    latency: latency === undefined ? null : { fault: quantiles(latency.fault), section: quantiles(latency.section) },
    ...s.meter.read(),
    eventLoopMaxMs: s.meter.takeEventLoopMax(),
    log: { written: journal.races.written(), lost: journal.races.lost(), bytes: journal.races.position().bytes },
  });
  running.pointAt = now;
  running.pointed = progress;
}

/** A finished cell as its last progress. */
const progressOf = (result: CellResult): CellProgress => ({
  elapsedMs: result.durationMs,
  durationMs: result.durationMs,
  operations: Object.fromEntries(Object.entries(result.operations).map(([name, { count }]) => [name, count])),
  violations: violationsOf(result as CellLine),
  exposures: result.exposures,
  latencyNs: result.latencyNs,
});

/** `kept`: the figures of files and of their sizes are those of an earlier checkpoint. */
function checkpointOf(
  s: State,
  offsets: SoakCheckpoint['offsets'],
  kept: SoakCheckpoint | null = null,
): SoakCheckpoint {
  const { parts, totals, index } = s;
  const { plan, journal, clock } = parts;
  s.session = { ...s.session, elapsedMs: Math.round(s.sessionMs()) };
  s.saved = {
    checkpointVersion: 1,
    kind: 'soak',
    runId: journal.runId,
    campaign: plan.campaign,
    campaignHash: plan.campaignHash,
    seed: plan.seed,
    startedAt: s.startedAt,
    savedAt: new Date(clock.wall()).toISOString(),
    elapsedMs: Math.round(s.elapsed()),
    sessions: [...s.sessions, s.session],
    next: { index, rotation: plan.rotations.at(index).rotation },
    totals,
    signatures: kept?.signatures.slice() ?? s.signatures.totals(),
    offsets,
    violationFolders: kept?.violationFolders ?? s.folders,
    disk: { bytes: s.budget.used(), full: s.budget.isFull() },
    log: { lines: journal.logLines(), dropped: journal.logDropped(), nextHeartbeatMs: Math.round(s.nextHeartbeat) },
    finished: s.finished,
  };
  return s.saved;
}

function snapshotOf(s: State): Record<string, unknown> {
  const { running, totals } = s;
  return {
    at: new Date(s.parts.clock.wall()).toISOString(),
    elapsedMs: Math.round(s.elapsed()),
    ...s.meter.read(),
    cell:
      running === null
        ? null
        : {
            index: running.slot.index,
            entry: running.slot.entry.key,
            seed: running.slot.seed,
            progress: running.last,
            // What each thread waits for and which locks it holds, at this moment.
            threads: running.states(),
          },
    totals,
  };
}
