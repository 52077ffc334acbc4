import type { BenchCell, BenchClaim, BenchResult, FiniteEstimate } from './result.ts';
import { MIN_ROUNDS, median } from './stats.ts';

/** Two threads that share no address space do at least so much of what one does: they share nothing. */
export const LEAST_SPEEDUP = 1.6;

/** The cell of one thread, by its parameters. */
export const ALONE = { threads: 1, mms: 1 } as const;

/** Where others use more of the machine than this, two threads have no two cores, and that they are slow says nothing of them. */
const OTHERS_BORNE = 0.05;

/** What is asked of the designs that were measured. */
export function claimsOf(cells: readonly BenchCell[], rounds: Pick<BenchResult, 'rounds'>['rounds']): BenchClaim[] {
  const busy = othersOf(rounds) > OTHERS_BORNE;
  return [...cells.flatMap((cell) => speedupClaim(cell, busy)), ...growthClaims(cells)];
}

/** The part of the machine's CPU time that other processes used, in the median round; what is not known is 0. */
export const othersOf = (rounds: Pick<BenchResult, 'rounds'>['rounds']): number =>
  rounds.length === 0 ? 0 : median(rounds.map(({ others }) => others ?? 0));

function speedupClaim({ id, group, params, metrics }: BenchCell, busy: boolean): BenchClaim[] {
  if (group !== 'scaling' || params.threads !== 2 || params.mms !== 2 || metrics.speedup === undefined) return [];
  const holds = held('at least', LEAST_SPEEDUP, metrics.speedup);
  return [
    {
      cell: id,
      base: id,
      metric: 'speedup',
      asked: 'at least',
      bound: LEAST_SPEEDUP,
      figure: metrics.speedup,
      holds: busy && holds === false ? null : holds,
    },
  ];
}

/** Of each design the longest way: from the fewest umems to the most, time grows at most as their logarithm does. */
function growthClaims(cells: readonly BenchCell[]): BenchClaim[] {
  const all = cells.filter(({ group }) => group === 'refault');
  return [...new Set(all.map(({ subject }) => subject))].flatMap((subject) => {
    const own = all.filter((cell) => cell.subject === subject).sort((a, b) => umemsOf(a) - umemsOf(b));
    const [fewest, most] = [own[0]!, own.at(-1)!];
    const { growth } = most.metrics;
    if (growth === undefined || umemsOf(fewest) <= 1) return [];
    const bound = logGrowth(umemsOf(fewest), umemsOf(most));
    return [
      {
        cell: most.id,
        base: fewest.id,
        metric: 'growth',
        asked: 'at most' as const,
        bound,
        figure: growth,
        holds: held('at most', bound, growth),
      },
    ];
  });
}

export const umemsOf = ({ params }: Pick<BenchCell, 'params'>): number => Number(params.umems);

/** How much the logarithm grows. */
export const logGrowth = (from: number, to: number): number => Math.log(to) / Math.log(from);

/** A growth over several tenfolds as one for each of them: the root keeps the order, so the interval's ends may be taken alone. */
export function perTenfold({ median, lo, hi, n }: FiniteEstimate, from: number, to: number): FiniteEstimate {
  const root = (value: number | null): number | null => (value === null ? null : value ** (1 / Math.log10(to / from)));
  return { median: root(median), lo: root(lo), hi: root(hi), n };
}

function held(asked: BenchClaim['asked'], bound: number, { lo, hi, n }: FiniteEstimate): boolean | null {
  if (lo === null || hi === null || n < MIN_ROUNDS) return null;
  if (asked === 'at least') return lo >= bound ? true : hi < bound ? false : null;
  return hi <= bound ? true : lo > bound ? false : null;
}
