import { createContext, runInContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareRuns, compareSubjects, tally } from '../../src/bench/compare.ts';
import { METRIC_NAMES, METRICS } from '../../src/bench/metrics.ts';
import { type BenchResult, benchJsonSchema, validateBench } from '../../src/bench/result.ts';
import { benchPictures } from '../../src/report/bench-charts.ts';
import { comparisonLines } from '../../src/report/bench-compare.ts';
import { benchHtml } from '../../src/report/bench-html.ts';
import {
  benchCsv,
  benchMarkdown,
  benchTables,
  figure,
  marks,
  plainTables,
  verdictWord,
} from '../../src/report/bench-table.ts';
import { syntheticBench } from './synthetic.ts';

let bench: BenchResult;
beforeAll(async () => {
  bench = await syntheticBench();
});

const groups = ['primitives', 'locks', 'load', 'register', 'refault', 'scaling', 'observing'];

describe('tables', () => {
  it('have every group and every cell', () => {
    const tables = benchTables(bench);
    expect(tables.map(({ group }) => group)).toEqual(groups);
    expect(tables.flatMap(({ rows }) => rows)).toHaveLength(bench.cells.length);
    for (const { columns, rows } of tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  });

  it('put what is compared together, by the value of the parameters', () => {
    const { rows, columns } = benchTables(bench).find(({ group }) => group === 'refault')!;
    const at = columns.findIndex(({ title }) => title === 'umems');
    expect(rows.map((row) => `${row[at]} ${row[0]}`)).toEqual(
      [10, 1000, 10_000].flatMap((n) => [`${n} interval-notifier`, `${n} context-count`]),
    );
  });

  it('call a difference one only when there is one', () => {
    const ratio = { cell: 'c', reference: 'r', metric: 'opsPerSec', ratio: { median: 1.2, lo: 1.1, hi: 1.3, n: 9 } };
    expect(verdictWord({ ...ratio, differs: true })).toBe('better');
    expect(verdictWord({ ...ratio, metric: 'waitP99', differs: true })).toBe('worse');
    expect(verdictWord({ ...ratio, metric: 'readsPerSec', differs: true })).toBe('more');
    expect(verdictWord({ ...ratio, differs: false })).toBe('=');
    expect(verdictWord({ ...ratio, differs: null })).toBe('?');
  });

  it('mark more threads than cores, unfairness and failures', () => {
    const unfair = bench.cells.find(({ group, threads }) => group === 'locks' && threads === 4)!;
    expect(marks(unfair)).toBe('* ???');
    expect(marks({ ...unfair, oversubscribed: false, fairness: null, failures: ['round 1: it hung'] })).toBe(
      '!!! 1 failed',
    );
  });

  it('write figures with their units', () => {
    expect(figure('nsPerOp', 15.46)).toBe('15.5ns');
    expect(figure('faultP99', 15_460)).toBe('15us');
    expect(figure('lockWait', 0.034)).toBe('3.4%');
    expect(figure('opsPerSec', 4_210_000)).toBe('4.21M/s');
    expect(figure('maxMin', 1.257)).toBe('1.26');
    expect(figure('opsPerSec', null)).toBe('-');
  });

  it('are in Markdown what they are on a terminal', () => {
    const text = benchMarkdown(bench);
    for (const { title, rows } of benchTables(bench)) {
      expect(text).toContain(`## ${title}`);
      for (const row of rows.slice(0, 3))
        expect(plainTables(bench).some((line) => line.startsWith(row[0]!))).toBe(true);
    }
    // Head, rule and rows of a table are equally wide.
    for (const block of text.split('\n\n').filter((one) => one.startsWith('|')))
      expect(
        new Set(
          block
            .trimEnd()
            .split('\n')
            .map((line) => line.length),
        ).size,
      ).toBe(1);
  });
});

describe('bench.csv', () => {
  it('has a line for each figure, and as many fields in each', () => {
    const lines = benchCsv(bench).trimEnd().split('\n');
    const head = lines[0]!.split(',');
    expect(lines).toHaveLength(1 + bench.cells.reduce((sum, { metrics }) => sum + Object.keys(metrics).length, 0));
    for (const line of lines) expect(line.split(',')).toHaveLength(head.length);
    const one = lines.find(
      (line) => line.startsWith('locks/mutex read=90 threads=2,') && line.includes(',opsPerSec,'),
    )!;
    const field = (name: string): string => one.split(',')[head.indexOf(name)]!;
    const cell = bench.cells.find(({ id }) => id === 'locks/mutex read=90 threads=2')!;
    expect(Number(field('median'))).toBe(cell.metrics.opsPerSec!.median);
    expect(field('reference')).toBe('locks/inline-futex read=90 threads=2');
    expect(field('differs')).toBe('true');
  });
});

describe('bench.json', () => {
  it('has a schema, which it keeps', () => {
    expect(benchJsonSchema()).toMatchObject({ type: 'object', properties: { cells: { type: 'array' } } });
    expect(validateBench(JSON.parse(JSON.stringify(bench)))).toEqual(bench);
    expect(() => validateBench({ ...bench, schemaVersion: 2 })).toThrow();
    for (const { metrics } of bench.cells)
      for (const name of Object.keys(metrics)) expect(METRIC_NAMES).toContain(name);
  });
});

describe('comparing', () => {
  it('a run with itself finds no difference', () => {
    const { ratios, onlyA, onlyB, notes } = compareRuns(bench, bench);
    expect(tally(ratios)).toMatchObject({ differ: 0, unsaid: 0 });
    expect(ratios.length).toBeGreaterThan(bench.cells.length);
    expect([onlyA, onlyB, notes]).toEqual([[], [], []]);
    expect(comparisonLines(compareRuns(bench, bench), ['A', 'B'], false)).toEqual([
      `no difference in ${ratios.length} figures`,
    ]);
  });

  it('two runs finds what has changed by much more than the noise, and nothing that has not', async () => {
    const [before, faster] = [
      await syntheticBench({ suites: ['locks'] }),
      await syntheticBench({ suites: ['locks'], factor: 3 }),
    ];
    const { ratios } = compareRuns(before, faster);
    for (const { metric, differs, ratio } of ratios) {
      expect(differs, metric).toBe(metric === 'opsPerSec');
      expect(ratio.median!).toBeCloseTo(metric === 'opsPerSec' ? 3 : 1, 5);
    }
    expect(comparisonLines(compareRuns(before, faster), ['A', 'B'], false).join('\n')).toMatch(/better/);
  });

  it('two runs tells what else was different, and which cells only one has', async () => {
    const other: BenchResult = {
      ...bench,
      runId: 'other',
      environment: { ...bench.environment, cores: 64 },
      options: { ...bench.options, cellMs: 5 },
      cells: bench.cells.slice(1),
      rounds: [{ order: [], steal: 0, others: 0.5 }],
    };
    const comparison = compareRuns(bench, other);
    expect(comparison.onlyA).toEqual([bench.cells[0]!.id]);
    const text = comparisonLines(comparison, ['A', 'B'], false).join('\n');
    for (const word of [
      'cores: 2 against 64',
      'cellMs: 100 against 5',
      'different times',
      'only in A: 1 cells',
      'B: other processes used up to 50 %',
    ])
      expect(text).toContain(word);
  });

  it('runs of few rounds claims nothing', async () => {
    const few = await syntheticBench({ rounds: 3, suites: ['locks'] });
    const { differ, same, unsaid } = tally(compareRuns(few, few).ratios);
    expect([differ, same]).toEqual([0, 0]);
    expect(comparisonLines(compareRuns(few, few), ['A', 'B'], true).at(-2)).toBe(
      `${unsaid} figures: fewer than 6 rounds: no difference can be claimed`,
    );
  });

  it('two subjects of a run pairs their rounds, in cells with the same parameters', () => {
    const { ratios } = compareSubjects(bench, 'mutex', 'spin');
    expect(ratios.every(({ cell, reference }) => cell.replace('/spin', '/mutex') === reference)).toBe(true);
    const back = compareSubjects(bench, 'spin', 'mutex').ratios;
    ratios.forEach(({ ratio, metric, differs }, i) => {
      expect(ratio.median! * back[i]!.ratio.median!).toBeCloseTo(1, 1);
      if (metric === 'opsPerSec') expect([back[i]!.differs, differs]).toEqual([true, true]);
    });
  });
});

describe('pictures', () => {
  it('show along each axis the cells in which nothing else moves', () => {
    const { charts } = benchPictures(bench, 'load');
    expect(charts.map(({ title, xTitle }) => `${title} / ${xTitle}`)).toContain(
      'Page faults served / umems in the tree',
    );
    const umems = charts.find(({ title, xTitle }) => title === 'Page faults served' && xTitle === 'umems in the tree')!;
    expect(umems.x).toEqual(['1', '64', '1000']);
    const [line] = umems.lines;
    expect(line!.v.map((v) => v! > 0)).toEqual([true, true, true]);
    const cell = bench.cells.find(({ id }) => id.startsWith('load/interval-notifier invalidators=1 umems=1 '))!;
    expect(line!.v[0]).toBeCloseTo(cell.metrics.faultsPerSec!.median!, -4);
  });

  it('shade from where there are more threads than cores', () => {
    const chart = benchPictures(bench, 'locks').charts[0]!;
    expect(chart.x).toEqual(['1', '2', '4']);
    expect(chart.crowdedFrom).toBe(2);
  });

  it('sum waits up by class of lock', () => {
    const [bar] = benchPictures(bench, 'load').waits;
    expect(bar!.parts.map(({ name }) => name)).toEqual(['mmap_lock R', 'umem_mutex W', 'range_pool W']);
    expect(bar!.parts[0]!.share).toBeCloseTo(0.12);
    expect(benchPictures(bench, 'locks').waits).toEqual([]);
  });

  it('map latency over time for each lock and strategy', () => {
    expect(benchPictures(bench, 'locks').heats).toHaveLength(7);
    expect(benchPictures(bench, 'load').heats[0]!.counts).toHaveLength(20);
  });
});

describe('report.html', () => {
  const library = { script: 'var uPlot = 1;', style: '.u-over {}' };

  it('has everything in itself, a table behind the pictures, and no name that could end an element', () => {
    const html = benchHtml({ ...bench, command: 'odptorture bench --filter "</script>"' }, library);
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    expect(html).not.toContain('"</script>"');
    expect(html.match(/<summary>Table: /g)).toHaveLength(groups.length);
    expect(html.match(/<tr>/g)!.length).toBeGreaterThan(bench.cells.length);
    for (const [, id] of html.matchAll(/ id="(chart\d+|heat\d+)"/g)) expect(html.split(` id="${id}"`)).toHaveLength(2);
  });

  it('has a script that parses, and the figures that it draws', () => {
    const html = benchHtml(bench, library);
    const data = JSON.parse(/id="data">(.*?)<\/script>/.exec(html)![1]!);
    expect(data.charts).toHaveLength(html.match(/ id="chart\d+"/g)!.length);
    expect(data.heats).toHaveLength(html.match(/ id="heat\d+"/g)!.length);
    const script = html.slice(html.lastIndexOf('<script>') + 8, html.lastIndexOf('</script>'));
    runInContext(
      `(() => { ${script.replace(/^\s*'use strict';\s*\(\(\) =>/, 'return (() =>').replace(/\)\(\);\s*$/, ')')} })()`,
      createContext({}),
    );
  });

  it('says what failed and that it was interrupted', () => {
    const [cell, ...others] = bench.cells;
    const html = benchHtml(
      { ...bench, interrupted: true, cells: [{ ...cell!, failures: ['round 2: it hung'] }, ...others] },
      library,
    );
    expect(html).toContain('Interrupted: 8 of 8 rounds');
    expect(html).toContain('round 2: it hung');
  });
});

describe('metrics', () => {
  it('say which way is better', () => {
    expect(METRICS.opsPerSec.better).toBe('higher');
    for (const name of METRIC_NAMES.filter((one) => /P\d|Ns$|nsPerOp/.test(one)))
      expect(METRICS[name].better).toBe('lower');
  });
});
