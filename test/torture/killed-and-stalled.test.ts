import { afterAll, describe, expect, it } from 'vitest';
import { at, type Vpn } from '../../src/memory/address.ts';
import { checkWaitStarvation, createWaitMeters } from '../../src/oracles/starvation.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { rawAdd } from '../../src/sync/atomics.ts';
import { runCell } from '../../src/torture/cell.ts';
import { CONTROL, opBegin, PARK_TASK, WAITING_OP } from '../../src/trace/park.ts';
import { stallsSeen } from '../../src/trace/stall.ts';
import { createBed, faultTimes, fired, register } from '../oracles/fixture.ts';
import { closePool, collectingSink, forever, smallPlan } from './cells.ts';

afterAll(closePool);

/** As stallAt leaves the words of a thread that begins to stand still, and that goes on. */
const BEGUN = (1 << 8) + 1;

describe('a cell with threads that end early', () => {
  it('goes on without them, cleans up after them, and says so', async () => {
    const kill = [
      { role: 'register', after: 20 },
      { role: 'madvise', after: 0 },
    ];
    const result = await runCell(smallPlan({ kill }), collectingSink(), forever());
    expect(result.fault).toBeUndefined();
    expect(result.violations).toEqual({});
    expect(result.notes).toEqual([
      'killed: madvise-0 after 0 operations, register-0 after 20 operations; leak was not run',
    ]);
    expect(result.operations.madvise!.count).toBe(0);
    // At most its 20 operations, and what the supervisor took away: both are done by few threads.
    expect(result.operations.register!.count).toBeLessThanOrEqual(20);
    expect(result.operations.deregister!.count).toBe(result.operations.register!.count);
    expect(result.operations.munmap!.count).toBeGreaterThan(0);
  });

  it('does not count one that did not come to its end', async () => {
    const kill = [{ role: 'register', after: 2_000_000_000 }];
    const result = await runCell(smallPlan({ kill }), collectingSink(), forever());
    expect(result.notes).toEqual([]);
    expect(result.violations).toEqual({});
  });
});

describe('a cell with threads that stop at points', () => {
  it('alarms nobody, although they stand still for longer than any bound', async () => {
    const bounds = { hangMs: 150, parkBoundMs: 20, starvationTicks: 3, starvationOpportunities: 2 };
    const stall = { probability: 100, ms: 400, points: ['section.started', 'umem.inserted'] };
    const plan = smallPlan({ stall, bounds, duration: '700ms' });
    const result = await runCell(plan, collectingSink(), forever());
    expect(result.fault).toBeUndefined();
    expect(result.violations).toEqual({});
    expect(result.stalls).toBeGreaterThan(0);
    // The stop wakes who stands still.
    expect(result.durationMs).toBeLessThan(30_000);
  });

  it('gives no opportunity to a fault while a thread stands still', () => {
    const refuses = { ...contextCount, name: 'refuses', faultCheck: () => false };
    const bed = createBed(refuses, { starvationAttempts: 8, starvationOpportunities: 4 });
    const { mem, control } = bed.world;
    const key = register(bed, 1, 4, 4);
    rawAdd(mem, at(control, CONTROL.stalls), BEGUN);
    expect(stallsSeen(mem, control)).toBe(-1);
    faultTimes(bed, 2, key, 1, 30);
    expect(fired(bed)).toEqual({});
    rawAdd(mem, at(control, CONTROL.stalls), -1);
    expect(stallsSeen(mem, control)).toBe(1);
    faultTimes(bed, 2, key, 1, 30);
    expect(fired(bed)).toEqual({ starvation: 1 });
  });

  it('counts no tick against a registration that waits while a thread stands still', () => {
    const bed = createBed(contextCount, { starvationTicks: 6, starvationOpportunities: 4 });
    const { mem, control, oracles } = bed.world;
    const { parkWord } = bed.actors[1]!;
    opBegin(mem, parkWord, WAITING_OP.register, 0, 4 as Vpn, 7 as Vpn);
    const meters = createWaitMeters(bed.world.threads);
    const ticks = (n: number): void => {
      for (let i = 0; i < n; i++) checkWaitStarvation(bed.supervisor, oracles, meters);
    };
    rawAdd(mem, at(control, CONTROL.stalls), BEGUN);
    ticks(50);
    expect(fired(bed)).toEqual({});
    rawAdd(mem, at(control, CONTROL.stalls), -1);
    expect(mem[parkWord + PARK_TASK.stalled]).toBe(0);
    ticks(20);
    expect(fired(bed)).toEqual({ starvation: 1 });
  });
});
