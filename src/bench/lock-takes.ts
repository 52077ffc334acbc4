import type { Addr, Memory } from '../memory/address.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { HELD } from '../sync/task.ts';
import type { FullLockStat } from '../trace/lock-stat.ts';

/**
 * Which locks each thread has taken, and how often: two words for each word of the arena, by thread. At a lock's address twice are takes to
 * read, behind them all others; no lock lies at address 0, where a thread's operations are counted.
 */
export interface LockTakes {
  readonly words: Int32Array;
  readonly threads: number;
}

export const takesOf = (buffer: SharedArrayBuffer, threads: number): LockTakes => ({
  words: new Int32Array(buffer),
  threads,
});

export const takesBytes = (arenaBytes: number, threads: number): number => 2 * arenaBytes * threads;

const baseOf = ({ words, threads }: LockTakes, tid: number): number => (words.length / threads) * tid;

/** Counts what thread `tid` takes in place of the times of its holds, so that no clock is read. */
export function takesRecorder(kept: FullLockStat, takes: LockTakes, tid: number): FullLockStat {
  const { words } = takes;
  const base = baseOf(takes, tid);
  return {
    full: kept.full,
    placeOf: () => 0,
    acquired(_task, lock, mode) {
      words[base + 2 * lock + (mode === HELD.read ? 0 : 1)] += 1;
    },
    released() {},
  };
}

/** One operation more of thread `tid`. */
export function countOperation(takes: LockTakes, tid: number): void {
  takes.words[baseOf(takes, tid)] += 1;
}

/** Locks that at least two threads take, by class and mode: acquisitions for each operation of all threads. */
export function sharedTakes(takes: LockTakes, mem: Memory): Map<string, number> {
  const { words, threads } = takes;
  const perThread = words.length / threads;
  const bases = Array.from({ length: threads }, (_, tid) => baseOf(takes, tid));
  const sum = (at: number): number => bases.reduce((total, base) => total + words[base + at]!, 0);
  const operations = sum(0);
  const shared = new Map<string, number>();
  for (let at = 2; at < perThread && operations > 0; at += 2) {
    const takers = bases.filter((base) => words[base + at]! + words[base + at + 1]! > 0).length;
    if (takers < 2) continue;
    const name = lockClassName(mem, (at / 2) as Addr);
    for (const [mode, n] of [
      ['R', sum(at)],
      ['W', sum(at + 1)],
    ] as const)
      if (n > 0) shared.set(`${name} ${mode}`, (shared.get(`${name} ${mode}`) ?? 0) + n / operations);
  }
  return shared;
}
