import type { Addr } from '../memory/address.ts';
import * as lockClassModule from './lock-class.ts';
import type { HeldMode, Task } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { CLS_OFFSET, LOCK_CLASSES, OWNER_OFFSET } = lockClassModule;
const { HELD } = taskModule;
const CLASSES = LOCK_CLASSES.length;
const CLS = CLS_OFFSET;
const OWNER = OWNER_OFFSET;
const READ = HELD.read;

/** lock_stat's two rows of a class, `-R` and `-W`; a lock without modes is in the second. */
export const STAT_MODES = 2;
export const STAT_ROWS = CLASSES * STAT_MODES;
/** Doubles of a row; times in nanoseconds. */
export const STAT = {
  acquisitions: 0,
  /** Acquisitions of a lock that another thread had last. */
  acqBounces: 1,
  /** Waits that have ended. */
  contentions: 2,
  /** Waits for a lock that another thread had last. */
  conBounces: 3,
  waitTotal: 4,
  waitMin: 5,
  waitMax: 6,
  holdMin: 7,
  $doubles: 8,
} as const;
const ROW = STAT.$doubles;
const ACQUISITIONS = STAT.acquisitions;
const ACQ_BOUNCES = STAT.acqBounces;

/** Where one thread counts what it acquires. */
export interface LockStat {
  readonly f64: Float64Array;
  /** Index of the first double of the thread's rows: only this thread writes them. */
  readonly rows: number;
  /** What the thread writes into the owner's word of a lock: its tid + 1. */
  readonly me: number;
}

/** Takes the time of holds, for one thread. */
export interface LockHold {
  acquired(task: Task, lock: Addr, mode: HeldMode): void;
  /** About to release. Also called for locks that were never told of as acquired: the queues inside of locks. */
  released(task: Task, lock: Addr, mode: HeldMode): void;
}

/** A task whose locks are counted, if they are: what is absent costs a lock one load and one compare. */
export interface StatTask extends Task {
  readonly lockStat?: LockStat | undefined;
  readonly lockHold?: LockHold | undefined;
}

/** A lock's row, counted in doubles from the first. What is no class is counted as 'unclassified', not in another's words. */
export function statRow(task: Task, lock: Addr, mode: HeldMode): number {
  const cls = task.mem[lock + CLS] >>> 0;
  return ((cls < CLASSES ? cls : 0) * STAT_MODES + (mode === READ ? 0 : 1)) * ROW;
}

/** Who had the lock last: tid + 1, or 0. Racy among readers, as in the kernel. */
export const lastOwner = (task: Task, lock: Addr): number => task.mem[lock + OWNER];

/** lock_acquired, for a task with `stat`, waited or not. No clock is read here. */
export function statAcquired(task: StatTask, stat: LockStat, lock: Addr, mode: HeldMode): void {
  const { mem } = task;
  const { f64, me } = stat;
  const row = stat.rows + statRow(task, lock, mode);
  f64[row + ACQUISITIONS] += 1;
  const owner = lock + OWNER;
  const last = mem[owner];
  if (last !== me) {
    if (last !== 0) f64[row + ACQ_BOUNCES] += 1;
    mem[owner] = me;
  }
  if (task.lockHold !== undefined) task.lockHold.acquired(task, lock, mode);
}
