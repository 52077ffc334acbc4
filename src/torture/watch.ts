import { at } from '../memory/address.ts';
import { ORACLE } from '../oracles/names.ts';
import { drainViolations, type RawViolation } from '../oracles/report.ts';
import { type ArenaImage, type TakeImage, takeImage } from '../results/arena-image.ts';
import type { CellFault, CellSink } from '../results/types.ts';
import { rawLoad } from '../sync/atomics.ts';
import { hrtimeMs } from '../trace/clock.ts';
import { CONTROL } from '../trace/park.ts';
import type { World } from '../world/world.ts';
import { type Bell, createBell } from './bell.ts';
import { lastPoints, waitEdges } from './diagnosis.ts';
import { allStates, createHangWatch, type HangWatch, missingAtStart } from './hang.ts';
import { violationRecord } from './record.ts';
import { type CellEnd, progressOf } from './result.ts';
import { type Run, stopThreads } from './run.ts';
import { threadStacks } from './stacks.ts';

/** How often the main thread looks at a cell, milliseconds; sooner when a violation is handed over. It never waits in between. */
const POLL_MS = 50;
const PROGRESS_MS = 250;
/** After a fault the other threads have this long to end by themselves; a dead thread's locks stay held, so they may never. */
const FAULT_GRACE_MS = 500;
/** No thread is waited for longer than this after the stop, whatever signs of life it gives. */
const STOP_MAX_MS = 120_000;

/** What the main thread knows of a cell that runs. */
interface Watch {
  readonly run: Run;
  readonly world: World;
  readonly sink: CellSink;
  /** Rings when a violation is handed over. */
  readonly bell: Bell;
  /** 0: not yet. */
  began: number;
  stopAt: number;
  reported: number;
  interrupted: boolean;
  /** What a deadlock record said. */
  cycle: { readonly thread: string; readonly detail: string } | null;
  /** Where all stood when it was seen that one is stuck; null: that was not seen. */
  diagnosis: Readonly<Record<string, unknown>> | null;
}

/** Follows a cell until all its threads have ended or are given up. */
export async function watchCell(
  run: Run,
  world: World,
  sink: CellSink,
  signal: AbortSignal,
  startMs: number,
): Promise<CellEnd> {
  const bell = createBell(world.mem, world.oracles.submitted);
  const w: Watch = {
    run,
    world,
    sink,
    bell,
    began: 0,
    stopAt: 0,
    reported: 0,
    interrupted: false,
    cycle: null,
    diagnosis: null,
  };
  try {
    return await follow(w, signal, startMs);
  } finally {
    bell.close();
  }
}

async function follow(w: Watch, signal: AbortSignal, startMs: number): Promise<CellEnd> {
  const { run, world } = w;
  const hang = createHangWatch(world);
  while (!run.ended) {
    await nextLook(w);
    take(w);
    const now = performance.now();
    if (w.began === 0 && !run.ended && rawLoad(world.mem, at(world.control, CONTROL.go)) === 1) w.began = now;
    progress(w, now);
    if (run.supervisor?.deadlocked === true) {
      run.fault ??= deadlockFault(w);
      break;
    }
    const fault = run.fault === null ? faultSeen(w, hang, now, startMs) : null;
    // Before anybody is told to stop: whoever waits for the stuck one might then go.
    if (fault !== null) w.diagnosis = await diagnose(w);
    run.fault ??= fault;
    if (w.stopAt === 0) {
      w.interrupted = signal.aborted;
      if (run.fault !== null || w.interrupted || isOver(w, now)) {
        stopThreads(world);
        w.stopAt = performance.now();
      }
    } else if (fault === null && run.fault !== null && now - w.stopAt > FAULT_GRACE_MS) break;
  }
  return finish(w);
}

/** What is wrong with the cell's threads, as far as it can be seen from here. */
function faultSeen(w: Watch, hang: HangWatch, now: number, startMs: number): CellFault | null {
  const { run, world, began, stopAt } = w;
  const stuck = hang.check(stopAt !== 0);
  if (stopAt !== 0) return stuck ?? (now - stopAt > STOP_MAX_MS ? hang.anybody() : null);
  if (began !== 0) return stuck;
  return now - run.startedAt > startMs ? startFault(world) : null;
}

/**
 * Sleeps until the next look, until a violation is handed over, or until the last thread has ended. Not a race with a promise for that:
 * each race would leave a reaction on it, for as long as the cell lasts.
 */
