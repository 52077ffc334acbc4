import { describe, expect, it } from 'vitest';
import { keyIndex } from '../../src/hca/device.ts';
import { at } from '../../src/memory/address.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { umemExt } from '../../src/odp/umem.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { auditInactive } from '../../src/oracles/inactive-while-idle.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { ACTIVATION, deferredActivation } from '../../src/strategies/deferred-activation.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import { store } from '../../src/sync/atomics.ts';
import {
  type Bed,
  createBed,
  deregister,
  faultOnce,
  fired,
  madvise,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
  umemOf,
} from './fixture.ts';

const [T1, T2, T3] = [0, 1, 2] as const;
const audit = (bed: Bed, seen = new Set<number>()): void => auditInactive(bed.supervisor, bed.world.oracles, seen);

/** deferred-activation whose last end gives nobody counters. */
const neverActivates: Strategy = {
  ...deferredActivation,
  rangeEnd(actor, ctx) {
    store(actor, ctx.ext, 0);
  },
};

describe('inactive-while-idle', () => {
  it('fires for a region that is never activated, once, and for the next in its slot again', () => {
    const bed = createBed(neverActivates);
    const seen = new Set<number>();
    const bornInside = (): number => {
      sectionStart(bed, T1, 4, 6);
      const key = register(bed, T2, 5, 4);
      sectionEnd(bed, T1);
      return key;
    };
    const key = bornInside();
    for (let i = 0; i < 3; i++) audit(bed, seen);
    expect(recordsOf(bed, 'inactive-while-idle').map((r) => r.fields)).toMatchObject([
      { tid: bed.supervisor.tid, umem: keyIndex(key), key, mm: 0, start: 5, last: 8 },
    ]);
    deregister(bed, T2, key);
    expect(keyIndex(bornInside())).toBe(keyIndex(key));
    audit(bed, seen);
    expect(fired(bed)).toEqual({ 'inactive-while-idle': 2 });
  });

  it('names the one region that refuses', () => {
    const bed = createBed(deferredActivation);
    const keys = [register(bed, T2, 0, 2), register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    store(bed.supervisor, at(umemExt(umemOf(bed, keys[1]!)), ACTIVATION.active), 0);
    audit(bed);
    expect(recordsOf(bed, 'inactive-while-idle').map((r) => r.fields.key)).toEqual([keys[1]]);
  });

  it.each<[string, Partial<Strategy>]>([
    ['the sample', { faultBegin: () => -1 }],
    ['the check', { faultCheck: () => false }],
  ])('fires when a fault is refused by %s', (_what, broken) => {
    const bed = createBed({ ...contextCount, ...broken });
    register(bed, T2, 5, 4);
    audit(bed);
    expect(fired(bed)).toEqual({ 'inactive-while-idle': 1 });
  });

  it('is silent while a section runs: its end is the event that may come', () => {
    const bed = createBed(neverActivates);
    sectionStart(bed, T1, 4, 6);
    register(bed, T2, 5, 4);
    audit(bed);
    expect(fired(bed)).toEqual({});
    sectionEnd(bed, T1);
    audit(bed);
    expect(fired(bed)).toEqual({ 'inactive-while-idle': 1 });
  });

  it('leaves a region whose count is wrong to counter-leak', () => {
    const bed = createBed(privateCount);
    sectionStart(bed, T1, 4, 6);
    register(bed, T2, 5, 4);
    sectionEnd(bed, T1);
    audit(bed);
    auditCounters(bed.supervisor, bed.world.oracles, new Set());
    expect(fired(bed)).toEqual({ 'counter-underflow': 1, 'counter-leak': 1 });
  });

  it.each(STRATEGIES)('is silent under $name at rest, before, between and after sections', (strategy) => {
    const bed = createBed(strategy);
    const seen = new Set<number>();
    for (const start of [2, 5, 12]) {
      const key = register(bed, T2, start, 4);
      audit(bed, seen);
      madvise(bed, T1, 4, 6);
      audit(bed, seen);
      if (!strategy.pins) faultOnce(bed, T3, key, 1);
      audit(bed, seen);
    }
    expect(fired(bed)).toEqual({});
  });

  it.each(
    STRATEGIES.filter((s) => s.keepsOut !== true && s !== privateCount),
  )('is silent under $name after a registration inside a section', (strategy) => {
    const bed = createBed(strategy);
    sectionStart(bed, T1, 4, 6);
    // As in a real section of madvise, which a registration under mmap_lock for writing cannot be inside.
    if (strategy.registerLocks('v5.5') !== 'write') register(bed, T2, 5, 4);
    sectionEnd(bed, T1);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });
});
