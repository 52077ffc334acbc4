import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { checkWaitStarvation, createWaitMeters, STARVING } from '../../src/oracles/starvation.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import {
  type Bed,
  createBed,
  deregister,
  entryOf,
  faultTimes,
  fired,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
  touch,
} from './fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const refuses: Strategy = { ...contextCount, name: 'refuses', faultCheck: () => false };

describe('starvation of a fault', () => {
  it('fires once for a fault that is refused although nothing is in its way', () => {
    const bed = createBed(refuses, { starvationAttempts: 8, starvationOpportunities: 4 });
    const key = register(bed, T2, 4, 4);
    expect(faultTimes(bed, T3, key, 1, 30)).toBe(OUTCOME.eagain);
    expect(fired(bed)).toEqual({ starvation: 1 });
    expect(recordsOf(bed, 'starvation')[0]!.fields).toMatchObject({
      tid: T3,
      key,
      mm: 0,
      page: 5,
      value: 8,
      // The first attempt is not looked at: it costs nothing when all is well.
      expectedValue: 7,
      reason: STARVING.fault,
    });
    // The next fault is another one.
    faultTimes(bed, T3, key, 1, 30);
    expect(fired(bed)).toEqual({ starvation: 2 });
  });

  it('needs as many opportunities as attempts are asked for', () => {
    const bed = createBed(refuses, { starvationAttempts: 4, starvationOpportunities: 12 });
    const key = register(bed, T2, 4, 4);
    faultTimes(bed, T3, key, 1, 12);
    expect(fired(bed)).toEqual({});
    faultTimes(bed, T3, key, 1, 13);
    expect(recordsOf(bed, 'starvation')[0]!.fields).toMatchObject({ value: 13, expectedValue: 12 });
  });

  it('fires for a region whose count was skewed at its birth', () => {
    const bed = createBed(privateCount);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 4, 4);
    sectionEnd(bed, T1);
    faultTimes(bed, T3, key, 1, 30);
    expect(fired(bed)).toEqual({ 'counter-underflow': 1, starvation: 1 });
  });

  it.each([
    contextCount,
    intervalNotifier,
    refuses,
  ])('is silent under $name while a section over the region runs all the time', (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 4, 6);
    expect(faultTimes(bed, T3, key, 1, 50)).toBe(OUTCOME.eagain);
    expect(fired(bed)).toEqual({});
  });

  it.each([
    contextCount,
    intervalNotifier,
    refuses,
  ])('is silent under $name when a section begins in each attempt', (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 4);
    let n = 0;
    const inTheWay = (): void => {
      sectionStart(bed, T1, 5, 5);
      sectionEnd(bed, T1);
      if (++n < 50) bed.at(T3, 'fault.gotPages', inTheWay);
    };
    bed.at(T3, 'fault.gotPages', inTheWay);
    expect(faultTimes(bed, T3, key, 1, 50)).toBe(OUTCOME.eagain);
    expect(n).toBe(50);
    expect(fired(bed)).toEqual({});
  });

  it.each([contextCount, intervalNotifier])('is silent under $name when nothing is in the way', (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 4);
    touch(bed, T4, 5);
    expect(faultTimes(bed, T3, key, 1, 30)).toBe(OUTCOME.ok);
    expect(entryOf(bed, key, 1)).not.toBe(0);
    expect(fired(bed)).toEqual({});
  });
});

describe('starvation of a registration or removal', () => {
  /** The supervisor's ticks, as many as `n`, with one and the same memory of what it has seen. */
  function ticker(bed: Bed): (n: number) => void {
    const meters = createWaitMeters(bed.world.threads);
    return (n) => {
      for (let i = 0; i < n; i++) checkWaitStarvation(bed.supervisor, bed.world.oracles, meters);
    };
  }

  it('fires once, at the tick at which both bounds are passed', () => {
    const bed = createBed(contextCount, { starvationTicks: 6, starvationOpportunities: 4 });
    const ticks = ticker(bed);
    bed.at(T2, 'umem.inserted', () => {
      ticks(6);
      // The first look only makes its acquaintance.
      expect(fired(bed)).toEqual({});
      ticks(1);
      expect(fired(bed)).toEqual({ starvation: 1 });
      ticks(100);
    });
    register(bed, T2, 4, 4);
    expect(fired(bed)).toEqual({ starvation: 1 });
    expect(recordsOf(bed, 'starvation')[0]!.fields).toMatchObject({
      tid: bed.supervisor.tid,
      mm: 0,
      start: 4,
      last: 7,
      value: T2,
      reason: STARVING.register,
    });
  });

  it('fires for a removal, too, and for the next one again', () => {
    const bed = createBed(contextCount);
    const ticks = ticker(bed);
    const keys = [register(bed, T2, 4, 4), register(bed, T2, 8, 1)];
    for (const key of keys) {
      bed.at(T2, 'umem.removed', () => ticks(10));
      deregister(bed, T2, key);
    }
    expect(recordsOf(bed, 'starvation').map((r) => [r.fields.reason, r.fields.start, r.fields.last])).toEqual([
      [STARVING.deregister, 4, 7],
      [STARVING.deregister, 8, 8],
    ]);
  });

  it('is silent while a section over the range runs, and counts from its end on', () => {
    const bed = createBed(contextCount, { starvationTicks: 6, starvationOpportunities: 4 });
    const ticks = ticker(bed);
    sectionStart(bed, T1, 7, 9);
    bed.at(T2, 'umem.inserted', () => {
      ticks(100);
      expect(fired(bed)).toEqual({});
      sectionEnd(bed, T1);
      ticks(3);
      expect(fired(bed)).toEqual({});
      ticks(1);
      expect(fired(bed)).toEqual({ starvation: 1 });
    });
    register(bed, T2, 4, 4);
  });

  it('takes a section elsewhere for no excuse', () => {
    const bed = createBed(contextCount);
    const ticks = ticker(bed);
    sectionStart(bed, T1, 8, 9);
    bed.at(T2, 'umem.inserted', () => ticks(10));
    register(bed, T2, 4, 4);
    expect(fired(bed)).toEqual({ starvation: 1 });
  });

  it('is silent over many short ones: each begins to count anew', () => {
    const bed = createBed(contextCount);
    const ticks = ticker(bed);
    for (let i = 0; i < 20; i++) {
      bed.at(T2, 'umem.inserted', () => ticks(5));
      bed.at(T2, 'umem.removed', () => ticks(5));
      deregister(bed, T2, register(bed, T2, 4, 4));
      ticks(5);
    }
    expect(fired(bed)).toEqual({});
  });
});
