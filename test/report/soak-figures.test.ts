import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readReport, writeReport } from '../../src/cli/report.ts';
import { figureFiles } from '../../src/report/soak-figures.ts';
import type { EntryRow } from '../../src/report/soak-model.ts';
import { type EntryFigures, packed, unpacked } from '../../src/results/soak-figures.ts';
import type { CellLine, SoakCheckpoint } from '../../src/results/soak-types.ts';
import type { CellResult } from '../../src/results/types.ts';
import { addFigures } from '../../src/soak/figures.ts';
import { LOCK_CLASSES } from '../../src/sync/lock-class.ts';
import { HISTOGRAM_BUCKETS, type Histogram, joinHistograms, quantilesOf } from '../../src/trace/histogram.ts';
import { histogramOf } from '../soak/fake-cell-figures.ts';
import { cellResult } from './results-fixture.ts';
import { writeSoak } from './soak-fixture.ts';

let root: string;
let folders = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'odptorture-figures-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
function newDir(): string {
  const dir = join(root, `soak-${folders++}`);
  mkdirSync(dir);
  return dir;
}

/** Most cells are fast; every fourth of a strategy has few faults, all of them slow. */
const faultsOf = (index: number): number[] =>
  Math.floor(index / 4) % 4 === 0 ? Array(100).fill(1e6) : Array(900).fill(1000);

/** A soak with figures, as its cells add up to them. */
function soakWithFigures(dir: string, minutes: number, more: Partial<CellResult> = {}): SoakCheckpoint {
  const { lines, checkpoint } = writeSoak({
    dir,
    minutes,
    cellOf: (strategy, index) =>
      cellResult({
        strategy,
        latencyNs: { ...cellResult().latencyNs, fault: quantilesOf(histogramOf(faultsOf(index))) },
        ...more,
      }),
  });
  const figures = lines.reduce<EntryFigures[]>(
    (sum, line: CellLine) => addFigures(sum, line, new Map([['fault', histogramOf(faultsOf(line.index))]])),
    [],
  );
  writeFileSync(join(dir, 'checkpoint.json'), JSON.stringify({ ...checkpoint, figures }));
  return { ...checkpoint, figures };
}

const faultOf = (dir: string, strategy: string): EntryRow['latencyNs']['fault'] =>
  readReport(dir, root).entries.find((entry) => entry.strategy === strategy)!.latencyNs.fault;

describe('latencies in the report of a soak', () => {
  it('are quantiles of all faults, not of the quantiles of cells', () => {
    const dir = newDir();
    soakWithFigures(dir, 8);
    // 12 cells: 3 with 100 slow faults each, 9 with 900 fast ones. The mean of the medians would be 37 us.
    const fault = faultOf(dir, 'context-count');
    expect(fault).toMatchObject({ count: 8400, max: 1e6, atMost: false });
    expect(fault.p50).toBeLessThanOrEqual(1000 * (1 + 1 / 16));
    expect(fault.p50).toBeGreaterThanOrEqual(1000);
    expect(fault.p99).toBe(1e6);
    const page = readFileSync(writeReport(readReport(dir, root), dir), 'utf8');
    const row = /<tr><th scope="row"[^>]*>context-count<.*?<\/tr>/s.exec(page)![0];
    expect(row).toMatch(/data-label="fault p50">1\.0us<.*data-label="fault p99">1\.0ms</);
  });

  it('of which no histograms are known are bounds, and said to be', () => {
    const dir = newDir();
    const { figures: _, ...old } = soakWithFigures(dir, 8);
    writeFileSync(join(dir, 'checkpoint.json'), JSON.stringify(old));
    expect(faultOf(dir, 'context-count')).toMatchObject({ p50: 1e6, p99: 1e6, atMost: true });
    const page = readFileSync(writeReport(readReport(dir, root), dir), 'utf8');
    expect(page).toContain('data-label="fault p50">&lt;= 1.0ms<');
  });

  it('of a night with statistics of every lock leave the page small', () => {
    const dir = newDir();
    const row = { contentions: 4711, waitNs: { min: 1234.5, max: 9.9e9, total: 8.8e13, mean: 1e7 } };
    const holdNs = { count: 123_456_789, min: 12, max: 5e9, total: 7e14, mean: 5670 };
    const place = (role: string) => ({ role, point: 'section.started', count: 1234 });
    const locks = LOCK_CLASSES.flatMap((name) =>
      (['R', 'W'] as const).map((mode) => ({
        ...{ name, mode, ...row, acquisitions: 123_456_789, acqBounces: 12_345, conBounces: 1234, holdNs },
        waiters: ['madvise', 'munmap', 'truncate', 'fork'].map(place),
        holders: ['madvise', 'munmap', 'truncate', 'fork'].map(place),
      })),
    );
    const { figures, totals } = soakWithFigures(dir, 480, { locks });
    const page = readFileSync(writeReport(readReport(dir, root), dir), 'utf8');
    expect(page.length).toBeLessThan(2_000_000);
    expect(page).toContain(`data-label="acquisitions">${(123_456_789 * 720).toLocaleString('en-US')}<`);
    const text = figureFiles(figures, totals.entries).find(([name]) => name === 'lock_stat.txt')![1];
    expect(text.match(/^seed context-count era=v5.5 cells=720$/gm)).toHaveLength(1);
    expect(text.length).toBeLessThan(300_000);
  });
});

describe('a race log that is being written', () => {
  it('is in the report as if it were complete', () => {
    const dir = newDir();
    writeSoak({ dir, minutes: 2, signatures: 3, status: 'running', pid: process.pid });
    const before = readReport(dir, root);
    expect(before.records.logged).toBeGreaterThan(3);
    renameSync(join(dir, 'races-1.ndjson'), join(dir, 'races-1.ndjson.open'));
    expect(readReport(dir, root)).toEqual(before);
  });
});

describe('histograms of a checkpoint', () => {
  it.each<[string, Histogram]>([
    ['none', histogramOf([])],
    ['one value', histogramOf([0])],
    ['the ends', histogramOf([0, 2 ** 41])],
    ['the last bucket', histogramOf([2 ** 40, 2 ** 50])],
    ['many', histogramOf(Array.from({ length: 5000 }, (_, i) => i ** 3))],
  ])('come back as they were: %s', (_what, histogram) => {
    const json: unknown = JSON.parse(JSON.stringify(packed(histogram)));
    expect(unpacked(json as ReturnType<typeof packed>)).toEqual(histogram);
  });

  it('add up as histograms do, and hold no more than their buckets', () => {
    const [a, b] = [histogramOf([5, 70, 1e6]), histogramOf([6, 70, 2e9])];
    let figures: EntryFigures[] = [];
    for (const one of [a, b]) figures = addFigures(figures, { entry: 'e', locks: [] }, new Map([['fault', one]]));
    expect(unpacked(figures[0]!.histograms.fault!)).toEqual(joinHistograms(a, b));
    expect(figures[0]!.cells).toBe(2);
    expect(packed(histogramOf([0, 2 ** 50])).counts).toHaveLength(HISTOGRAM_BUCKETS);
  });
});
