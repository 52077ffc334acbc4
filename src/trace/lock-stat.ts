import type { Addr } from '../memory/address.ts';
import { type LockHold, STAT, STAT_ROWS, statRow } from '../sync/lock-stat.ts';
import { HELD_MAX, HELD_SHIFT, type Task } from '../sync/task.ts';
import { type Actor, timeNow } from './actor.ts';
import { HISTOGRAM_BUCKETS, HISTOGRAM_DOUBLES, histogramAdd } from './histogram.ts';
import { lastPoint, PLACES_DOUBLES, placeCount, placeKey } from './lock-stat-places.ts';

/**
 * What is counted of locks. `off`: waits, on the slow paths, which read the clock anyway. `counts`: acquisitions and bounces too,
 * without a clock. `full`: also hold times, histograms of both, and places.
 */
export const LOCK_STAT_LEVELS = ['off', 'counts', 'full'] as const;
export type LockStatLevel = (typeof LOCK_STAT_LEVELS)[number];

/** The head of a thread's block: the wait that it is in. */
export const WAITING = {
  /** The row it waits in, plus 1; 0: it does not wait. */
  row: 0,
  /** When the wait began: the cell's clock, milliseconds. */
  since: 1,
  $doubles: 8,
} as const;
/** Doubles of a thread's block, at every level: head and rows. */
export const LOCK_STAT_DOUBLES = WAITING.$doubles + STAT_ROWS * STAT.$doubles;
/** Index of the first row in the block at index `block`. */
export const statRows = (block: number): number => block + WAITING.$doubles;

/** What a row has with `full`, in a block of its own. */
export const FULL = {
  /** Buckets only: the sum and the longest are in the row. */
  wait: 0,
  /** A whole histogram. */
  hold: HISTOGRAM_BUCKETS,
  waiters: HISTOGRAM_BUCKETS + HISTOGRAM_DOUBLES,
  holders: HISTOGRAM_BUCKETS + HISTOGRAM_DOUBLES + PLACES_DOUBLES,
  $doubles: HISTOGRAM_BUCKETS + HISTOGRAM_DOUBLES + 2 * PLACES_DOUBLES,
} as const;
export const LOCK_STAT_FULL_DOUBLES = STAT_ROWS * FULL.$doubles;

/** Index of what belongs to `row` (see `statRow`) in the full block at index `full`. */
export const fullRow = (full: number, row: number): number => full + (row / STAT.$doubles) * FULL.$doubles;

/** What is to be known of all threads, for places. By tid. */
export interface StatThreads {
  /** Numbers of their roles. */
  readonly roles: readonly number[];
  readonly ringHead: (tid: number) => Addr;
  readonly ring: (tid: number) => Addr;
  readonly ringMask: number;
}

/** One thread's statistics with `full`. */
export interface FullLockStat extends LockHold {
  /** Index of the first double of its full block. */
  readonly full: number;
  /** Index of the count of the place where thread `tid` is, in the list at index `list`. */
  placeOf(actor: Actor, list: number, tid: number): number;
}

/** Makes one thread's; its full block begins at index `full`. */
export function createFullLockStat(full: number, threads: StatThreads): FullLockStat {
  // What it holds and since when, the oldest first. Not in the arena: nobody else looks at it.
  const held = new Int32Array(HELD_MAX);
  const since = new Float64Array(HELD_MAX);
  let count = 0;
  return {
    full,
    placeOf({ mem, f64 }, list, tid) {
      const point = lastPoint(mem, threads.ringHead(tid), threads.ring(tid), threads.ringMask);
      return placeCount(f64, list, placeKey(threads.roles[tid], point));
    },
    acquired(task, lock, mode) {
      if (count === HELD_MAX) return;
      held[count] = lock | (mode << HELD_SHIFT);
      const actor = task as Actor;
      since[count] = actor.f64[timeNow(actor)];
      count++;
    },
    released(task, lock, mode) {
      const word = lock | (mode << HELD_SHIFT);
      let i = count - 1;
      while (i >= 0 && held[i] !== word) i--;
      if (i < 0) return;
      const actor = task as Actor;
      const time = actor.f64[timeNow(actor)] - since[i];
      held.copyWithin(i, i + 1, count);
      since.copyWithin(i, i + 1, count);
      count--;
      addHold(task, full, statRow(task, lock, mode), Math.round(time * 1e6));
    },
  };
}

function addHold(task: Task, full: number, row: number, ns: number): void {
  const { f64, contention } = task as Actor;
  const histogram = fullRow(full, row) + FULL.hold;
  const least = statRows(contention) + row + STAT.holdMin;
  const first = f64[histogram + HISTOGRAM_BUCKETS] === 0;
  if (first || ns < f64[least]) f64[least] = Math.max(ns, 0);
  histogramAdd(f64, histogram, ns);
}
