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
const COUNT = HISTOGRAM_BUCKETS;
const SUM = HISTOGRAM_BUCKETS + 1;
const MAX = HISTOGRAM_BUCKETS + 2;

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

/** Sums histograms of several threads (bases are indices of doubles) and reads the quantiles off. */
export function mergeQuantiles(f64: Float64Array, bases: readonly number[]): Quantiles {
  const merged = new Float64Array(HISTOGRAM_BUCKETS);
  let count = 0;
  let sum = 0;
  let max = 0;
  for (const base of bases) {
    for (let i = 0; i < HISTOGRAM_BUCKETS; i++) merged[i] += f64[base + i];
    sum += f64[base + SUM];
    max = Math.max(max, f64[base + MAX]);
  }
  for (const n of merged) count += n;
  const at = (q: number): number => {
    const rank = Math.max(1, Math.ceil(q * count));
    let seen = 0;
    for (let i = 0; i < HISTOGRAM_BUCKETS; i++) {
      seen += merged[i];
      // The last bucket has no upper end: there the largest value is the only bound.
      if (seen >= rank) return i === HISTOGRAM_BUCKETS - 1 ? max : Math.min(bucketLast(i), max);
    }
    return max;
  };
  if (count === 0) return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  return { count, mean: sum / count, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max };
}

/** Index of the first double at an address; regions of doubles start on a cache line, so the address is even. */
export const doubleIndex = (a: Addr): number => a >>> 1;
