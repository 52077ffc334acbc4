import { type Addr, at, type Memory } from '../memory/address.ts';
import { rawAdd, rawLoad, rawWait } from '../sync/atomics.ts';
import { clearWait, publishWait, type Task, WAIT } from '../sync/task.ts';
import { CONTROL, PARK_TASK, stopping } from './park.ts';
import { POINT, POINT_COUNT, type PointName } from './points.ts';
import { mixSeed, nextRandom, type RandomState } from './random.ts';

/**
 * Threads that stop for long at a point and hold what they hold: locktorture's long_hold, and what a virtual machine does that loses
 * its core. Plain data.
 */
export interface StallPlan {
  /** Percent of the points passed at which a thread stops, 0 .. 100. */
  readonly probability: number;
  /** For how long, milliseconds. */
  readonly ms: number;
  /** Where; empty: at every point. */
  readonly points: readonly PointName[];
}

/** One thread's own part. */
export interface Stall extends RandomState {
  readonly active: Uint8Array;
  /** `probability` scaled to 2^32. */
  readonly below: number;
  readonly ms: number;
}

const STREAM = 0x57a11;

export function createStall(plan: StallPlan, seed: number, tid: number): Stall {
  const active = new Uint8Array(POINT_COUNT).fill(plan.points.length === 0 ? 1 : 0);
  for (const name of plan.points) active[POINT[name]] = 1;
  return { active, below: (plan.probability / 100) * 2 ** 32, ms: plan.ms, rng: mixSeed(seed, tid, STREAM) };
}

/** In `CONTROL.stalls`: the low bits count the threads that stand still now, the others how often one began to. */
const BEGUN = 1 << 8;
const NOW = BEGUN - 1;

/** A value that is not negative, equal at two moments only if no thread stood still in between; -1 while one does. */
export function stallsSeen(mem: Memory, control: Addr): number {
  const word = rawLoad(mem, at(control, CONTROL.stalls));
  return (word & NOW) === 0 ? word >>> 8 : -1;
}

/** Whether a thread stands still at a point, by its park word. A plain look. */
export const isStalled = (mem: Memory, parkWord: Addr): boolean => mem[parkWord + PARK_TASK.stalled] !== 0;

/**
 * Stops the caller, or not; returns true when it did. It says so before and until after: whoever judges others by the time that passes
 * must be able to leave out the time that is none of theirs. To the deadlock oracle it is a sleep that ends by itself.
 */
export function stallAt(task: Task, stall: Stall, control: Addr, parkWord: Addr, point: number): boolean {
  if (stall.active[point] === 0 || nextRandom(stall) >>> 0 >= stall.below) return false;
  const { mem } = task;
  if (stopping(mem, control)) return false;
  const stop = at(control, CONTROL.stop);
  const stalls = at(control, CONTROL.stalls);
  mem[parkWord + PARK_TASK.stalled] = 1;
  rawAdd(mem, stalls, BEGUN + 1);
  publishWait(task, WAIT.idle, stop, 0, true);
  const end = performance.now() + stall.ms;
  for (let left = stall.ms; left > 0 && !stopping(mem, control); left = end - performance.now())
    rawWait(mem, stop, 0, left);
  clearWait(task);
  rawAdd(mem, stalls, -1);
  mem[parkWord + PARK_TASK.stalled] = 0;
  return true;
}
