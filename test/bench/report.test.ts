import { createContext, runInContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareRuns, compareSubjects, tally } from '../../src/bench/compare.ts';
import { LOCKS } from '../../src/bench/lock-plan.ts';
import { METRIC_NAMES, METRICS } from '../../src/bench/metrics.ts';
import { type BenchResult, benchJsonSchema, validateBench } from '../../src/bench/result.ts';
import { ratioBars, ratioBarsHtml } from '../../src/report/bench-bars.ts';
import { benchPictures } from '../../src/report/bench-charts.ts';
import { comparisonLines } from '../../src/report/bench-compare.ts';
import { figure, verdictWord } from '../../src/report/bench-figures.ts';
import { benchHtml } from '../../src/report/bench-html.ts';
import { benchCsv, benchMarkdown, benchTables, marks, plainTables } from '../../src/report/bench-table.ts';
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

  it('say of two threads which word limits them, and of both what it comes to', () => {
    const { columns, rows, notes } = benchTables(bench).find(({ group }) => group === 'scaling')!;
    const from = columns.findIndex(({ title }) => title === 'limiting word');
    const row = (threads: string, mms: string): readonly string[] =>
      rows.find((one) => one[0] === 'context-count' && one[1] === threads && one[2] === mms)!.slice(from, from + 3);
    expect(row('1', '1')).toEqual(['-', '-', '-']);
    expect(row('2', '1')).toEqual(['mmap_lock R', '2.00', '1.40 (1.40..1.40)']);
    expect(row('2', '2')).toEqual(['none', '-', '-']);
    expect(notes[1]).toMatch(
      /^context-count: two threads in one mm x\d\.\d\d [\d.]+, limited by mmap_lock R \(taken 2\.00 times a refault, moved 1\.40 \(1\.40\.\.1\.40\) times\), and waiting for mmap_lock R 12% of the time; with an mm each x\d\.\d\d [\d.]+, not at least x1\.60, they share no lock/,
    );
    expect(benchTables(bench).find(({ group }) => group === 'refault')!.notes[0]).toMatch(
      /^interval-notifier: from 10 to 10,000 umems x.*; log n grows x4\.00: at most proportional to log n\.$/,
    );
    for (const note of notes) {
      expect(benchMarkdown(bench)).toContain(`\n\n${note}\n\n`);
      expect(plainTables(bench)).toContain(note);
    }
  });

  it('leave out of a run of before what was not measured then', () => {
    const { claims: _, ...before } = bench;
    const cells = bench.cells.map(({ limit: _limit, ...cell }) => cell);
    const old = validateBench(JSON.parse(JSON.stringify({ ...before, cells })));
    expect(benchTables(old).map(({ columns }) => columns.some(({ title }) => title === 'limiting word'))).not.toContain(
      true,
    );
    expect(benchTables(old).find(({ group }) => group === 'refault')!.notes).toEqual([]);
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
    const figures = bench.cells.reduce((sum, { metrics }) => sum + Object.keys(metrics).length, 0);
    // Beside them what limits the cells of two threads: what is waited for, and in one mm two figures of a word.
    const strategies = new Set(bench.cells.flatMap(({ group, subject }) => (group === 'scaling' ? [subject] : [])))
      .size;
    expect(lines).toHaveLength(1 + figures + strategies * (2 + 2));
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

  it('has what is asked of a figure in its line, and the word that limits in lines of its own', () => {
    const lines = benchCsv(bench).trimEnd().split('\n');
    const head = lines[0]!.split(',');
    const fieldsOf = (id: string, metric: string): string[] =>
      lines
        .find((line) => line.startsWith(`${id},`) && line.includes(`,${metric},`))!
        .split(',')
        .slice(head.indexOf('base'));
    const id = 'scaling/context-count threads=2 mms=2';
    expect(fieldsOf(id, 'speedup')).toEqual([id, 'at least', '1.6', 'false']);
    expect(fieldsOf('refault/context-count umems=10000', 'growth').slice(1)).toEqual(['at most', '4', 'true']);
    expect(fieldsOf('scaling/context-count threads=2 mms=1', 'moved:mmap_lock R')).toEqual(['', '', '', '']);
    expect(lines.filter((line) => line.includes(',taken:'))).toHaveLength(2);
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

  it('show growth on a logarithmic axis, with the logarithm beside it', () => {
    const { charts } = benchPictures(bench, 'refault');
    expect(charts.map(({ title, at }) => [title, at])).toEqual([
      ['Madvise of a page and its refault, thread time', [1, 3, 4]],
      ['Time, to that with the fewest umems', [1, 3, 4]],
    ]);
    const [, growth] = charts;
    expect(growth!.bound).toEqual({ name: 'log n', v: [1, 3, 4] });
    expect(growth!.x).toEqual(['10', '1,000', '10,000']);
    const cell = bench.cells.find(({ id }) => id === 'refault/interval-notifier umems=10000')!;
    expect(growth!.lines[0]!.v[0]).toBe(1);
    expect(growth!.lines[0]!.v[2]).toBeCloseTo(cell.metrics.growth!.median!, 3);
    for (const { bound, at, x } of benchPictures(bench, 'load').charts) {
      expect(bound).toBeNull();
      expect(at).toEqual(x.map((_, i) => i));
    }
  });

  it('show the locks that threads share, and none where they share none', () => {
    const { takes, moves } = benchPictures(bench, 'scaling');
    expect(takes.map(({ title, parts }) => [title, parts.map(({ name }) => name)])).toEqual(
      ['interval-notifier', 'context-count'].flatMap((name) => [
        [`${name}, threads 2, mms 1`, ['umem_rwsem R', 'mmap_lock R']],
        [`${name}, threads 2, mms 2`, []],
      ]),
    );
    expect(moves[0]!.parts.map(({ name }) => name)).toEqual(['mmap_lock R', 'umem_rwsem R']);
    expect(benchPictures(bench, 'refault').takes).toEqual([]);
  });

  it('shade from where there are more threads than cores', () => {
    const chart = benchPictures(bench, 'locks').charts[0]!;
    expect(chart.x).toEqual(['1', '2', '4']);
    expect(chart.crowdedFrom).toBe(2);
  });

  it('sum waits up by class of lock', () => {
    const [bar] = benchPictures(bench, 'load').waits;
    expect(bar!.parts.map(({ name }) => name)).toEqual(['mmap_lock R', 'umem_mutex W', 'range_pool W']);
    expect(bar!.parts[0]!.value).toBeCloseTo(0.12);
    expect(benchPictures(bench, 'locks').waits).toEqual([]);
  });

  it('map latency over time for each lock and strategy', () => {
    expect(benchPictures(bench, 'locks').heats).toHaveLength(LOCKS.length);
    expect(benchPictures(bench, 'load').heats[0]!.counts).toHaveLength(20);
  });
});

describe('bars of the primitives', () => {
  it('begin at the reference and end at the median, inside of the interval, on an axis that has all of it', () => {
    const bars = ratioBars(bench, 'primitives')!;
    const primitives = bench.cells.filter(({ group }) => group === 'primitives');
    expect(bars.rows.map(({ name }) => name)).toEqual(primitives.slice(1).map(({ subject }) => subject));
    expect(bars.reference).toMatch(/^inline-futex \(\d+ns\)$/);
    for (const { ratio, one, median, lo, hi } of bars.rows) {
      expect(lo).toBeGreaterThan(0);
      expect(lo).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(hi);
      expect(hi).toBeLessThan(1);
      expect(Math.sign(median - one)).toBe(Math.sign(ratio.median! - 1));
    }
    // Logarithmic: twice as far in ratios is as far on the axis.
    const place = (label: string): number => bars.ticks.find((tick) => tick.label === label)!.at;
    expect(place('x2') - place('x1')).toBeCloseTo(place('x1') - place('x0.5'), 9);
    const [row] = bars.rows;
    expect(row!.median - row!.one).toBeCloseTo(Math.log2(row!.ratio.median!) * (place('x2') - place('x1')), 9);
  });

  it('have ticks at powers of ten alone where there are many of these', () => {
    const wide = bench.ratios.map((one) =>
      one.cell === 'primitives/mutex' ? { ...one, ratio: { median: 90, lo: 0.5, hi: 700, n: 9 } } : one,
    );
    const labels = ratioBars({ ...bench, ratios: wide }, 'primitives')!.ticks.map(({ label }) => label);
    expect(labels).toEqual(['x1', 'x10', 'x100']);
  });

  it('are not there without ratios, and leave out what has none', () => {
    expect(ratioBars({ ...bench, ratios: [] }, 'primitives')).toBeNull();
    expect(ratioBarsHtml(null)).toBe('');
    const odd = bench.ratios.map((one) =>
      one.cell === 'primitives/mutex' ? { ...one, ratio: { median: null, lo: null, hi: null, n: 0 } } : one,
    );
    expect(ratioBars({ ...bench, ratios: odd }, 'primitives')!.rows.map(({ name }) => name)).not.toContain('mutex');
  });

  it('are on the page once, with the figures', () => {
    const html = benchHtml(bench, { script: '', style: '' });
    expect(html.match(/<div class="ratio" /g)).toHaveLength(ratioBars(bench, 'primitives')!.rows.length);
    const { ratio } = bench.ratios.find(({ cell }) => cell === 'primitives/mutex')!;
    expect(html).toContain(
      `<span class="r">x${ratio.median!.toFixed(2)} ${ratio.lo!.toFixed(2)}..${ratio.hi!.toFixed(2)}</span>`,
    );
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
