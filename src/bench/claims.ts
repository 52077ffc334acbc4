import { isDeepStrictEqual } from 'node:util';
import { LOCKS } from './lock-plan.ts';
import type { MetricName } from './metrics.ts';
import type { BenchCell, BenchClaim, BenchResult, FiniteEstimate } from './result.ts';
import { estimate, finite, MIN_ROUNDS, median } from './stats.ts';

/** Two threads that share no address space do at least so much of what one does: they share nothing. */
export const LEAST_SPEEDUP = 1.6;

/** A thread that does a tenth of what another does, is starved. */
const STARVED = 10;

/** The cell of one thread, by its parameters. */
export const ALONE = { threads: 1, mms: 1 } as const;

/** Where others use more of the machine than this, two threads have no two cores, and that they are slow says nothing of them. */
const OTHERS_BORNE = 0.05;

/** Contended, these are to do no less than any npm peer, and to starve no thread. */
const ASKED_LOCKS = ['mutex', 'rwsem'] as const;

/** What is asked of the locks and designs that were measured. `seed`: of the intervals. */
export function claimsOf(
  cells: readonly BenchCell[],
  rounds: Pick<BenchResult, 'rounds'>['rounds'],
  seed: number,
): BenchClaim[] {
  const busy = othersOf(rounds) > OTHERS_BORNE;
  return [...lockClaims(cells, seed), ...cells.flatMap((cell) => speedupClaim(cell, busy)), ...growthClaims(cells)];
}

/** Of two contended cells the one of which this is less true. */
type Worse = (a: BenchClaim, b: BenchClaim) => number;

/** Of each lock that is asked for its least true claims, over all its cells of two threads and more. */
function lockClaims(cells: readonly BenchCell[], seed: number): BenchClaim[] {
  const contended = contendedCells(cells);
  const peers = contended.filter(({ subject }) => PEERS.has(subject));
  const lowest: Worse = (a, b) => (a.figure.lo ?? 0) - (b.figure.lo ?? 0);
  const highest: Worse = (a, b) => (b.figure.hi ?? 0) - (a.figure.hi ?? 0);
  return ASKED_LOCKS.flatMap((lock) => {
    const own = contended.filter(({ subject }) => subject === lock);
    return [
      ...own
        .flatMap((cell) => {
          const beside = peers.filter(({ params }) => isDeepStrictEqual(params, cell.params));
          return peerClaim(cell, beside, seed);
        })
        .sort(lowest)
        .slice(0, 1),
      ...own.flatMap(starvationClaim).sort(highest).slice(0, 1),
    ];
  });
}

const PEERS: ReadonlySet<string> = new Set(LOCKS.flatMap(({ name, peer }) => (peer ? [name] : [])));

/** Cells in which a lock is taken by two threads and more. */
export const contendedCells = (cells: readonly BenchCell[]): BenchCell[] =>
  cells.filter(({ group, threads }) => group === 'locks' && threads > 1);

/** Throughput to that of whichever peer was the fastest in the round; the base is the peer that is the fastest over all. */
function peerClaim(cell: BenchCell, peers: readonly BenchCell[], seed: number): BenchClaim[] {
  const others = peers.map((peer) => ({ peer, rates: ratesOf(peer) }));
  const ratios = [...ratesOf(cell)].flatMap(([round, rate]) => {
    const fastest = Math.max(0, ...others.map(({ rates }) => rates.get(round) ?? 0));
    return fastest > 0 ? [rate / fastest] : [];
  });
  if (ratios.length === 0) return [];
  const [first] = others.sort((a, b) => median([...b.rates.values()]) - median([...a.rates.values()]));
  const figure = finite(estimate(ratios, seed));
  return [claim(cell, first!.peer, 'opsPerSec', 'at least', 1, figure)];
}

/** Operations in a second, by round. */
const ratesOf = ({ rounds }: BenchCell): Map<number, number> =>
  new Map(rounds.flatMap(({ round, metrics: { opsPerSec } }) => (opsPerSec === undefined ? [] : [[round, opsPerSec]])));

const starvationClaim = (cell: BenchCell): BenchClaim[] => {
  const { maxMin } = cell.metrics;
  return maxMin === undefined ? [] : [claim(cell, cell, 'maxMin', 'at most', STARVED, maxMin)];
};

const claim = (
  cell: BenchCell,
  base: BenchCell,
  metric: MetricName,
  asked: BenchClaim['asked'],
  bound: number,
  figure: FiniteEstimate,
): BenchClaim => ({ cell: cell.id, base: base.id, metric, asked, bound, figure, holds: held(asked, bound, figure) });

/** The part of the machine's CPU time that other processes used, in the median round; what is not known is 0. */
export const othersOf = (rounds: Pick<BenchResult, 'rounds'>['rounds']): number =>
  rounds.length === 0 ? 0 : median(rounds.map(({ others }) => others ?? 0));

function speedupClaim(cell: BenchCell, busy: boolean): BenchClaim[] {
  const { group, params, metrics } = cell;
  if (group !== 'scaling' || params.threads !== 2 || params.mms !== 2 || metrics.speedup === undefined) return [];
  const speedup = claim(cell, cell, 'speedup', 'at least', LEAST_SPEEDUP, metrics.speedup);
  return [busy && speedup.holds === false ? { ...speedup, holds: null } : speedup];
}

/** Of each design the longest way: from the fewest umems to the most, time grows at most as their logarithm does. */
function growthClaims(cells: readonly BenchCell[]): BenchClaim[] {
  const all = cells.filter(({ group }) => group === 'refault');
  return [...new Set(all.map(({ subject }) => subject))].flatMap((subject) => {
    const own = all.filter((cell) => cell.subject === subject).sort((a, b) => umemsOf(a) - umemsOf(b));
    const [fewest, most] = [own[0]!, own.at(-1)!];
    const { growth } = most.metrics;
    if (growth === undefined || umemsOf(fewest) <= 1) return [];
    return [claim(most, fewest, 'growth', 'at most', logGrowth(umemsOf(fewest), umemsOf(most)), growth)];
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
