import { afterAll, describe, expect, it } from 'vitest';
import type { CellProgress, CellResult } from '../../src/results/types.ts';
import { runCell } from '../../src/torture/cell.ts';
import { type Collected, closePool, collectingSink, keptPool, shippedPlan, smallPlan } from './cells.ts';

afterAll(closePool);

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** A sink, and a signal that comes `delayMs` after the first progress of a cell that has begun. */
function stopAfter(delayMs: number): { sink: Collected; signal: AbortSignal } {
  const controller = new AbortController();
  const collected = collectingSink();
  let armed = false;
  const progress = (state: CellProgress): void => {
    collected.progress(state);
    if (armed || state.elapsedMs === 0) return;
    armed = true;
    setTimeout(() => controller.abort(), delayMs);
  };
  return { sink: { ...collected, progress }, signal: controller.signal };
}

/** Every violation is counted, and each that has no record is counted as dropped. `keep` is without bound in these plans. */
function expectAllAccounted(result: CellResult, sink: Collected): void {
  const counted = sum(Object.values(result.violations).map(({ count }) => count));
  expect(result.records.kept).toBe(sink.records.length);
  expect(result.records.kept + result.records.dropped).toBe(counted);
  for (const [oracle, { count }] of Object.entries(result.violations))
    expect(sink.records.filter((record) => record.oracle === oracle).length).toBeLessThanOrEqual(count);
}

describe('a cell that is told to stop', () => {
  it('ends early, with all that it has counted', async () => {
    const plan = shippedPlan('seed', 'private-count', { durationMs: 600_000 });
    const all = { ...plan, trace: { ...plan.trace, keep: 1_000_000, slots: 64, window: 8 } };
    const { sink, signal } = stopAfter(600);
    const result = await runCell(all, sink, signal);
    expect(result).toMatchObject({ interrupted: true, notes: [] });
    expect(result.fault).toBeUndefined();
    expect(result.durationMs).toBeLessThan(60_000);
    expect(result.violations['counter-underflow']!.count).toBeGreaterThan(0);
    expectAllAccounted(result, sink);
    // What was written while the main thread read is whole.
    const torn = sink.records.filter(
      ({ nth, atMs, detail, window }) =>
        nth < 1 ||
        !(atMs > 0) ||
        detail.includes('undefined') ||
        window.some(
          ({ point, timeMs }) => point === 'none' || point === undefined || timeMs > atMs + 1000 || timeMs < 0,
        ),
    );
    expect(torn.map(({ oracle, nth, atMs }) => `${oracle} #${nth} at ${atMs}`)).toEqual([]);
    expect((await keptPool(plan.threads.length)).piscina.threads).toHaveLength(plan.threads.length);
  });

  it('no matter how early', async () => {
    for (const delayMs of [0, 1, 5, 20, 40, 60, 90, 130]) {
      await closePool();
      const signal = delayMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(delayMs);
      const result = await runCell(smallPlan({ duration: '10m' }), collectingSink(), signal);
      expect(result.fault, `after ${delayMs} ms`).toBeUndefined();
      expect(result.interrupted, `after ${delayMs} ms`).toBe(true);
      expect(result.violations, `after ${delayMs} ms`).toEqual({});
      const early = 'the cell was stopped before all its threads had started';
      expect(result.notes, `after ${delayMs} ms`).toEqual(result.notes.length === 0 ? [] : [early]);
    }
  });

  it('between and in the iterations of a litmus', async () => {
    const plan = shippedPlan('litmus/seed-fault-in-section', 'mmap-write', { durationMs: 600_000 });
    const endless = { ...plan, litmus: { ...plan.litmus!, iterations: 1e9 } };
    const free = { ...endless, litmus: { ...endless.litmus, order: [] } };
    const rounds: Record<string, number> = {};
    for (let n = 0; n < 12; n++) {
      const delayMs = 1.5 * n;
      const { sink, signal } = stopAfter(delayMs);
      const result = await runCell(n % 3 === 0 ? endless : free, sink, signal);
      const which = `cell ${n}, after ${delayMs} ms`;
      expect(result.fault, which).toBeUndefined();
      expect(result.interrupted, which).toBe(true);
      expect(result.violations, which).toEqual({});
      expect(result.notes.join(), which).not.toContain('came to rest');
      for (const [order, count] of Object.entries(result.orders!)) rounds[order] = (rounds[order] ?? 0) + count;
    }
    // Stopped in the middle, not before or after.
    expect(Object.keys(rounds).sort()).toEqual(['free', 'order-prevented']);
  });

  it('does not wait for a pause, and nobody takes a pause for a hang', async () => {
    const resting = { madvise: { count: 1, pauseUs: 500_000_000 }, munmap: 1, register: 1 };
    const plan = smallPlan({ duration: '10m', threads: resting, bounds: { hangMs: 400, auditIntervalMs: 50 } });
    const { sink, signal } = stopAfter(1200);
    const result = await runCell(plan, sink, signal);
    expect(result.fault).toBeUndefined();
    expect(result).toMatchObject({ interrupted: true, notes: [] });
    expect(result.durationMs).toBeLessThan(60_000);
    expect(result.operations.madvise!.count).toBe(1);
    // It parks in its pause, so the audits need not do without it.
    expect(result.audits.done).toBeGreaterThan(result.audits.skipped);
  });
});
