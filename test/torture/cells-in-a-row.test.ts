import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { runCell } from '../../src/torture/cell.ts';
import {
  closePool,
  collectingSink,
  faultyWorkers,
  forever,
  keptPool,
  shippedPlan,
  smallPlan,
  withFaults,
  withIterations,
} from './cells.ts';

afterEach(closePool);
afterAll(closePool);

const LITMUS = 'litmus/seed-madvise-around-register';

describe('cells in a row', () => {
  it('use threads and arena again, and nothing of one is counted in the next', async () => {
    const first = await runCell(withIterations(shippedPlan(LITMUS, 'private-count'), 7), collectingSink(), forever());
    const before = await keptPool(3);
    const workers = before.piscina.threads.map(({ threadId }) => threadId);
    const sink = collectingSink();
    const second = await runCell(withIterations(shippedPlan(LITMUS, 'context-count'), 3), sink, forever());
    const after = await keptPool(3);
    expect(after).toBe(before);
    expect(after.piscina.threads.map(({ threadId }) => threadId)).toEqual(workers);

    expect(first.operations.register!.count).toBe(7);
    expect(first.violations['counter-underflow']!.count).toBe(7);
    expect(first.orders).toEqual({ complete: 7 });
    expect(second.operations.register!.count).toBe(3);
    expect(second.exposures['register-in-section']).toBe(3);
    expect(second.violations).toEqual({});
    expect(second.orders).toEqual({ complete: 3 });
    expect(sink.records).toEqual([]);
  });

  it('get a new pool when they need more threads, or a larger arena', async () => {
    await runCell(smallPlan({ duration: '100ms' }), collectingSink(), forever());
    const small = await keptPool(4);
    await runCell(smallPlan({ duration: '100ms', hca: { mrs: 2000, mrPages: 64 } }), collectingSink(), forever());
    const large = await keptPool(4);
    expect(large).not.toBe(small);
    expect(large.buffer.byteLength).toBeGreaterThan(small.buffer.byteLength);
    expect(small.piscina.threads).toHaveLength(0);
    // The larger arena does for a smaller cell.
    const again = await runCell(smallPlan({ duration: '100ms' }), collectingSink(), forever());
    expect(again.fault).toBeUndefined();
    expect(await keptPool(4)).toBe(large);
    await runCell(smallPlan({ duration: '100ms', threads: { madvise: 1 } }), collectingSink(), forever());
    expect(large.piscina.threads).toHaveLength(0);
    expect((await keptPool(2)).threads).toBe(2);
  });

  it('a pool that lost a thread in between is not used again', async () => {
    await runCell(smallPlan({ duration: '100ms' }), collectingSink(), forever());
    const kept = await keptPool(4);
    kept.piscina.emit('error', new Error('a thread died outside any task'));
    const result = await runCell(smallPlan({ duration: '100ms' }), collectingSink(), forever());
    expect(result.fault).toBeUndefined();
    expect(await keptPool(4)).not.toBe(kept);
  });

  it('at the same time have a pool each, and one is kept', async () => {
    const results = await Promise.all(
      [1, 2].map((seed) => runCell(smallPlan({ duration: '300ms' }, { seed }), collectingSink(), forever())),
    );
    for (const { violations, notes } of results) expect({ violations, notes }).toEqual({ violations: {}, notes: [] });
    expect((await keptPool(4)).piscina.threads).toHaveLength(4);
  });

  it('do not hold on to memory', async () => {
    // 35 MB an arena, and 20 cells with, 6 without a fault: whoever keeps them all has 900 MB.
    const plan = withIterations(shippedPlan(LITMUS, 'context-count'), 1);
    const large = { ...plan, hca: { ...plan.hca, mrs: 4000, mrPages: 1000 } };
    const faulty = withFaults(large, { program: 'throws' });
    const broken = { workerUrl: faultyWorkers('program') };
    const cells = async (clean: number, faults: number): Promise<void> => {
      for (let i = 0; i < clean; i++) await runCell(large, collectingSink(), forever());
      for (let i = 0; i < faults; i++) await runCell(faulty, collectingSink(), forever(), broken);
    };
    await cells(3, 1);
    const before = process.memoryUsage().rss;
    await cells(20, 6);
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    expect(grown).toBeLessThan(300);
  });
});