function nextLook({ run, bell }: Watch): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, POLL_MS);
    run.wake = () => {
      clearTimeout(timer);
      resolve();
    };
    bell.listen(run.wake);
  });
}

/**
 * Takes what the oracles have found. To write down one record may take ten milliseconds, and the threads go on: what was handed over
 * meanwhile is taken after each, so that its image need not wait for all the others.
 */
function take(w: Watch): void {
  const found: Found[] = drained(w);
  for (let next = found.shift(); next !== undefined; next = found.shift()) {
    takeOne(w, next);
    if (w.bell.isRung()) found.push(...drained(w));
  }
}

interface Found {
  readonly raw: RawViolation;
  readonly image: TakeImage;
}

function drained({ world, run, bell }: Watch): Found[] {
  // First: what comes later rings again.
  bell.look();
  const all = drainViolations(world.oracles);
  const image = imageFor(all, world, run);
  return all.map((raw) => ({ raw, image }));
}

function takeOne(w: Watch, { raw, image }: Found): void {
  const record = violationRecord(w.world, raw);
  if (raw.fields.oracle === ORACLE.deadlock) {
    const first = raw.chain[0];
    const thread = w.world.plan.threads[first?.tid ?? -1]?.name ?? record.thread.name;
    w.cycle = { thread, detail: record.detail };
  }
  w.sink.violation(record, image);
}

/**
 * One image of the arena for violations that were found together, on the cell's clock. With the first of a kind among them it is taken at
 * once: to write down what comes before it may take a hundred milliseconds, and the threads go on.
 */
export function imageFor(found: readonly RawViolation[], world: World, run: Run): TakeImage {
  let image: ArenaImage | null | undefined;
  const take = (): ArenaImage | null => {
    image ??= takeImage(world, () => cellNow(world, run));
    return image;
  };
  if (found.some(({ fields }) => fields.nth === 1)) take();
  return take;
}

/** The cell's clock. */
const cellNow = ({ f64, control }: World, { epochMs }: Run): number =>
  hrtimeMs() - epochMs - f64[(control + CONTROL.startedAt) >>> 1]!;

function progress(w: Watch, now: number): void {
  if (now - w.reported < PROGRESS_MS) return;
  w.reported = now;
  w.sink.progress(progressOf(w.world, w.began === 0 ? 0 : now - w.began));
}

/**
 * Its time has passed; or its supervisor has ended, as it does by itself after the last iteration of a litmus. It looks at the time only
 * between two iterations: one in which a fault is refused for ever is ended from here.
 */
function isOver({ run, world, began }: Watch, now: number): boolean {
  if (run.supervisor !== null) return true;
  const { litmus, durationMs, bounds } = world.plan;
  return began !== 0 && now - began >= durationMs + (litmus === null ? 0 : bounds.hangMs);
}

/** Where every thread stands. */
async function diagnose({ world, run }: Watch): Promise<Readonly<Record<string, unknown>>> {
  const points = lastPoints(world, cellNow(world, run));
  const seen = { threads: allStates(world), waits: waitEdges(world), points };
  return { ...seen, stacks: await threadStacks(Object.keys(points)) };
}

const deadlockFault = ({ cycle }: Watch): CellFault => ({
  kind: 'deadlock',
  thread: cycle?.thread ?? 'supervisor',
  message: cycle?.detail ?? 'a wait-for cycle was found; its record was dropped',
});

function startFault(world: World): CellFault {
  const missing = missingAtStart(world);
  return {
    kind: 'start-timeout',
    thread: missing[0] ?? '?',
    message: `${missing.length} of ${world.threads} threads did not come to the start: ${missing.join(', ')}`,
  };
}

function finish({ run, world, sink, began, stopAt, interrupted, diagnosis }: Watch): CellEnd {
  const until = stopAt === 0 ? performance.now() : stopAt;
  const { fault } = run;
  if (fault !== null)
    sink.log('error', `${fault.kind}: ${fault.thread}: ${fault.message}`, {
      ...(diagnosis ?? { threads: allStates(world), waits: waitEdges(world) }),
      ...(run.stack === null ? {} : { stack: run.stack }),
    });
  return {
    durationMs: until - (began === 0 ? run.startedAt : began),
    interrupted,
    fault,
    supervisor: run.supervisor,
  };
}
