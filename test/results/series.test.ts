import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSeries, readSeries, thinned } from '../../src/results/series.ts';
import { type SeriesPoint, SOAK_FILES } from '../../src/results/soak-types.ts';

let root: string;
let folders = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'odptorture-series-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
function newDir(): string {
  const dir = join(root, String(folders++));
  mkdirSync(dir);
  return dir;
}
const RUNS = { seed: 42, numRuns: 40 };

/** Steps of time and figures; sums only grow. */
const steps = fc.array(
  fc.record({
    ms: fc.integer({ min: 1, max: 5000 }),
    rate: fc.integer({ min: 0, max: 100_000 }),
    more: fc.integer({ min: 0, max: 1000 }),
    p99: fc.option(fc.integer({ min: 1, max: 1_000_000 })),
    rss: fc.integer({ min: 1, max: 4000 }),
  }),
  { minLength: 1, maxLength: 300 },
);
type Step = { ms: number; rate: number; more: number; p99: number | null; rss: number };

function pointsOf(all: readonly Step[], from = { t: 0, sum: 0, cell: 0 }): SeriesPoint[] {
  let { t, sum, cell } = from;
  return all.map(({ ms, rate, more, p99, rss }) => {
    t += ms;
    sum += more;
    cell++;
    return {
      ...{ t, cell, scenario: 'seed', strategy: 'context-count' },
      // Not every point has every rate.
      rates: rate % 3 === 0 ? { faults: rate } : { faults: rate, sections: rate / 2 },
      ...{ exposures: sum, violations: sum >> 1 },
      latency: p99 === null ? null : { fault: { p50: p99 / 2, p99 }, section: { p50: 1, p99: 2 } },
      ...{ rssMb: rss, heapMb: rss / 2, eventLoopMaxMs: rss / 4 },
      log: { written: sum, lost: 0, bytes: sum * 10 },
    };
  });
}

/** What was done, from rates: it must not depend on the resolution. */
function done(points: readonly SeriesPoint[], name: string): number {
  let before = 0;
  let sum = 0;
  for (const { t, rates } of points) {
    sum += ((rates[name] ?? 0) * (t - before)) / 1000;
    before = t;
  }
  return sum;
}

function expectSame(coarse: readonly SeriesPoint[], fine: readonly SeriesPoint[]): void {
  const last = fine.at(-1)!;
  expect(coarse.at(-1)).toMatchObject({ t: last.t, cell: last.cell, exposures: last.exposures, log: last.log });
  for (const name of ['faults', 'sections']) {
    const [is, was] = [done(coarse, name), done(fine, name)];
    expect(Math.abs(is - was), name).toBeLessThanOrEqual(1e-6 * Math.max(1, was));
  }
  const most = (points: readonly SeriesPoint[], of: (point: SeriesPoint) => number): number =>
    Math.max(...points.map(of));
  for (const of of [
    (p: SeriesPoint) => p.rssMb,
    (p: SeriesPoint) => p.heapMb,
    (p: SeriesPoint) => p.eventLoopMaxMs,
    (p: SeriesPoint) => p.latency?.fault.p99 ?? 0,
  ])
    expect(most(coarse, of)).toBe(most(fine, of));
  coarse.forEach((point, i) => {
    if (i === 0) return;
    expect(point.t).toBeGreaterThan(coarse[i - 1]!.t);
    expect(point.exposures).toBeGreaterThanOrEqual(coarse[i - 1]!.exposures);
  });
}

const linesIn = (dir: string): number => readFileSync(join(dir, SOAK_FILES.series), 'utf8').split('\n').length - 1;

it('keeps to its size at any length, and the totals, the worst and the order with it', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 16, max: 64 }), (all, maxPoints) => {
      const dir = newDir();
      const points = pointsOf(all);
      const series = openSeries({ dir, maxPoints });
      for (const point of points) {
        series.add(point);
        expect(linesIn(dir)).toBeLessThanOrEqual(maxPoints);
      }
      series.close();
      const kept = readSeries(dir);
      expectSame(kept, points);
      // The newest stand as they were.
      const fresh = Math.min(points.length, maxPoints >> 2);
      expect(kept.slice(-fresh)).toEqual(points.slice(-fresh));
    }),
    RUNS,
  );
});

it('grows coarser evenly: the start of a long soak is not squeezed into a few points', () => {
  const dir = newDir();
  const points = pointsOf(Array.from({ length: 5000 }, () => ({ ms: 1000, rate: 9, more: 1, p99: 5, rss: 7 })));
  const series = openSeries({ dir, maxPoints: 200 });
  for (const point of points) series.add(point);
  series.close();
  const kept = readSeries(dir);
  expectSame(kept, points);
  expect(kept.length).toBeGreaterThan(75);
  const steps = kept.slice(1).map(({ t }, i) => t - kept[i]!.t);
  // No more than 64 s of 5000 s in one point.
  expect(Math.max(...steps)).toBeLessThanOrEqual(64_000);
});

