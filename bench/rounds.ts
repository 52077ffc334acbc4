import { Bench } from 'tinybench';
import { references } from './references.ts';

/** Operations in one timed call: a clock read costs as much as a lock, so one call must not be one operation. */
export const BATCH = 1000;

/** What is measured: `run` performs `BATCH` operations. */
export interface Case {
  readonly name: string;
  readonly run: () => void;
}

/** A measured case, with its ratios to the references of the same rounds. */
export interface Row {
  readonly bench: string;
  readonly name: string;
  /** Median over the rounds of each round's median. */
  readonly nsPerOp: number;
  /** To the inline futex pair. */
  readonly ratio: Interval;
  /** To a pair of bare `Atomics.add`. */
  readonly addRatio: Interval;
}

/** Median, smallest and largest over the rounds. */
export interface Interval {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface RoundOptions {
  /** How often all cases are run, in turn (default 15). */
  readonly rounds?: number;
  /** Time for each case in each round, in milliseconds (default 25). */
  readonly timeMs?: number;
}

/**
 * Runs all cases in turn, round after round, and compares each with the references of its own round: a machine that
 * slows down for a while slows both, and the ratio stands. The references come first in the result.
 */
export function measure(bench: string, tested: readonly Case[], options: RoundOptions = {}): Row[] {
  const { rounds = 15, timeMs = 25 } = options;
  const cases = [...references(), ...tested];
  const ns: number[][] = cases.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    const medians = runRound(cases, timeMs);
    // The first round is the warm-up.
    if (round > 0) for (const [i, value] of medians.entries()) ns[i].push(value);
  }
  return cases.map(({ name }, i) => ({
    bench,
    name,
    nsPerOp: median(ns[i]),
    ratio: interval(ns[i].map((value, round) => value / ns[0][round])),
    addRatio: interval(ns[i].map((value, round) => value / ns[1][round])),
  }));
}

/** Runs each case once, for `timeMs`: nanoseconds for an operation, the median. */
export function runRound(cases: readonly Case[], timeMs: number): number[] {
  const bench = new Bench({ time: timeMs, iterations: 1, warmup: false });
  for (const { name, run } of cases) bench.add(name, run);
  return bench.runSync().map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`bench: '${name}' ended as ${result.state}`);
    return (result.latency.p50 * 1e6) / BATCH;
  });
}

/** The middle value; of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const interval = (values: readonly number[]): Interval => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});
