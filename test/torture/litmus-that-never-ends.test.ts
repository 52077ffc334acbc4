import { afterAll, describe, expect, it } from 'vitest';
import { runCell } from '../../src/torture/cell.ts';
import { closePool, collectingSink, forever, shippedPlan } from './cells.ts';

afterAll(closePool);

describe('an iteration of a litmus that does not end by itself', () => {
  it('is ended when its time has long passed, with what was seen', { timeout: 30_000 }, async () => {
    const shipped = shippedPlan('litmus/seed-madvise-around-register', 'private-count');
    const litmus = shipped.litmus!;
    const register = litmus.programs[1]![0]!;
    // The section's end has taken the count of the region below zero: a fault on it is refused from then on.
    const plan = {
      ...shipped,
      durationMs: 200,
      bounds: { ...shipped.bounds, hangMs: 300 },
      // Enough that the order is had in one of them, however busy the machine is.
      litmus: {
        ...litmus,
        iterations: 1000,
        programs: [litmus.programs[0]!, [register, { ...register, verb: 'fault' as const }]],
      },
    };
    const result = await runCell(plan, collectingSink(), forever());
    expect(result.interrupted).toBe(false);
    expect(result.fault).toBeUndefined();
    expect(result.verdict).toBe('FAILURE');
    expect(result.violations['counter-underflow']!.count).toBeGreaterThan(0);
    // It was in one of the first all the time: where the order could not be had, the count was not yet lost.
    expect(Object.values(result.orders!).reduce((sum, n) => sum + n, 0)).toBeLessThan(1000);
  });
});
