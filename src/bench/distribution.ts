import { bucketLast, bucketOf, HISTOGRAM_BUCKETS, type Histogram } from '../trace/histogram.ts';
import type { Heat } from './result.ts';

/**
 * What came between two readings of one histogram. Its maximum is that of its last bucket: the two readings share one, which may be older.
 */
export function histogramBetween(before: Histogram, after: Histogram): Histogram {
  const buckets = after.buckets.map((n, i) => n - before.buckets[i]!);
  let top = 0;
  for (let i = 0; i < buckets.length; i++) if (buckets[i]! > 0) top = i;
  const count = buckets.reduce((sum, n) => sum + n, 0);
  return { buckets, count, sum: after.sum - before.sum, max: count === 0 ? 0 : Math.min(after.max, bucketLast(top)) };
}

/** The buckets that are not empty: largest value, count. */
export const bucketPairs = ({ buckets }: Histogram): [number, number][] =>
  Array.from(buckets, (n, i): [number, number] => [bucketLast(i), n]).filter(([, n]) => n > 0);

/** Rows of a map of latency: two for each power of two. */
const ROW_BUCKETS = 8;
/** Below this many nanoseconds is one row. */
const FLOOR_NS = 127;

/** How latency went over the time of a cell: a histogram for each slice, in coarser buckets, from the smallest to the largest seen. */
export function heatOf(readings: readonly { readonly atMs: number; readonly histogram: Histogram }[]): Heat | null {
  if (readings.length < 2) return null;
  const floor = bucketOf(FLOOR_NS + 1);
  const rows = Math.ceil((HISTOGRAM_BUCKETS - floor) / ROW_BUCKETS) + 1;
  const rowOf = (bucket: number): number => (bucket < floor ? 0 : 1 + Math.floor((bucket - floor) / ROW_BUCKETS));
  const counts = readings.slice(1).map(({ histogram }, i) => {
    const slice = new Array<number>(rows).fill(0);
    const before = readings[i]!.histogram;
    histogram.buckets.forEach((n, bucket) => {
      slice[rowOf(bucket)]! += n - before.buckets[bucket]!;
    });
    return slice;
  });
  const used = Array.from({ length: rows }, (_, row) => counts.some((slice) => slice[row]! > 0));
  const [from, to] = [used.indexOf(true), used.lastIndexOf(true)];
  if (from < 0) return null;
  const lastOf = (row: number): number =>
    row === 0 ? FLOOR_NS : bucketLast(Math.min(HISTOGRAM_BUCKETS - 1, floor + row * ROW_BUCKETS - 1));
  return {
    sliceMs: readings.at(-1)!.atMs / (readings.length - 1),
    upToNs: Array.from({ length: to - from + 1 }, (_, i) => lastOf(from + i)),
    counts: counts.map((slice) => slice.slice(from, to + 1)),
  };
}
