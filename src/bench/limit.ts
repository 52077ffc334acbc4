import type { BenchLimit, BenchRound } from './result.ts';
import { type Estimate, estimate, finite } from './stats.ts';

/**
 * Where the word that moves most does so in fewer operations than this, the threads hardly ran at the same time: which word it is, is then told
 * by how often they take it.
 */
const LEAST_MOVES = 0.05;
/** A lock that is waited for less than this part of the time limits nothing. */
const LEAST_WAIT = 0.001;

/** What limits a cell of several threads; undefined where the locks that they share were not counted. */
export function limitOf(rounds: readonly BenchRound[], seed: number): BenchLimit | undefined {
  if (rounds.every(({ sharedLocks }) => sharedLocks === undefined)) return undefined;
  return { shared: mostShared(rounds, seed), waited: mostWaited(rounds, seed) };
}

function mostShared(rounds: readonly BenchRound[], seed: number): BenchLimit['shared'] {
  const counted = rounds.flatMap(({ sharedLocks }) => (sharedLocks === undefined ? [] : [sharedLocks]));
  const locks = namesOf(counted).map((lock) => {
    const of = (what: 'taken' | 'moved'): Estimate =>
      estimate(
        counted.map((one) => one[lock]?.[what] ?? 0),
        seed,
      );
    return { lock, taken: of('taken'), moved: of('moved') };
  });
  const byMoves = locks.some(({ moved }) => moved.median >= LEAST_MOVES);
  const [most] = locks.sort((a, b) => {
    const moved = b.moved.median - a.moved.median;
    // The stop may fall into an operation: what is taken as often may differ by one.
    const taken = Math.round((b.taken.median - a.taken.median) * 100);
    return byMoves ? moved || taken : taken || moved;
  });
  return most === undefined ? null : { lock: most.lock, taken: finite(most.taken), moved: finite(most.moved) };
}

function mostWaited(rounds: readonly BenchRound[], seed: number): BenchLimit['waited'] {
  const shares = namesOf(rounds.map(({ lockWait }) => lockWait)).map((lock) => ({
    lock,
    share: estimate(
      rounds.map(({ lockWait }) => lockWait[lock] ?? 0),
      seed,
    ),
  }));
  const [most] = shares.sort((a, b) => b.share.median - a.share.median);
  return most === undefined || most.share.median < LEAST_WAIT ? null : { lock: most.lock, share: finite(most.share) };
}

const namesOf = (records: readonly Readonly<Record<string, unknown>>[]): string[] => [
  ...new Set(records.flatMap((one) => Object.keys(one))),
];
