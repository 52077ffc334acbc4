import type { Addr } from '../memory/address.ts';

/**
 * Log-linear histogram, HDR style, in doubles (exact to 2^53) with one writer: 16 linear sub-buckets for each power of
 * two, so a quantile is off by at most 1/16 of its value. Values are whole and not negative; 2^40 and above fall into
 * the last bucket.
 */
const SUB_BITS = 4;
const SUB = 1 << SUB_BITS;
const MAX_EXPONENT = 40;
const BIG_SHIFT = MAX_EXPONENT - 31;
export const HISTOGRAM_BUCKETS = SUB + (MAX_EXPONENT - SUB_BITS) * SUB;
/** Doubles of one histogram: buckets, then count, sum, max. */
export const HISTOGRAM_DOUBLES = HISTOGRAM_BUCKETS + 3;
/** Where they are, from the histogram's first double. */
export const HISTOGRAM_AT = {
  count: HISTOGRAM_BUCKETS,
  sum: HISTOGRAM_BUCKETS + 1,
  max: HISTOGRAM_BUCKETS + 2,
} as const;
const COUNT = HISTOGRAM_AT.count;
const SUM = HISTOGRAM_AT.sum;
const MAX = HISTOGRAM_AT.max;

/** Bucket of a value. Anything that is not a number of at least 0 counts as 0. */
export function bucketOf(value: number): number {
  if (!(value >= SUB)) return value > 0 ? value | 0 : 0;
  if (value < 2 ** 31) return bucketOfInt(value | 0);
  if (value >= 2 ** MAX_EXPONENT) return HISTOGRAM_BUCKETS - 1;
  // Above 31 bits: drop the 9 lowest, which lie far below the sub-bucket bits. A product with a power of two is exact.
  return bucketOfInt((value * 2 ** -BIG_SHIFT) | 0) + BIG_SHIFT * SUB;
}

/** For SUB .. 2^31 - 1. The leading SUB_BITS + 1 bits are SUB + sub-bucket, so the groups of SUB join without gaps. */
function bucketOfInt(v: number): number {
  const shift = 31 - SUB_BITS - Math.clz32(v);
  return (shift << SUB_BITS) + (v >>> shift);
}

/** The largest value that falls into `bucket`. */
export function bucketLast(bucket: number): number {
  if (bucket < SUB) return bucket;
  const exponent = Math.floor((bucket - SUB) / SUB) + SUB_BITS;
  const sub = (bucket - SUB) % SUB;
  return (SUB + sub + 1) * 2 ** (exponent - SUB_BITS) - 1;
}

/**
 * Adds one value; what is not a number of at least 0 counts as 0, in the sum too. `base` is an index of doubles; only
 * one thread may write a histogram. A reader on another thread may see the words of one addition apart: the sums are
 * exact when the writer is quiet.
 */
export function histogramAdd(f64: Float64Array, base: number, value: number): void {
  // Not Math.max, which would let NaN into the sum.
  const v = value > 0 ? value : 0;
  f64[base + bucketOf(v)] += 1;
  f64[base + COUNT] += 1;
  f64[base + SUM] += v;
  if (v > f64[base + MAX]) f64[base + MAX] = v;
}

export interface Quantiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A histogram that stands still: sums of one or several threads. */
export interface Histogram {
  /** Values by bucket: see `bucketLast`. */
  readonly buckets: Float64Array;
  readonly count: number;
  readonly sum: number;
  readonly max: number;
}

/** Sums buckets of several threads (bases are indices of doubles); `sum` and `max` of the values are known otherwise. */
export function sumBuckets(f64: Float64Array, bases: readonly number[], sum: number, max: number): Histogram {
  const buckets = new Float64Array(HISTOGRAM_BUCKETS);
  for (const base of bases) for (let i = 0; i < HISTOGRAM_BUCKETS; i++) buckets[i] += f64[base + i];
  // Counted from the buckets: quantiles are exact in them even while a writer is between two of its words.
  return { buckets, count: buckets.reduce((total, n) => total + n, 0), sum, max };
}

/** Sums histograms of several threads (bases are indices of doubles). */
export const sumHistograms = (f64: Float64Array, bases: readonly number[]): Histogram =>
  sumBuckets(
    f64,
    bases,
    bases.reduce((sum, base) => sum + f64[base + SUM], 0),
    bases.reduce((max, base) => Math.max(max, f64[base + MAX]), 0),
  );

/** The sum of two. */
export const joinHistograms = (a: Histogram, b: Histogram): Histogram => ({
  buckets: a.buckets.map((n, i) => n + b.buckets[i]),
  count: a.count + b.count,
  sum: a.sum + b.sum,
  max: Math.max(a.max, b.max),
});

/** Reads the quantiles off: each is at most 1/16 above the exact one. */
export function quantilesOf({ buckets, count, sum, max }: Histogram): Quantiles {
  const at = (q: number): number => {
    const rank = Math.max(1, Math.ceil(q * count));
    let seen = 0;
    for (let i = 0; i < HISTOGRAM_BUCKETS; i++) {
      seen += buckets[i];
      if (seen >= rank) return bucketEnd(i, max);
    }
    return max;
  };
  if (count === 0) return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  return { count, mean: sum / count, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max };
}

/** The largest value that a bucket may hold, in a histogram of values up to `max`. The last bucket has no end of its own. */
export const bucketEnd = (bucket: number, max: number): number =>
  bucket === HISTOGRAM_BUCKETS - 1 ? max : Math.min(bucketLast(bucket), max);

/** Index of the first double at an address; regions of doubles start on a cache line, so the address is even. */
export const doubleIndex = (a: Addr): number => a >>> 1;
