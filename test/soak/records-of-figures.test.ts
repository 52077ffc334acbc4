import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hdrPercentiles } from '../../src/report/hdr.ts';
import { ask } from '../query/fake-results.ts';
import { faultsOf, histogramOf, holdsOf, waitsOf } from './fake-cell-figures.ts';
import { cellsOf, checkpointOf, reconcile, soakBed } from './soak-fixture.ts';

const bed = soakBed();
const read = (name: string): string => readFileSync(join(bed.dir, name), 'utf8');
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const latencies = (): string[] => readdirSync(join(bed.dir, 'latency')).sort();

/** Times of all cells of a strategy, of each as its seed has them. */
const all = (strategy: string, of: (seed: number) => number[]): number[] =>
  cellsOf(bed.dir).flatMap((line) => (line.strategy === strategy ? of(line.seed) : []));

/** The row of a strategy's lock in lock_stat.txt: its section begins with its name. */
function rowOf(strategy: string): number[] {
  const section = read('lock_stat.txt')
    .split(/^(?=seed )/m)
    .find((text) => text.startsWith(`seed ${strategy} `))!;
  const row = section.split('\n').find((line) => line.trimStart().startsWith('umem_rwsem:'))!;
  return row.split(':')[1]!.trim().split(/\s+/).map(Number);
}

describe('locks and latencies of a soak', () => {
  it('are those of all its cells, over all sessions', async () => {
    await bed.start(['--until', 'cells=20', '--lock-stat', 'full']);
    const first = read('lock_stat.txt');
    await bed.resume(['--until', 'cells=45']);
    reconcile(bed.dir);
    expect(read('lock_stat.txt')).not.toBe(first);

    for (const strategy of ['context-count', 'range-stack', 'private-count']) {
      const [waits, holds] = [all(strategy, waitsOf), all(strategy, holdsOf)];
      const us = (ns: number): number => Number((ns / 1000).toFixed(2));
      const times = (ns: readonly number[]): number[] =>
        [Math.min(...ns), Math.max(...ns), sum(ns), sum(ns) / ns.length].map(us);
      const seeds = cellsOf(bed.dir).filter((line) => line.strategy === strategy);
      expect(rowOf(strategy), strategy).toEqual([
        ...[sum(seeds.map(({ seed }) => seed % 2)), waits.length, ...times(waits)],
        ...[sum(seeds.map(({ seed }) => seed % 3)), holds.length, ...times(holds)],
      ]);
      const name = `seed-${strategy}-v5.5${strategy === 'private-count' ? '-canary' : ''}`;
      expect(read(`latency/${name}-fault.hgrm`)).toBe(hdrPercentiles(histogramOf(all(strategy, faultsOf))));
      expect(read(`latency/${name}-lock-wait-umem_rwsem-W.hgrm`)).toBe(hdrPercentiles(histogramOf(waits)));
    }
    expect(latencies()).toHaveLength(6);
  });

  it('have the layout of /proc/lock_stat, and a line that says of how many cells', async () => {
    await bed.start(['--until', 'rotations=4', '--lock-stat', 'full']);
    const lines = read('lock_stat.txt').split('\n');
    expect(lines.filter((line) => /^\S/.test(line) && !/^-+$|^\.+$|^lock_stat/.test(line)).sort()).toEqual([
      'seed context-count era=v5.5 cells=4',
      'seed private-count era=v5.5 cells=4 canary',
      'seed range-stack era=v5.5 cells=4',
    ]);
    expect(lines.filter((line) => line === 'lock_stat version 0.4')).toHaveLength(3);
    // Where the cells' waiters were, by how often.
    const seeds = cellsOf(bed.dir).flatMap(({ strategy, seed }) => (strategy === 'range-stack' ? [seed] : []));
    const section = read('lock_stat.txt').split('seed range-stack')[1]!;
    expect(section).toMatch(new RegExp(` ${sum(seeds)} +\\[<madvise>\\] umem.counted\n`));
    for (const [point, parity] of [
      ['section.started', 0],
      ['section.ending', 1],
    ] as const) {
      const n = sum(seeds.filter((seed) => seed % 2 === parity));
      if (n > 0) expect(section).toMatch(new RegExp(` ${n} +\\[<madvise>\\] ${point}\n`));
    }
  });

  it('without statistics there are latencies, and no table of locks', async () => {
    await bed.start(['--until', 'cells=6']);
    expect(existsSync(join(bed.dir, 'lock_stat.txt'))).toBe(false);
    expect(latencies()).toEqual(
      ['context-count-v5.5', 'private-count-v5.5-canary', 'range-stack-v5.5'].map((name) => `seed-${name}-fault.hgrm`),
    );
  });

  it('are no larger after many cells than after few', async () => {
    await bed.start(['--until', 'rotations=10', '--lock-stat', 'full']);
    const size = (): number => JSON.stringify(checkpointOf(bed.dir).figures).length;
    const few = size();
    await bed.resume(['--until', 'rotations=60']);
    // Counts have more digits.
    expect(size()).toBeLessThan(1.5 * few);
  }, 60_000);

  it('are the sums of what a query has of the cells', async () => {
    await bed.start(['--until', 'cells=24', '--lock-stat', 'counts']);
    const sql = `SELECT strategy, sum(con_bounces) AS cb, sum(contentions) AS c, sum(acq_bounces) AS ab, sum(acquisitions) AS a,
      max(wait_max_ns) AS most FROM locks GROUP BY strategy ORDER BY strategy`;
    const { out } = await ask(bed.cwd, ['soak', sql], { format: 'ndjson' });
    for (const row of out.map((line) => JSON.parse(line) as Record<string, number | string>)) {
      const [conBounces, contentions, , waitMax, , , acqBounces, acquisitions] = rowOf(row.strategy as string);
      expect(row).toMatchObject({ cb: conBounces, c: contentions, ab: acqBounces, a: acquisitions });
      expect(waitMax).toBeCloseTo((row.most as number) / 1000, 1);
    }
    expect(out).toHaveLength(3);
  });
});
