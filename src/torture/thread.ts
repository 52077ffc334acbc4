import { at } from '../memory/address.ts';
import type { CellPlan, ThreadPlan } from '../scenario/plan.ts';
import { rawAdd, rawCompareExchange, rawLoad, rawNotify, rawStore, rawWait } from '../sync/atomics.ts';
import { clearWait, publishWait, WAIT } from '../sync/task.ts';
import { count, moveEpoch, now } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { CONTROL, PARK_TASK, parkFinished, parkPoint, stopping } from '../trace/park.ts';
import { attachThread, type ThreadCell } from '../world/actor.ts';
import { attachWorld, type World } from '../world/world.ts';

/** What travels to a worker: the plan, the arena, and which thread it is. */
export interface ThreadTask {
  readonly plan: CellPlan;
  readonly buffer: SharedArrayBuffer;
  readonly tid: number;
  /** `hrtimeMs` at the cell's start: the zero of its clock. */
  readonly epochMs: number;
  /** URL of the module whose default function is the thread. */
  readonly entry: string;
}

/** What a worker gives back when it ends in order. */
export interface ThreadExit {
  readonly tid: number;
  /** false: the start was given up before the barrier opened. */
  readonly started: boolean;
  /** A hook of the user's has left timers behind, which would go off in somebody else's cell. */
  readonly left?: boolean;
}

/** A thread of a cell, with its own part of the plan. */
export interface RoleCell extends ThreadCell {
  readonly thread: ThreadPlan;
}

/** Builds a thread's views. */
export function openThread(task: ThreadTask): RoleCell {
  const world = attachWorld(task.plan, task.buffer);
  const cell = attachThread(world, task.tid, task.epochMs);
  return { ...cell, thread: task.plan.threads[task.tid]! };
}

/**
 * The start barrier: the last to arrive opens it. False when the cell was given up before; how long to wait for everybody is decided
 * by the main thread alone, so that all leave in the same way.
 */
export function startBarrier({ world, actor }: ThreadCell): boolean {
  const { mem, f64, control, threads } = world;
  const go = at(control, CONTROL.go);
  const startedAt = (control + CONTROL.startedAt) >>> 1;
  // Says who has come: whoever is missing still has 0 here.
  rawStore(mem, at(actor.parkWord, PARK_TASK.serial), 1);
  if (rawAdd(mem, at(control, CONTROL.ready), 1) + 1 === threads) {
    f64[startedAt] = now(actor);
    // Compare, not store: the main thread may have given the start up.
    rawCompareExchange(mem, go, 0, 1);
    rawNotify(mem, go, Number.POSITIVE_INFINITY);
  }
  publishWait(actor, WAIT.park, control, 0, true);
  while (rawLoad(mem, go) === 0) rawWait(mem, go, 0, 1000);
  clearWait(actor);
  // From here on, time counts from the moment at which the barrier opened: starting the threads takes longer than many a cell.
  moveEpoch(actor, f64[startedAt]!);
  // Records from before have times of before; they would seem to be the latest of all.
  mem[actor.ringHead] = 0;
  return rawLoad(mem, go) === 1;
}

/**
 * Runs a load role: `prepare` makes the function for one operation, which is then called until the cell stops, with a quiescent
 * point before each call. An exception goes to the pool and ends the cell.
 */
export function runRole(task: ThreadTask, prepare: (cell: RoleCell) => () => void): ThreadExit {
  const cell = openThread(task);
  const { actor, world, thread } = cell;
  const operation = prepare(cell);
  const started = startBarrier(cell);
  const last = task.plan.kill?.find(({ tid }) => tid === task.tid)?.after ?? Number.POSITIVE_INFINITY;
  if (started) {
    for (let done = 0; !stopping(world.mem, world.control); done++) {
      if (done >= last) {
        // Holds nothing, and cleans up nothing: its regions stay until the supervisor takes all away.
        count(actor, COUNTER['thread.killed']);
        break;
      }
      parkPoint(actor, actor.control, actor.parkWord);
      actor.op = (actor.op + 1) | 0;
      operation();
      if (thread.pauseUs > 0) pause(cell, thread.pauseUs);
    }
  }
  finishThread(cell);
  return { tid: task.tid, started };
}

/** The thread does no more: its ledger is closed, and the supervisor no longer waits for it. */
export function finishThread({ actor, observer }: ThreadCell): void {
  observer.finished(actor);
  parkFinished(actor, actor.control, actor.parkWord);
}

/** Threads that the scenario has ended; one that was to end and did not come to it is none. */
export const killedThreads = ({ plan, f64, counters }: World): readonly ThreadPlan[] =>
  plan.threads.filter(({ tid }) => f64[counters[tid]! + COUNTER['thread.killed']] !== 0);

/** Below this, a pause is spun: a sleep would take longer. */
const SPIN_BELOW_US = 100;

/** A longer pause is slept in slices, each ending at a quiescent point, so that an audit need not wait for it. */
const PAUSE_SLICE_MS = 20;

/** Rests between two operations, or in one where the caller holds nothing: the thread may be parked here. */
export function pause({ world, actor }: ThreadCell, us: number): void {
  const end = performance.now() + us / 1000;
  if (us < SPIN_BELOW_US) {
    while (performance.now() < end);
    return;
  }
  const { mem, control } = world;
  const stop = at(control, CONTROL.stop);
  for (let left = us / 1000; left > 0 && !stopping(mem, control); left = end - performance.now()) {
    publishWait(actor, WAIT.idle, stop, 0, true);
    rawWait(mem, stop, 0, Math.min(left, PAUSE_SLICE_MS));
    clearWait(actor);
    parkPoint(actor, actor.control, actor.parkWord);
  }
}
