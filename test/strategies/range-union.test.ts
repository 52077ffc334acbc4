import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { linkUmem } from '../../src/odp/invalidation.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { checkWaitStarvation, createWaitMeters, STARVING } from '../../src/oracles/starvation.ts';
import { rangeUnion } from '../../src/strategies/range-union.ts';
import { WAIT } from '../../src/sync/task.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  entryOf,
  faultOnce,
  faultTimes,
  fired,
  madvise,
  recordsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const IN_PROGRESS = 'invalidations in progress';
const ACTIVE = 'active invalidations';

/** Regions over pages 2 .. 3, 6 .. 7 and 10 .. 11. */
function three(options = {}): { bed: Bed; low: number; middle: number; high: number } {
  const bed = createBed(rangeUnion, options);
  const [low, middle, high] = [2, 6, 10].map((at) => register(bed, T2, at, 2)) as [number, number, number];
  return { bed, low, middle, high };
}

describe('range-union', () => {
  it('counts a section in progress only where it hits a region, and active in any case', () => {
    const { bed } = three();
    sectionStart(bed, T1, 0, 1);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1 });
    sectionStart(bed, T4, 3, 4);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 2, [IN_PROGRESS]: 1 });
    sectionEnd(bed, T1);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
  });

  it('zaps what it hits and refuses faults on its pages, and on no others', () => {
    const { bed, low } = three();
    touch(bed, T4, 2);
    faultOnce(bed, T3, low, 0);
    sectionStart(bed, T1, 2, 2);
    expect(entryOf(bed, low, 0)).toBe(0);
    expect(faultOnce(bed, T3, low, 0)).toBe(OUTCOME.eagain);
    // The same region, another page: the address decides.
    expect(faultOnce(bed, T3, low, 1)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 2, 2);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, low, 0)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });

  it('refuses everything between two small sections: the union', () => {
    const { bed, middle } = three();
    sectionStart(bed, T1, 2, 2);
    expect(faultOnce(bed, T3, middle, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T4, 11, 11);
    expect(faultOnce(bed, T3, middle, 1)).toBe(OUTCOME.eagain);
    // It shrinks only when nothing is in progress any more.
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, middle, 1)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, middle, 1)).toBe(OUTCOME.ok);
  });

  it('starves a fault that no section is in the way of, when both never end together', () => {
    const { bed, middle } = three({ starvationAttempts: 8, starvationOpportunities: 4 });
    sectionStart(bed, T1, 2, 2);
    sectionStart(bed, T4, 11, 11);
    faultTimes(bed, T3, middle, 1, 12);
    expect(fired(bed)).toEqual({ starvation: 1 });
  });

  it('refuses a fault whose sample is older than a section that lay wholly inside it', () => {
    const { bed, low, high } = three();
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 2, 2));
    expect(faultOnce(bed, T3, low, 0)).toBe(OUTCOME.eagain);
    // Also one that touched other pages: the sequence is one for all.
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 2, 2));
    expect(faultOnce(bed, T3, high, 0)).toBe(OUTCOME.eagain);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 14, 14));
    expect(faultOnce(bed, T3, high, 0)).toBe(OUTCOME.ok);
  });

  it('is in progress before it zaps, so that a commit behind the zap is refused', () => {
    const { bed, low } = three();
    bed.at(T1, 'umem.zapped', () => {
      expect(rangeUnion.faultCheck(bed.actors[T3]!, bed.ctx, 0 as Addr, 0, 2 as never)).toBe(false);
    });
    sectionStart(bed, T1, 2, 2);
    expect(entryOf(bed, low, 0)).toBe(0);
    expect.assertions(2);
  });

  it('registers when the last section ends, whatever that touched; starts do not wait for it', async () => {
    const { bed } = three();
    sectionStart(bed, T1, 14, 14);
    const thread = startThread(bed, T2, [['register', 13, 2]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      sectionStart(bed, T4, 2, 2);
      sectionEnd(bed, T1);
      // Woken by nobody: one section is still active.
      expect(thread.done()).toBe(0);
      sectionEnd(bed, T4);
      const [key] = (await thread.ended) as [number];
      expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
      expect(counter(bed, 'exposure.registerMeetsSection')).toBe(1);
      expect(fired(bed)).toEqual({});
    });
  });

  it('starves a registration that sections without a gap keep out, although they leave its range alone', async () => {
    const { bed } = three({ starvationTicks: 6, starvationOpportunities: 4 });
    sectionStart(bed, T1, 2, 2);
    const thread = startThread(bed, T2, [['register', 13, 2]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      const meters = createWaitMeters(bed.world.threads);
      for (let i = 0; i < 10; i++) {
        const [next, last] = i % 2 === 0 ? [T4, T1] : [T1, T4];
        sectionStart(bed, next, 2, 2);
        sectionEnd(bed, last);
        checkWaitStarvation(bed.supervisor, bed.world.oracles, meters);
      }
      expect(recordsOf(bed, 'starvation').map((r) => r.fields.reason)).toEqual([STARVING.register]);
      sectionEnd(bed, T1);
      await thread.ended;
    });
  });

  it('without the fence an end counts down what its start did not count', () => {
    const noFence: Strategy = { ...rangeUnion, insert: (actor, ctx, umem) => linkUmem(actor, ctx, umem) };
    const bed = createBed(noFence);
    sectionStart(bed, T1, 4, 6);
    register(bed, T2, 5, 2);
    sectionEnd(bed, T1);
    auditCounters(bed.supervisor, bed.world.oracles, new Set());
    expect(fired(bed)).toEqual({ 'counter-underflow': 1, 'counter-leak': 1 });
  });
});