it('can be read at any moment, and goes on after a cut at any byte', () => {
  fc.assert(
    fc.property(
      steps,
      steps,
      fc.nat(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 16, max: 48 }),
      (first, second, place, cut, maxPoints) => {
        const dir = newDir();
        const points = pointsOf(first);
        const saved = place % (points.length + 1);
        const series = openSeries({ dir, maxPoints });
        let checkpoint: unknown = series.checkpoint();
        points.forEach((point, i) => {
          series.add(point);
          expect(readSeries(dir).at(-1)).toEqual(point);
          // As JSON: it comes back from a file.
          if (i + 1 === saved) checkpoint = JSON.parse(JSON.stringify(series.checkpoint()));
        });
        // Killed: nobody closes it.
        const file = join(dir, SOAK_FILES.series);
        truncateSync(file, Math.floor(readFileSync(file).length * cut));
        const left = readSeries(dir);
        const barrier = saved === 0 ? 0 : points[saved - 1]!.t;
        const again = openSeries({ dir, maxPoints, resumeFrom: checkpoint });
        const kept = readSeries(dir);
        // All that was whole and counted is there; nothing that the checkpoint does not know.
        expect(kept.at(-1)?.t ?? 0).toBe(left.filter(({ t }) => t <= barrier).at(-1)?.t ?? 0);
        const before = points[saved - 1];
        const more = pointsOf(second, { t: barrier, sum: before?.exposures ?? 0, cell: before?.cell ?? 0 });
        for (const point of more) again.add(point);
        again.close();
        expect(linesIn(dir)).toBeLessThanOrEqual(maxPoints);
        if (cut === 1) expectSame(readSeries(dir), [...points.slice(0, saved), ...more]);
        else expect(readSeries(dir).at(-1)).toEqual(more.at(-1));
      },
    ),
    RUNS,
  );
});

it('loses nothing that the checkpoint counts on when it is resumed', () => {
  fc.assert(
    fc.property(steps, fc.nat(), (all, place) => {
      const dir = newDir();
      const points = pointsOf(all);
      const saved = 1 + (place % points.length);
      const series = openSeries({ dir, maxPoints: 16 });
      let checkpoint: unknown;
      points.forEach((point, i) => {
        series.add(point);
        if (i + 1 === saved) checkpoint = series.checkpoint();
      });
      openSeries({ dir, maxPoints: 16, resumeFrom: checkpoint }).close();
      expectSame(readSeries(dir), points.slice(0, saved));
    }),
    RUNS,
  );
});

it('leaves out a point that is not later than the last, and begins anew without a checkpoint', () => {
  const dir = newDir();
  const [a, b] = pointsOf([
    { ms: 5, rate: 1, more: 1, p99: 1, rss: 1 },
    { ms: 5, rate: 1, more: 1, p99: 1, rss: 1 },
  ]) as [SeriesPoint, SeriesPoint];
  const series = openSeries({ dir, maxPoints: 16 });
  for (const point of [a, a, b, a]) series.add(point);
  series.close();
  expect(readSeries(dir)).toEqual([a, b]);
  openSeries({ dir, maxPoints: 16 }).close();
  expect(readSeries(dir)).toEqual([]);
  expect(() => openSeries({ dir, maxPoints: 15 })).toThrow(RangeError);
});

it('says once that it cannot write, and has all again when it can', () => {
  const dir = join(root, 'later');
  const lost: string[] = [];
  const points = pointsOf(Array.from({ length: 5 }, () => ({ ms: 1000, rate: 1, more: 1, p99: 1, rss: 1 })));
  const series = openSeries({ dir, maxPoints: 16, onLost: (reason) => lost.push(reason) });
  for (const point of points.slice(0, 3)) series.add(point);
  expect(lost).toEqual(['ENOENT']);
  mkdirSync(dir);
  series.add(points[3]!);
  expect(readSeries(dir)).toEqual(points.slice(0, 4));
  series.add(points[4]!);
  series.close();
  expect(readSeries(dir)).toEqual(points);
  expect(lost).toHaveLength(1);
});

it('is thinned for a drawing without changing what it adds up to', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 2, max: 50 }), (all, most) => {
      const points = pointsOf(all);
      const thin = thinned(points, most);
      expect(thin.length).toBeLessThanOrEqual(most);
      expectSame(thin, points);
    }),
    RUNS,
  );
});
