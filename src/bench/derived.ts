import type { BenchRound } from './result.ts';
import type { Base } from './run-types.ts';

/** Rounds with the figures that are ratios to another cell of the same round: a machine that is slow for a while slows both. */
export function withDerived(
  rounds: readonly BenchRound[],
  base: readonly BenchRound[],
  figures: Base['figures'],
): BenchRound[] {
  const others = new Map(base.map(({ round, metrics }) => [round, metrics]));
  return rounds.map((one) => {
    const other = others.get(one.round);
    const derived = Object.entries(figures).flatMap(([name, of]): [string, number][] => {
      const [own, below] = [one.metrics[of], other?.[of]];
      return own === undefined || below === undefined || below === 0 ? [] : [[name, own / below]];
    });
    return derived.length === 0 ? one : { ...one, metrics: { ...one.metrics, ...Object.fromEntries(derived) } };
  });
}
