import { type Estimate, estimate, median, shuffled } from '../src/bench/stats.ts';
import { mixSeed } from '../src/trace/random.ts';

/** Of the intervals and of the order within a round: what was measured can be summed up again. */
const SEED = 1;

/**
 * What was measured: rounds, in each of which all cases have their turn, by generation. A generation has new threads or processes: what V8 makes of the
 * model differs by several per cent from one to the next and stays as it is, so that more rounds of the same ones would make an interval
 * narrower and no truer.
 */
export type Generations<R> = readonly (readonly R[])[];

/** A ratio of two figures of the same round: its median within each generation, summed up over the generations. */
export const ratioOver = <R>(generations: Generations<R>, ratio: (round: R) => number): Estimate =>
  estimate(
    generations.map((rounds) => median(rounds.map(ratio))),
    SEED,
  );

export const medianOver = <R>(generations: Generations<R>, figure: (round: R) => number): number =>
  median(generations.flatMap((rounds) => rounds.map(figure)));

/** `1.046` and `0.860..1.171`. */
export const ratioCells = ({ median, lo, hi }: Estimate): [string, string] => [
  median.toFixed(3),
  `${lo.toFixed(3)}..${hi.toFixed(3)}`,
];

/** The order in which the cases have their turn in a round: another in each. */
export const orderOf = (round: number, cases: number): number[] => shuffled(cases, mixSeed(SEED, round));
