import { describe, expect, it } from 'vitest';
import { lockStatBench, lockStatTable } from '../../bench/lock-stat.ts';

describe('what lock statistics cost', () => {
  it('is measured at every level, in the same rounds', async () => {
    const rows = await lockStatBench({ generations: 2, rounds: 1, pairMs: 1, mixMs: 1, warmUp: 1 });
    expect(rows.map(({ name, level }) => `${name}: ${level}`)).toEqual(
      [
        'mutexLock + mutexUnlock',
        'downRead + upRead',
        'downWrite + upWrite',
        'spinLock + spinUnlock',
        'refaults of 2 threads, time for each',
        'refaults of 2 threads, processor time for each',
      ].flatMap((name) => ['off', 'counts', 'full'].map((level) => `${name}: ${level}`)),
    );
    for (const { level, value, futex, off } of rows) {
      expect(value).toBeGreaterThan(0);
      if (futex !== null) expect(futex.median).toBeGreaterThan(0);
      if (level === 'off') expect(off).toEqual({ median: 1, lo: 1, hi: 1, n: 2 });
    }
  });

  it('is a table', () => {
    const ratio = { median: 1.25, lo: 1, hi: 1.5, n: 9 };
    const rows = [
      { name: 'a', level: 'counts', value: 19.256, futex: ratio, off: ratio },
      { name: 'b', level: 'full', value: 4000.4, futex: null, off: ratio },
    ] as const;
    expect(lockStatTable(rows).split('\n')).toEqual([
      'operation  level      ns  x futex          95 %  x off          95 %',
      'a          counts  19.26    1.250  1.000..1.500  1.250  1.000..1.500',
      'b          full     4000                         1.250  1.000..1.500',
    ]);
  });
});
