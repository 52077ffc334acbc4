import { describe, expect, it } from 'vitest';
import { lockStatText } from '../../src/report/lock-stat.ts';
import type { CellResult } from '../../src/results/types.ts';
import { cellResult } from './results-fixture.ts';

type Row = CellResult['locks'][number];

const times = { min: 1500, max: 2e6, total: 6_012_345, mean: 500_000 };
const sem = (mode: 'R' | 'W', more: Partial<Row> = {}): Row => ({
  ...{ name: 'umem_rwsem', mode, acquisitions: 1000, acqBounces: 40, contentions: 12, conBounces: 7 },
  waitNs: times,
  holdNs: { ...times, count: 1000, min: 90 },
  waiters: [],
  holders: [],
  ...more,
});
const mutex: Row = { ...sem('W'), name: 'umem_mutex', contentions: 0, waitNs: { min: 0, max: 0, total: 0, mean: 0 } };

/** /proc/lock_stat, in order. */
const COLUMNS = [
  ...['class name', 'con-bounces', 'contentions', 'waittime-min', 'waittime-max', 'waittime-total', 'waittime-avg'],
  ...['acq-bounces', 'acquisitions', 'holdtime-min', 'holdtime-max', 'holdtime-total', 'holdtime-avg'],
];

describe('lock_stat.txt', () => {
  it('has the header and the columns of /proc/lock_stat', () => {
    const [version, rule, head, again, empty] = lockStatText([cellResult({ locks: [mutex] })]).split('\n');
    expect(version).toBe('lock_stat version 0.4');
    expect(head!.trim().split(/ {2,}| (?=\w+time-|\w+-bounces|contentions|acquisitions)/)).toEqual(COLUMNS);
    expect(head!.slice(0, 40)).toBe('class name'.padStart(40));
    expect([rule, again]).toEqual(['-'.repeat(head!.length + 1), '-'.repeat(head!.length + 1)]);
    expect(empty).toBe('');
  });

  it('has a row for readers and one for writers, microseconds with two decimals, under the head of each column', () => {
    const lines = lockStatText([cellResult({ locks: [sem('R', { conBounces: 8 }), sem('W'), mutex] })]).split('\n');
    const head = lines[2]!;
    expect(lines.slice(5, 8).map((line) => line.trim().split(/ +/))).toEqual([
      [
        'umem_rwsem-W:',
        '7',
        '12',
        '1.50',
        '2000.00',
        '6012.35',
        '500.00',
        '40',
        '1000',
        '0.09',
        '2000.00',
        '6012.35',
        '500.00',
      ],
      [
        'umem_rwsem-R:',
        '8',
        '12',
        '1.50',
        '2000.00',
        '6012.35',
        '500.00',
        '40',
        '1000',
        '0.09',
        '2000.00',
        '6012.35',
        '500.00',
      ],
      // Of the least contended class, which has no modes.
      ['umem_mutex:', '7', '0', '0.00', '0.00', '0.00', '0.00', '40', '1000', '0.09', '2000.00', '6012.35', '500.00'],
    ]);
    for (const line of lines.slice(5, 8)) expect(line).toHaveLength(head.length);
    for (const title of COLUMNS.slice(1)) {
      const end = head.indexOf(title) + title.length;
      for (const line of lines.slice(5, 8)) expect(line.slice(end - 1, end + 1)).toMatch(/^\d( |$)/);
    }
  });

  it('lists below a class who waited and who held, four of each', () => {
    const place = (role: string, count: number, point: string | null = 'section.starting') => ({ role, point, count });
    const text = lockStatText([
      cellResult({
        locks: [
          sem('W', { waiters: [place('madvise', 5), place('touch', 1)], holders: [place('register', 6, null)] }),
          sem('R', { waiters: [place('madvise', 5), place('dma', 9), place('fork', 2), place('exit', 3)] }),
        ],
      }),
    ]);
    const lines = text.split('\n').slice(7);
    const rule = `${' '.repeat(28)}${'-'.repeat(12)}`;
    const row = (count: number, role: string, symbol: string) =>
      `${'umem_rwsem'.padStart(40)} ${String(count).padStart(14)} ${`[<${role}>]`.padStart(29)}${symbol}`;
    expect(lines).toEqual([
      rule,
      row(10, 'madvise', ' section.starting'),
      row(9, 'dma', ' section.starting'),
      row(3, 'exit', ' section.starting'),
      row(2, 'fork', ' section.starting'),
      rule,
      row(6, 'register', ''),
      '',
      '.'.repeat(text.split('\n')[1]!.length),
      '',
      '',
    ]);
  });

  it('is empty when no acquisition was counted', () => {
    expect(lockStatText([cellResult(), cellResult({ locks: [] })])).toBe('');
  });

  it('has a section for each of several cells', () => {
    const locks = [mutex];
    const text = lockStatText([
      cellResult({ locks }),
      cellResult({ strategy: 'pinned', seed: 2, locks }),
      cellResult(),
    ]);
    const lines = text.split('\n');
    expect(lines.filter((line) => line.startsWith('seed '))).toEqual([
      'seed context-count era=v5.5 seed=1',
      'seed pinned era=v5.5 seed=2',
    ]);
    expect(lines.filter((line) => line.startsWith('lock_stat version'))).toHaveLength(2);
  });
});
