import { describe, expect, it } from 'vitest';
import { claimsOf } from '../../src/bench/claims.ts';
import type { BenchCell, BenchResult } from '../../src/bench/result.ts';
import { estimate } from '../../src/bench/stats.ts';
import { groupNotes } from '../../src/report/bench-claims.ts';

const params = (read: number, threads: number): BenchCell['params'] => ({ read, threads });

/** A lock's cell with these operations a second in its rounds. */
function lock(subject: string, threads: number, rates: readonly number[], maxMin = 1.5, read = 50): BenchCell {
  return {
    id: `locks/${subject} read=${read} threads=${threads}`,
    suite: 'locks',
    group: 'locks',
    subject,
    params: params(read, threads),
    threads,
    oversubscribed: false,
    failures: [],
    rounds: rates.map((opsPerSec, round) => ({ round, metrics: { opsPerSec }, perThread: [], lockWait: {} })),
    metrics: { opsPerSec: estimate(rates, 1), maxMin: { median: maxMin, lo: maxMin * 0.9, hi: maxMin * 1.1, n: 7 } },
    fairness: null,
    histogram: null,
    heat: null,
  };
}

const seven = (rate: number): number[] => new Array<number>(7).fill(rate);
const claims = (cells: readonly BenchCell[]): ReturnType<typeof claimsOf> => claimsOf(cells, [], 1);

describe('what is asked of contended locks', () => {
  it('is as much as the fastest peer of the same cell, in the worst cell', () => {
    const cells = [
      lock('mutex', 2, seven(300)),
      lock('mutex', 4, seven(200)),
      lock('multithreading-mutex', 2, seven(100)),
      lock('multithreading-rwlock', 2, seven(50)),
      lock('multithreading-mutex', 4, seven(80)),
      lock('multithreading-rwlock', 4, seven(90)),
    ];
    expect(claims(cells)[0]).toMatchObject({
      cell: 'locks/mutex read=50 threads=4',
      base: 'locks/multithreading-rwlock read=50 threads=4',
      figure: { median: 200 / 90, n: 7 },
      holds: true,
    });
  });

  it('is held against whichever peer was faster in each round', () => {
    const cells = [
      lock('rwsem', 2, seven(100)),
      lock('multithreading-mutex', 2, [200, 10, 200, 10, 200, 10, 200]),
      lock('multithreading-rwlock', 2, [10, 200, 10, 200, 10, 200, 10]),
    ];
    expect(claims(cells)[0]).toMatchObject({ figure: { median: 0.5 }, holds: false });
  });

  it('is asked of nobody where no peer is installed, with one thread, and of locks that are there for comparison', () => {
    expect(claims([lock('mutex', 2, seven(1))]).map(({ metric }) => metric)).toEqual(['maxMin']);
    expect(claims([lock('mutex', 1, seven(1)), lock('multithreading-mutex', 1, seven(2))])).toEqual([]);
    expect(claims([lock('rwsem-sleeping', 2, seven(1)), lock('multithreading-mutex', 2, seven(2))])).toEqual([]);
  });

  it('is that no thread is starved', () => {
    const of = (...cells: BenchCell[]): unknown => claims(cells).map(({ cell, holds }) => [cell, holds]);
    expect(of(lock('mutex', 2, seven(1), 2), lock('mutex', 8, seven(1), 9))).toEqual([
      ['locks/mutex read=50 threads=8', true],
    ]);
    expect(of(lock('mutex', 8, seven(1), 9.5))).toEqual([['locks/mutex read=50 threads=8', null]]);
    expect(of(lock('mutex', 8, seven(1), 12))).toEqual([['locks/mutex read=50 threads=8', false]]);
  });

  it('is told in a sentence for each lock', () => {
    const cells = [
      lock('mutex', 2, seven(300)),
      lock('mutex', 8, seven(100), 12),
      lock('rwsem', 2, seven(30), 2),
      lock('multithreading-mutex', 2, seven(50)),
      lock('multithreading-mutex', 8, seven(50)),
    ];
    expect(groupNotes({ cells, claims: claims(cells), rounds: [] } as unknown as BenchResult, 'locks')).toEqual([
      'mutex: of 2 cells of two threads and more, the slowest at read=50 threads=8: to the fastest npm peer (multithreading-mutex) x2.00 2.00..2.00, at least x1.00; the least fair at read=50 threads=8: busiest to idlest thread x12 11..13, not at most x10.',
      'rwsem: of 1 cell of two threads and more, the slowest at read=50 threads=2: to the fastest npm peer (multithreading-mutex) x0.60 0.60..0.60, not at least x1.00; the least fair at read=50 threads=2: busiest to idlest thread x2.00 1.80..2.20, at most x10.',
    ]);
  });
});
