import { describe, expect, it } from 'vitest';
import { cellLine } from '../../src/report/cell-line.ts';
import { findingWords } from '../../src/report/findings.ts';
import { grouped, short, shortNs, wrapList } from '../../src/report/format.ts';
import { COLORED, PLAIN, wantsColor } from '../../src/report/style.ts';
import { closingLine, matrixReport, thresholdReport } from '../../src/report/terminal.ts';
import { cellResult, failedCell } from './results-fixture.ts';

const options = { style: PLAIN, width: 100, verbose: false };
const cells = [
  failedCell(),
  cellResult(),
  cellResult({
    strategy: 'mmap-write',
    verdict: 'UNKNOWN',
    asExpected: null,
    why: 'register-in-section 3 of 20',
    exposures: {},
  }),
  cellResult({
    strategy: 'interval-notifier',
    verdict: 'FAILURE',
    asExpected: false,
    why: 'stale-dma was not expected',
    violations: { 'stale-dma': { count: 2, firstAtMs: 1 } },
  }),
  cellResult({ scenario: 'around', kind: 'litmus', orders: { complete: 49, 'order-prevented': 1 } }),
];

describe('the matrix table', () => {
  it('shows verdict, expectation, rates and what was found', () => {
    expect(matrixReport(cells, options)).toEqual([
      'seed',
      '  strategy           verdict  expected  faults/s  sections/s  regs/s  fault p50    p99  retries/commit',
      '  private-count      FAILURE  yes           4500        2500     350      1.8us  9.0us            0.05',
      '      counter-underflow 1,204, stale-dma 3, in register-in-section 1,000, in fault-in-section 500',
      '  context-count      SUCCESS  yes           4500        2500     350      1.8us  9.0us            0.05',
      '      0 violations in 1,000 register-in-section (a rate below 3.0e-3 each, at 95 %),',
      '      fault-in-section 500',
      '  mmap-write         UNKNOWN  unknown       4500        2500     350      1.8us  9.0us            0.05',
      '      no exposures: says nothing',
      '      register-in-section 3 of 20',
      '  interval-notifier  FAILURE  NO            4500        2500     350      1.8us  9.0us            0.05',
      '      stale-dma 2, in register-in-section 1,000, in fault-in-section 500',
      '      stale-dma was not expected',
      '',
      'around',
      '  strategy       verdict  expected  order',
      '  context-count  SUCCESS  yes       complete 49, order-prevented 1',
      '      0 violations in 1,000 register-in-section (a rate below 3.0e-3 each, at 95 %),',
      '      fault-in-section 500',
    ]);
  });

  it('fits 120 columns with the longest names and largest figures', () => {
    const wide = cellResult({
      strategy: 'private-count-clamped',
      asExpected: null,
      operations: { section: { count: 1, perSecond: 123_456_789 }, register: { count: 1, perSecond: 123_456_789 } },
      faults: { ...cellResult().faults, committed: 1e12 },
    });
    for (const line of matrixReport([wide], { ...options, width: 120 })) expect(line.length).toBeLessThanOrEqual(120);
  });

  it('colours without moving anything', () => {
    const colored = matrixReport(cells, { ...options, style: COLORED });
    expect(colored.join('\n')).toContain('\u001b[31mFAILURE');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences to take away
    expect(colored.map((line) => line.replace(/\u001b\[\d+m/g, ''))).toEqual(matrixReport(cells, options));
  });

  it('names the seeds when there are several', () => {
    expect(matrixReport([cellResult(), cellResult({ seed: 2 })], options).join('\n')).toContain('context-count seed=2');
  });

  it('says that an order was impossible only when it was so each time', () => {
    const litmus = (orders: Record<string, number>) => findingWords(cellResult({ kind: 'litmus', orders }))[0];
    expect(litmus({ 'order-prevented': 20 })).toBe('no violation: this design makes the order impossible');
    expect(litmus({ 'order-prevented': 19, complete: 1 })).toContain('0 violations in 1,000 register-in-section');
  });

  it('never says "0 violations" without exposures', () => {
    expect(findingWords(cellResult({ exposures: {} }))).toEqual(['no exposures: says nothing']);
    expect(findingWords(cellResult({ exposures: { x: 3 } }))[0]).toContain('0 violations in 3 exposures, none of them');
  });
});

describe('the line of a cell', () => {
  it('says it all and ends in the verdict', () => {
    expect(cellLine(failedCell())).toBe(
      'odptorture: seed private-count seed=1 ms=2000 faults=9000 sections=5000 exposures=1500 violations=1207 counter-underflow=1204 stale-dma=3 expected=yes FAILURE',
    );
  });

  it('is one line even for a cell that crashed', () => {
    const line = cellLine(
      cellResult({ verdict: 'UNKNOWN', fault: { kind: 'thread-threw', thread: 'a b', message: 'x\ny' } }),
    );
    expect(line).toContain('fault=thread-threw thread="a b" UNKNOWN');
    expect(line).not.toContain('\n');
  });
});

describe('the closing line', () => {
  it('counts by expectations for a matrix, by violations for a run', () => {
    expect(closingLine(cells, 'expectations')).toBe('5 cells: 3 as expected, 1 NOT as expected, 1 unknown');
    expect(closingLine(cells, 'violations')).toBe('5 cells: 2 without a violation, 2 with violations, 1 unknown');
    expect(closingLine([cellResult()], 'expectations')).toBe('1 cell: 1 as expected');
  });
});

describe('thresholds in the report', () => {
  const result = (met: boolean | null, value: number | null) => ({
    scenario: 's',
    strategy: 'x',
    seed: 1,
    threshold: 'faults_per_s>9',
    value,
    met,
  });
  it('names those that were missed or have no figure', () => {
    const lines = thresholdReport([result(true, 10), result(false, 8), result(null, null)], options);
    expect(lines).toEqual([
      'threshold faults_per_s>9 missed (8): s x seed=1',
      'threshold faults_per_s>9 no figure: s x seed=1',
    ]);
  });
});

describe('figures', () => {
  it.each([
    [0, '0'],
    [7.34, '7.3'],
    [950, '950'],
    [9998, '9998'],
    [9999.9, '10.0k'],
    [12_345, '12.3k'],
    [1_204_331, '1.20M'],
    [123_456_789, '123M'],
  ])('%d reads %s', (n, text) => {
    expect(short(n)).toBe(text);
  });

  it.each([
    [850, '850ns'],
    [1800, '1.8us'],
    [40_000, '40us'],
    [2.1e6, '2.1ms'],
    [1.5e9, '1.5s'],
  ])('%d ns reads %s', (n, text) => {
    expect(shortNs(n)).toBe(text);
  });

  it('groups thousands and wraps lists between words', () => {
    expect(grouped(1_204_331)).toBe('1,204,331');
    expect(wrapList(['aaa', 'bbb', 'ccc'], 9)).toEqual(['aaa, bbb,', 'ccc']);
  });
});

describe('colour', () => {
  it.each([
    ['always', { NO_COLOR: '1' }, false, true],
    ['never', { FORCE_COLOR: '1' }, true, false],
    ['auto', {}, true, true],
    ['auto', {}, false, false],
    ['auto', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    ['auto', { NO_COLOR: '' }, true, true],
    ['auto', { FORCE_COLOR: '1' }, false, true],
    ['auto', { FORCE_COLOR: '0' }, true, false],
    ['auto', { TERM: 'dumb' }, true, false],
  ] as const)('--color %s with %o, terminal %s: %s', (choice, env, isTty, wanted) => {
    expect(wantsColor(choice, env, isTty)).toBe(wanted);
  });
});
