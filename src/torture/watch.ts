import { at } from '../memory/address.ts';
import { ORACLE } from '../oracles/names.ts';
import { drainViolations, type RawViolation } from '../oracles/report.ts';
import { type ArenaImage, type TakeImage, takeImage } from '../results/arena-image.ts';
import type { CellFault, CellSink } from '../results/types.ts';
import { rawLoad } from '../sync/atomics.ts';
import { hrtimeMs } from '../trace/clock.ts';
import { CONTROL } from '../trace/park.ts';
import type { World } from '../world/world.ts';
import { allStates, createHangWatch, missingAtStart } from './hang.ts';
import { violationRecord } from './record.ts';
import { type CellEnd, progressOf } from './result.ts';
import { type Run, stopThreads } from './run.ts';

/** How often the main thread takes violations off the arena, milliseconds. It never waits in between. */
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
  /** 0: not yet. */
  began: number;
  stopAt: number;
  reported: number;
  interrupted: boolean;
  /** What a deadlock record said. */
  cycle: { readonly thread: string; readonly detail: string } | null;
}

/** Follows a cell until all its threads have ended or are given up. */
export async function watchCell(
  run: Run,
  world: World,
  sink: CellSink,
  signal: AbortSignal,
  startMs: number,
): Promise<CellEnd> {
  const hang = createHangWatch(world);
  const w: Watch = { run, world, sink, began: 0, stopAt: 0, reported: 0, interrupted: false, cycle: null };
  while (!run.ended) {
    await nextLook(run);
    take(w);
    const now = performance.now();
    if (w.began === 0 && !run.ended && rawLoad(world.mem, at(world.control, CONTROL.go)) === 1) w.began = now;
    progress(w, now);
    if (run.supervisor?.deadlocked === true) {
      run.fault ??= deadlockFault(w);
      break;
    }
    const stuck = hang.check(w.stopAt !== 0);
    if (w.stopAt === 0) {
      if (w.began === 0) run.fault ??= now - run.startedAt > startMs ? startFault(world) : null;
      else run.fault ??= stuck;
      w.interrupted = signal.aborted;
      if (run.fault !== null || w.interrupted || isOver(w, now)) {
        stopThreads(world);
        w.stopAt = now;
      }
    } else if (run.fault === null) run.fault = stuck ?? (now - w.stopAt > STOP_MAX_MS ? hang.anybody() : null);
    else if (now - w.stopAt > FAULT_GRACE_MS) break;
  }
  return finish(w);
}

/**
 * Sleeps until the next look, or until the last thread has ended. Not a race with a promise for that: each race would leave a reaction
 * on it, for as long as the cell lasts.
 */
function nextLook(run: Run): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, POLL_MS);
    run.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Takes what the oracles have found. */
function take(w: Watch): void {
  const found = drainViolations(w.world.oracles);
  const image = imageFor(found, w.world, w.run);
  for (const raw of found) {
    const record = violationRecord(w.world, raw);
    if (raw.fields.oracle === ORACLE.deadlock) {
      const first = raw.chain[0];
      const thread = w.world.plan.threads[first?.tid ?? -1]?.name ?? record.thread.name;
      w.cycle = { thread, detail: record.detail };
    }
    w.sink.violation(record, image);
  }
}

/**
 * One image of the arena for violations that were found together, on the cell's clock. With the first of a kind among them it is taken at
 * once: to write down what comes before it may take a hundred milliseconds, and the threads go on.
 */
export function imageFor(found: readonly RawViolation[], world: World, { epochMs }: Run): TakeImage {
  let image: ArenaImage | null | undefined;
  const take = (): ArenaImage | null => {
    image ??= takeImage(world, () => hrtimeMs() - epochMs - world.f64[(world.control + CONTROL.startedAt) >>> 1]!);
    return image;
  };
  if (found.some(({ fields }) => fields.nth === 1)) take();
  return take;
}

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

function finish({ run, world, sink, began, stopAt, interrupted }: Watch): CellEnd {
  const until = stopAt === 0 ? performance.now() : stopAt;
  const { fault } = run;
  if (fault !== null)
    sink.log('error', `${fault.kind}: ${fault.thread}: ${fault.message}`, {
      threads: allStates(world),
      ...(run.stack === null ? {} : { stack: run.stack }),
    });
  return {
    durationMs: until - (began === 0 ? run.startedAt : began),
    interrupted,
    fault,
    supervisor: run.supervisor,
  };
}
