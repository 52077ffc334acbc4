import { type Estimate, estimate, shuffled } from '../src/bench/stats.ts';
import { mixSeed } from '../src/trace/random.ts';

/** Of the intervals and of the order within a round: what was measured can be summed up again. */
const SEED = 1;

/** Each round's figure to that of another case in the same round, summed up. */
export const pairedRatio = (values: readonly number[], base: readonly number[]): Estimate =>
  estimate(
    values.map((value, round) => value / base[round]!),
    SEED,
  );

/** `1.046` and `0.860..1.171`. */
export const ratioCells = ({ median, lo, hi }: Estimate): [string, string] => [
  median.toFixed(3),
  `${lo.toFixed(3)}..${hi.toFixed(3)}`,
];

/** The order in which the cases have their turn in a round: another in each. */
export const orderOf = (round: number, cases: number): number[] => shuffled(cases, mixSeed(SEED, round));
