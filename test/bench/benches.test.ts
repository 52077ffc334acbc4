import { describe, expect, it } from 'vitest';
import { refaultBench } from '../../bench/refault.ts';
import { openRefaultWorld, refaultCase } from '../../bench/refault-world.ts';
import { BATCH, type Case, interval, measure, median, type Row } from '../../bench/rounds.ts';
import { markdownTable, plainTable } from '../../bench/table.ts';
import { COUNTER, type CounterName } from '../../src/trace/counters.ts';

const row = (name: string, nsPerOp: number): Row => ({
  bench: 'locks',
  name,
  nsPerOp,
  ratio: { median: 1.5, min: 1.25, max: 2 },
  addRatio: { median: 0.5, min: 0.25, max: 1 },
});

describe('statistics of the rounds', () => {
  it('take the middle value, or the mean of the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(interval([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  });
});

describe('measuring', () => {
  it('puts the references first, at a ratio of 1 to themselves, and runs every case in every round', () => {
    let calls = 0;
    const counted: Case = { name: 'counted', run: () => void calls++ };
    const rows = measure('b', [counted], { rounds: 2, timeMs: 1 });
    expect(rows.map((r) => r.name)).toEqual([
      'inline three-state futex lock+unlock',
      'bare Atomics.add pair',
      'counted',
    ]);
    expect(rows[0]!.ratio).toEqual({ median: 1, min: 1, max: 1 });
    expect(rows[1]!.addRatio).toEqual({ median: 1, min: 1, max: 1 });
    expect(calls).toBeGreaterThanOrEqual(3);
  });
});

describe('tables', () => {
  it('align their columns, names to the left and numbers to the right', () => {
    expect(plainTable([row('a', 9.125), row('a longer one', 1234.5)]).split('\n')).toEqual([
      'bench  operation     ns/op  x futex      min..max  x add pair',
      'locks  a              9.13    1.500  1.250..2.000       0.500',
      'locks  a longer one   1235    1.500  1.250..2.000       0.500',
    ]);
  });

  it('are the same in Markdown', () => {
    expect(markdownTable([row('a', 9.125)]).split('\n')).toEqual([
      '| bench | operation | ns/op | x futex |     min..max | x add pair |',
      '| ----- | --------- | ----: | ------: | -----------: | ---------: |',
      '| locks | a         |  9.13 |   1.500 | 1.250..2.000 |      0.500 |',
    ]);
  });
});

describe('the refault bench', () => {
  it('measures what it says: one section, one fault committed and one access for each operation', () => {
    const config = { strategy: 'interval-notifier', observer: 'oracles', trace: false, threads: 2 } as const;
    const names: CounterName[] = ['op.madvise', 'op.section', 'fault.committed', 'op.dmaWrite', 'fault.retried'];
    const opened = openRefaultWorld(config);
    const counts = (): number[] => names.map((name) => opened.actor.f64[opened.actor.counters + COUNTER[name]]!);
    const { run } = refaultCase('x', opened);
    const before = counts();
    run();
    expect(counts().map((n, i) => n - before[i]!)).toEqual([BATCH, BATCH, BATCH, BATCH, 0]);
  });

  it('has one row for each strategy and world, on threads of their own, behind the references', async () => {
    const rows = await refaultBench({ rounds: 1, timeMs: 1 });
    const names = rows.map((r) => r.name);
    expect(names.slice(0, 3)).toEqual([
      'inline three-state futex lock+unlock',
      'bare Atomics.add pair',
      'interval-notifier: no observer',
    ]);
    expect(new Set(names).size).toBe(names.length);
    for (const strategy of ['interval-notifier', 'context-count', 'private-count'])
      expect(names.filter((name) => name.startsWith(`${strategy}:`))).toHaveLength(4);
    for (const r of rows) expect(r.nsPerOp).toBeGreaterThan(0);
  });
});
