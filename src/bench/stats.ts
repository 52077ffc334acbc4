import { mixSeed, nextRandom, type RandomState, randomBelow } from '../trace/random.ts';
import type { FiniteEstimate } from './result.ts';

/** A median with the interval in which it lies with 95 % confidence. `n`: values that it was made from. */
export interface Estimate {
  readonly median: number;
  readonly lo: number;
  readonly hi: number;
  readonly n: number;
}

/** JSON has no NaN and no infinity. */
export const finite = ({ median, lo, hi, n }: Estimate): FiniteEstimate => {
  const or = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return { median: or(median), lo: or(lo), hi: or(hi), n };
};

/** Resamples of a bootstrap. The ends of a 95 % interval are then known to about half a percent of its coverage. */
export const RESAMPLES = 2000;
/**
 * Fewer rounds than this support no claim: with five, even the interval from the smallest to the largest value misses the median
 * more often than one time in twenty (2 * 0.5^5 = 6 %).
 */
export const MIN_ROUNDS = 6;
const LEVEL = 0.95;

/** The middle value; of an even number of values the mean of the middle two. NaN of none. */
export function median(values: readonly number[]): number {
  return medianOfSorted([...values].sort((a, b) => a - b));
}

function medianOfSorted(sorted: ArrayLike<number>): number {
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Of sorted values, linear between the two nearest ranks (type 7 of Hyndman and Fan 1996). */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * Math.min(1, Math.max(0, q));
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/** The median of values and its bootstrap interval; without values all members are NaN. The same seed gives the same interval. */
export const estimate = (values: readonly number[], seed: number): Estimate => {
  const state: RandomState = { rng: mixSeed(seed, values.length) };
  return { median: median(values), ...intervalOf(resampler(values, state), values.length), n: values.length };
};

/**
 * The ratio of two runs' medians, `b` to `a`, whose rounds were not run side by side: each is resampled by itself. Values of rounds that
 * were are divided first, and their ratios given to `estimate`.
 */
export function ratioOfMedians(a: readonly number[], b: readonly number[], seed: number): Estimate {
  const state: RandomState = { rng: mixSeed(seed, a.length, b.length) };
  const [below, above] = [resampler(a, state), resampler(b, state)];
  const n = Math.min(a.length, b.length);
  return { median: median(b) / median(a), ...intervalOf(() => above() / below(), n), n };
}

/**
 * Whether a ratio is a difference: its interval excludes 1, and enough rounds stand behind it. null: too few rounds to say, or no ratio.
 */
export const differs = ({ lo, hi, n }: Estimate): boolean | null =>
  n < MIN_ROUNDS || !Number.isFinite(lo) || !Number.isFinite(hi) ? null : lo > 1 || hi < 1;

/**
 * The median of as many values, drawn from them with repeats: how often each was drawn is counted, which takes a tenth of the time that
 * sorting them would.
 */
function resampledMedian(sorted: Float64Array, counts: Uint32Array, state: RandomState): number {
  const n = sorted.length;
  counts.fill(0);
  for (let i = 0; i < n; i++) counts[randomBelow(state, n)]!++;
  const upper = n >> 1;
  let at = 0;
  let seen = counts[0]!;
  if (n % 2 === 1) {
    while (seen <= upper) seen += counts[++at]!;
    return sorted[at]!;
  }
  while (seen < upper) seen += counts[++at]!;
  const lower = sorted[at]!;
  while (seen <= upper) seen += counts[++at]!;
  return (lower + sorted[at]!) / 2;
}

/** Draws medians of resamples. */
function resampler(values: readonly number[], state: RandomState): () => number {
  const sorted = Float64Array.from(values).sort();
  const counts = new Uint32Array(values.length);
  return () => resampledMedian(sorted, counts, state);
}

/**
 * The percentile interval of a bootstrap, widened as Hesterberg (2015, "expanded percentile") has it: plain percentiles of so few values
 * as there are rounds are too narrow, as if the spread were divided by n instead of n - 1 and normal instead of t.
 */
function intervalOf(resample: () => number, n: number): { lo: number; hi: number } {
  if (n === 0) return { lo: Number.NaN, hi: Number.NaN };
  const medians = Float64Array.from({ length: RESAMPLES }, resample).sort();
  const tail = expandedTail(n);
  return { lo: quantileOfSorted(medians, tail), hi: quantileOfSorted(medians, 1 - tail) };
}

/** What is cut off on each side. Of one or two values nothing is: their interval is all there is. */
export function expandedTail(n: number): number {
  if (n < 3) return 0;
  return normalBelow(-Math.sqrt(n / (n - 1)) * tQuantile((1 + LEVEL) / 2, n - 1));
}

/** Student's t, 0.5 < p < 1: the normal quantile and four terms of its expansion (Abramowitz and Stegun 26.7.5); within 0.5 % from df 4 on. */
function tQuantile(p: number, df: number): number {
  const z = normalQuantile(p);
  const z2 = z * z;
  return (
    z +
    (z * (z2 + 1)) / (4 * df) +
    (z * (5 * z2 * z2 + 16 * z2 + 3)) / (96 * df ** 2) +
    (z * (3 * z2 ** 3 + 19 * z2 ** 2 + 17 * z2 - 15)) / (384 * df ** 3)
  );
}

/** The normal distribution's quantile by bisection: `normalBelow` rises. */
function normalQuantile(p: number): number {
  let [low, high] = [-10, 10];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalBelow(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The normal distribution function (Abramowitz and Stegun 26.2.17; error below 1e-7). */
function normalBelow(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * poly;
  return x >= 0 ? 1 - tail : tail;
}

/** A random order of 0 .. n - 1 (Fisher and Yates). */
export function shuffled(n: number, seed: number): number[] {
  const state: RandomState = { rng: mixSeed(seed) };
  nextRandom(state);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = randomBelow(state, i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
