import type { Addr, Memory } from '../memory/address.ts';
import { POINT } from './points.ts';
import { RECORD } from './ring.ts';

/** Records of a ring that are looked at for a point that is no lock's own. */
const LOOK_BACK = 8;

/**
 * The last point that a thread has passed and that is no lock's own; -1 without one. Of another thread it may be one that is being
 * written: a statistic.
 */
export function lastPoint(mem: Memory, ringHead: Addr, ring: Addr, ringMask: number): number {
  const head = mem[ringHead];
  for (let i = head - 1; i >= 0 && i >= head - LOOK_BACK; i--) {
    const point = mem[ring + (i & ringMask) * RECORD.$words + RECORD.point];
    if (point !== POINT['lock.contended'] && point !== POINT['lock.acquired']) return point;
  }
  return -1;
}

/** Where a thread was when a lock was contended. */
export interface Place {
  /** Number of its role. */
  readonly role: number;
  /** The last point that it had passed; -1: no trace. */
  readonly point: number;
}

/** Points are fewer. */
const POINTS = 256;

/** A place as a number that is not 0. */
export const placeKey = (role: number, point: number): number => (role + 1) * POINTS + point + 1;
const placeOf = (key: number): Place => ({ role: Math.floor(key / POINTS) - 1, point: (key % POINTS) - 1 });

/** Places that one list tells apart: pairs of key and count in the order in which they were met, then one count for all others. */
const PLACES = 16;
export const PLACES_DOUBLES = PLACES * 2 + 1;

/** Index of the count of a place in the list at index `list`; its key is written when it is new. */
export function placeCount(f64: Float64Array, list: number, key: number): number {
  for (let i = list; i < list + PLACES * 2; i += 2) {
    if (f64[i] === 0) f64[i] = key;
    if (f64[i] === key) return i + 1;
  }
  return list + PLACES * 2;
}

/** Sums lists of several threads: the `most` places with the largest counts. */
export function topPlaces(f64: Float64Array, lists: readonly number[], most: number): (Place & { count: number })[] {
  const counts = new Map<number, number>();
  for (const list of lists)
    for (let i = list; i < list + PLACES * 2; i += 2)
      if (f64[i + 1] > 0) counts.set(f64[i], (counts.get(f64[i]) ?? 0) + f64[i + 1]);
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || a - b)
    .slice(0, most)
    .map(([key, count]) => ({ ...placeOf(key), count }));
}
