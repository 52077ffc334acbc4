import { afterAll, describe, expect, it } from 'vitest';
import { isSafety, type OracleName } from '../../src/oracles/names.ts';
import { runCell } from '../../src/torture/cell.ts';
import { closePool, collectingSink, forever, shippedPlan } from './cells.ts';

afterAll(closePool);

const DURATION_MS = 700;

describe('the seed scenario on real threads', () => {
  it('private-count: the count goes below zero', async () => {
    const sink = collectingSink();
    const result = await runCell(
      shippedPlan('seed', 'private-count', { seed: 11, durationMs: DURATION_MS }),
      sink,
      forever(),
    );
    expect(result.fault).toBeUndefined();
    expect(result.verdict).toBe('FAILURE');
    expect(result.violations['counter-underflow']!.count).toBeGreaterThan(0);
    // What nobody expects of this design would be a mistake of ours.
    const { must, may } = result.expected;
    for (const oracle of Object.keys(result.violations)) expect([...must, ...may]).toContain(oracle);
    const record = sink.records.find(({ oracle }) => oracle === 'counter-underflow')!;
    expect(record.counter!.value).toBeLessThan(0);
    expect(record.range!.last).toBeGreaterThanOrEqual(record.range!.start);
    // Progress rises, and ends below the sums.
    const counts = sink.progresses.map(({ operations }) => operations.madvise!);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)!).toBeLessThanOrEqual(result.operations.madvise!.count);
  });

  it.each(
    [
      'context-count',
      'range-pool',
      'range-alloc',
      'range-stack',
      'pool-overflow',
      'interval-notifier',
      'take-all-locks',
      'held-rwsem',
      'range-union',
      'pinned',
    ].flatMap((strategy) => [21, 22].map((seed) => [strategy, seed] as const)),
  )('%s, seed %i: no oracle of safety fires', async (strategy, seed) => {
    const sink = collectingSink();
    const result = await runCell(shippedPlan('seed', strategy, { seed, durationMs: DURATION_MS }), sink, forever());
    expect(result.fault).toBeUndefined();
    // Starvation is inherent in three of them, and no wonder on a busy machine.
    expect(sink.records.filter(({ oracle }) => isSafety(oracle)).map(({ detail }) => detail)).toEqual([]);
    expect((Object.keys(result.violations) as OracleName[]).filter(isSafety)).toEqual([]);
    expect(result.notes).toEqual([]);
    // And not because nothing happened.
    expect(result.operations.section!.count).toBeGreaterThan(100);
    expect(result.operations.register!.count).toBeGreaterThan(20);
    if (strategy !== 'pinned') expect(result.faults.committed).toBeGreaterThan(100);
  });
});
