import { at } from '../memory/address.ts';
import type { CellFault } from '../results/types.ts';
import type { CellPlan, Role } from '../scenario/plan.ts';
import { rawCompareExchange, rawNotify, rawStore } from '../sync/atomics.ts';
import { hrtimeMs } from '../trace/clock.ts';
import { CONTROL } from '../trace/park.ts';
import type { World } from '../world/world.ts';
import type { Pool } from './pool.ts';
import type { SupervisorExit } from './supervisor.ts';
import type { ThreadExit, ThreadTask } from './thread.ts';

/** The threads of a running cell, as the main thread follows them. */
export interface Run {
  readonly startedAt: number;
  /** See `ThreadTask`. */
  readonly epochMs: number;
  fault: CellFault | null;
  /** Of the exception behind `fault`, for the log. */
  stack: string | null;
  supervisor: SupervisorExit | null;
  /** Every thread has ended, one way or another. */
  ended: boolean;
  /** Called when the last thread has ended: whoever sleeps between two looks need not sleep on. */
  wake: () => void;
}

/** Hands every thread of the plan to the pool. Nothing is thrown from here: what goes wrong is in the run. */
export function startThreads(plan: CellPlan, pool: Pool, world: World, url: (role: Role) => URL): Run {
  const epochMs = hrtimeMs();
  const run: Run = {
    startedAt: performance.now(),
    epochMs,
    fault: null,
    stack: null,
    supervisor: null,
    ended: false,
    wake: () => {},
  };
  const tasks = plan.threads.map(async ({ tid, role, name }) => {
    try {
      const task: ThreadTask = { plan, buffer: pool.buffer, tid, epochMs, entry: url(role).href };
      const exit = (await pool.piscina.run(task)) as ThreadExit | SupervisorExit | null;
      if (exit?.tid !== tid) throw new TypeError('the thread ended without saying how');
      if (exit.left === true) pool.broken = true;
      if (role === 'supervisor') run.supervisor = exit as SupervisorExit;
    } catch (error) {
      if (run.fault === null) {
        run.fault = faultOf(name, error);
        run.stack = error instanceof Error ? (error.stack ?? null) : null;
      }
      stopThreads(world);
    }
  });
  void Promise.all(tasks).then(() => {
    run.ended = true;
    run.wake();
  });
  return run;
}

/** What killed a thread, from the error that the pool saw. */
export function faultOf(thread: string, error: unknown): CellFault {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const text = (typeof message === 'string' && message !== '' ? message : String(error)).split('\n')[0]!;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return { kind: 'out-of-memory', thread, message: text };
  // The pool's words for process.exit() in a worker.
  if (text.startsWith('worker exited with code')) return { kind: 'thread-exited', thread, message: text };
  return { kind: 'thread-threw', thread, message: text };
}

/** Asks every thread to end, also those that still wait at the start. May be called again. */
export function stopThreads({ mem, control }: World): void {
  const stop = at(control, CONTROL.stop);
  rawStore(mem, stop, 1);
  rawNotify(mem, stop, Number.POSITIVE_INFINITY);
  // The barrier between two iterations of a litmus: only woken. Its number is the supervisor's.
  rawNotify(mem, at(control, CONTROL.iteration), Number.POSITIVE_INFINITY);
  // Compare, not store: the barrier may open at this moment.
  rawCompareExchange(mem, at(control, CONTROL.go), 0, -1);
  rawNotify(mem, at(control, CONTROL.go), Number.POSITIVE_INFINITY);
}
