import { at } from '../memory/address.ts';
import { drainViolations } from '../oracles/report.ts';
import type { CellFault, CellResult, CellSink } from '../results/types.ts';
import type { CellPlan, Role } from '../scenario/plan.ts';
import { rawLoad, rawNotify, rawStore } from '../sync/atomics.ts';
import { CONTROL } from '../trace/park.ts';
import { arenaWords } from '../world/size.ts';
import { attachWorld, initWorld, type World } from '../world/world.ts';
import { allStates, createHangWatch } from './hang.ts';
import { closePool, dropPool, keepPool, type Pool, takePool } from './pool.ts';
import { violationRecord } from './record.ts';
import { type CellEnd, cellResult, progressOf } from './result.ts';
import type { SupervisorExit } from './supervisor.ts';
import { hrtimeMs, type ThreadExit, type ThreadTask } from './thread.ts';
import { workerUrl } from './worker-url.ts';

/** How often the main thread takes violations off the arena, milliseconds. It never waits in between. */
const POLL_MS = 50;
const PROGRESS_MS = 250;
/** A stopped cell has this long to end by itself. */
const STOP_MS = 5000;

export interface CellOptions {
  /** The entry file of a role; tests put faulty ones here. */
  readonly workerUrl?: (role: Role) => URL;
}

/**
 * Runs one cell on real threads: pool and arena, start, watch, end, sums. A worker that throws, exits, runs out of memory or hangs is
 * `result.fault`, never a rejection; threads and arena are then thrown away together. When `signal` aborts, the cell ends early,
 * with all that it has counted.
 */
export async function runCell(
  plan: CellPlan,
  sink: CellSink,
  signal: AbortSignal,
  options: CellOptions = {},
): Promise<CellResult> {
  const pool = await takePool(plan.threads.length, arenaWords(plan));
  const world = attachWorld(plan, pool.buffer);
  initWorld(world);
  const run = startThreads(plan, pool, world, options.workerUrl ?? workerUrl);
  const end = await watch(run, world, sink, signal);
  // Whatever was found between the last look and the end of the last thread.
  for (const raw of drainViolations(world.oracles)) sink.violation(violationRecord(world, raw));
  const result = cellResult(world, end);
  if (end.fault === null && end.supervisor?.quiet === true) keepPool(pool);
  else await dropPool(pool);
  return result;
}

/** Ends the threads that are kept between cells. */
export const closeCells = (): Promise<void> => closePool();

/** The threads of a running cell, as the main thread follows them. */
interface Run {
  readonly startedAt: number;
  /** Settles when every thread has ended, one way or another. */
  readonly done: Promise<void>;
  fault: CellFault | null;
  supervisor: SupervisorExit | null;
  ended: boolean;
}

function startThreads(plan: CellPlan, pool: Pool, world: World, url: (role: Role) => URL): Run {
  const epochMs = hrtimeMs();
  const tasks = plan.threads.map(async (thread) => {
    const task: ThreadTask = { plan, buffer: pool.buffer, tid: thread.tid, epochMs };
    try {
      const exit = (await pool.piscina.run(task, { filename: url(thread.role).href })) as ThreadExit | SupervisorExit;
      if (!exit.started)
        run.fault ??= { kind: 'start-timeout', thread: thread.name, message: 'the start barrier did not open' };
      if (thread.role === 'supervisor') run.supervisor = exit as SupervisorExit;
    } catch (error) {
      run.fault ??= faultOf(thread.name, error);
      stop(world);
    }
  });
  const run: Run = {
    startedAt: performance.now(),
    done: Promise.all(tasks).then(() => {
      run.ended = true;
    }),
    fault: null,
    supervisor: null,
    ended: false,
  };
  return run;
}

/** What killed a thread, from the error that the pool saw. */
function faultOf(thread: string, error: unknown): CellFault {
  const { code, message } = error as { code?: string; message?: string };
  const text = (message ?? String(error)).split('\n')[0]!;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return { kind: 'out-of-memory', thread, message: text };
  if (/exited|terminat/i.test(text)) return { kind: 'thread-exited', thread, message: text };
  return { kind: 'thread-threw', thread, message: text };
}

/** Asks every thread to end, also those that still wait at the start. */
function stop({ mem, control }: World): void {
  for (const [word, value] of [
    [at(control, CONTROL.stop), 1],
    [at(control, CONTROL.iteration), rawLoad(mem, at(control, CONTROL.iteration))],
  ] as const) {
    rawStore(mem, word, value);
    rawNotify(mem, word, Number.POSITIVE_INFINITY);
  }
  const go = at(control, CONTROL.go);
  if (rawLoad(mem, go) === 0) {
    rawStore(mem, go, -1);
    rawNotify(mem, go, Number.POSITIVE_INFINITY);
  }
}

/** Follows a cell until all its threads have ended or are given up. */
async function watch(run: Run, world: World, sink: CellSink, signal: AbortSignal): Promise<CellEnd> {
  const { plan } = world;
  const hang = createHangWatch(world);
  let stopAt = 0;
  let began = 0;
  let reported = 0;
  let interrupted = false;
  while (!run.ended) {
    await Promise.race([run.done, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
    for (const raw of drainViolations(world.oracles)) sink.violation(violationRecord(world, raw));
    const now = performance.now();
    if (began === 0 && !run.ended && rawLoad(world.mem, at(world.control, CONTROL.go)) === 1) began = now;
    const elapsed = began === 0 ? 0 : now - began;
    if (now - reported >= PROGRESS_MS) {
      sink.progress(progressOf(world, elapsed));
      reported = now;
    }
    if (stopAt === 0) {
      interrupted = signal.aborted;
      // A litmus ends by itself, after its iterations.
      const over = plan.litmus === null && elapsed >= plan.durationMs;
      const stuck = began === 0 ? null : hang.check(now);
      if (stuck !== null) run.fault ??= stuck;
      if (over || interrupted || run.fault !== null) {
        stop(world);
        stopAt = now;
      }
    }
    if (run.supervisor?.deadlocked === true) {
      run.fault ??= { kind: 'deadlock', thread: 'supervisor', message: 'a wait-for cycle was named' };
      break;
    }
    // A dead thread's locks stay held: the others may never end.
    if (stopAt !== 0 && now - stopAt > STOP_MS && !run.ended) {
      run.fault ??= hang.describe() ?? { kind: 'hang', thread: '?', message: 'threads did not end when told to' };
      break;
    }
  }
  const durationMs = (stopAt === 0 ? performance.now() : stopAt) - (began === 0 ? run.startedAt : began);
  if (run.fault !== null)
    sink.log('error', `${run.fault.kind}: ${run.fault.thread}: ${run.fault.message}`, { threads: allStates(world) });
  return { durationMs, interrupted, fault: run.fault, supervisor: run.supervisor };
}
