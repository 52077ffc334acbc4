import { describe, expect, it } from 'vitest';
import { ENTRY_VALID, ENTRY_WRITE, keyIndex } from '../../src/hca/device.ts';
import { entryAddr } from '../../src/hca/device-page-table.ts';
import type { Vpn } from '../../src/memory/address.ts';
import { mmapAnon } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pageWord } from '../../src/odp/pages.ts';
import { CORRECT_ODP_STEPS, faultySteps, type OdpSteps } from '../../src/odp/steps.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { auditPageLists, DISAGREE } from '../../src/oracles/hw-sw-disagree.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import { heldAddr, heldWord, TASK } from '../../src/sync/task.ts';
import {
  type Bed,
  createBed,
  deregister,
  dma,
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

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const DESIGNS = STRATEGIES.filter((s) => !s.pins);

const bedWith = (odpSteps: Partial<OdpSteps>, base: Strategy = contextCount): Bed => createBed({ ...base, odpSteps });
const softwareOf = (bed: Bed, key: number, page: number): number =>
  bed.world.mem[pageWord(bed.ctx, keyIndex(key), page)]!;
const audit = (bed: Bed): void => auditPageLists(bed.supervisor, bed.world.oracles);
const heldBy = (bed: Bed, tid: number): number[] => {
  const { mem } = bed.world;
  const task = bed.world.taskAddr(tid);
  return Array.from({ length: mem[task + TASK.heldCount]! }, (_, i) => heldAddr(mem[heldWord(task, i)]!));
};

describe('the steps of the driver', () => {
  it('are correct unless a design says otherwise, and then nobody has to look', () => {
    expect(faultySteps(undefined)).toBeNull();
    expect(faultySteps({})).toBeNull();
    expect(faultySteps({ ...CORRECT_ODP_STEPS })).toBeNull();
    expect(faultySteps({ publish: 'key-first' })).toEqual({ ...CORRECT_ODP_STEPS, publish: 'key-first' });
    for (const strategy of STRATEGIES) expect(createBed(strategy).ctx.faulty).toBeNull();
  });

  it('do the same one by one as all at once, where none is at fault', () => {
    const run = (bed: Bed): unknown => {
      const key = register(bed, T2, 4, 4);
      const outcomes = [faultOnce(bed, T3, key, 1), dma(bed, T4, key, 1), madvise(bed, T1, 4, 6)];
      outcomes.push(faultOnce(bed, T3, key, 1, false), faultOnce(bed, T3, key, 1), deregister(bed, T2, key));
      return [outcomes, fired(bed), [...bed.world.mem.subarray(bed.world.hca.mtt, bed.world.hca.mtt + 64)]];
    };
    expect(run(bedWith({ livesAreRaw: false }))).toEqual(run(createBed(contextCount)));
    expect(bedWith({ livesAreRaw: false }).ctx.faulty).not.toBeNull();
  });
});

describe('a use that is counted after the key was compared', () => {
  const around = (odpSteps: Partial<OdpSteps>): Bed => {
    const bed = bedWith(odpSteps);
    const key = register(bed, T2, 4, 2);
    bed.at(T3, 'umem.found', () => expect(deregister(bed, T2, key)).toBe(OUTCOME.ok));
    faultOnce(bed, T3, key, 0);
    return bed;
  };

  it('is a use after the free', () => {
    const bed = around({ useBeforeKey: false });
    expect(fired(bed)['use-after-free']).toBe(1);
    expect(recordsOf(bed, 'use-after-free')[0]!.fields).toMatchObject({ tid: T3 });
  });

  it('finds that the key is gone when the deregistration came first', () => {
    const bed = bedWith({ useBeforeKey: false });
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.einval);
    expect(fired(bed)).toEqual({});
  });
});

describe('the list of what is mapped', () => {
  it.each(STRATEGIES)('agrees with the device under $name through a whole life', (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 4);
    for (const page of [0, 2]) if (!strategy.pins) expect(faultOnce(bed, T3, key, page)).toBe(OUTCOME.ok);
    expect(softwareOf(bed, key, 2)).toBe(entryOf(bed, key, 2));
    expect(softwareOf(bed, key, 2) & ENTRY_VALID).not.toBe(0);
    audit(bed);
    if (!strategy.pins) madvise(bed, T1, 4, 4);
    if (!strategy.pins) expect([softwareOf(bed, key, 0), entryOf(bed, key, 0)]).toEqual([0, 0]);
    audit(bed);
    deregister(bed, T2, key);
    expect(softwareOf(bed, key, 2)).toBe(0);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });

  it('is what the fault path believes: an entry that the device has lost is not programmed again', () => {
    const bed = createBed(contextCount);
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.world.mem[entryAddr(bed.world.hca, keyIndex(key), 1)] = 0;
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.efault);
    audit(bed);
    audit(bed);
    expect(fired(bed)).toEqual({ 'hw-sw-disagree': 1 });
    expect(recordsOf(bed, 'hw-sw-disagree')[0]!.fields).toMatchObject({ key, page: 5, reason: DISAGREE.software });
  });

  it('is what a zap believes: an entry that it does not know of stays, and is found', () => {
    const bed = createBed(contextCount);
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.world.mem[pageWord(bed.ctx, keyIndex(key), 1)] = 0;
    audit(bed);
    expect(recordsOf(bed, 'hw-sw-disagree')[0]!.fields).toMatchObject({ key, page: 5, reason: DISAGREE.hardware });
    madvise(bed, T1, 4, 5);
    expect(entryOf(bed, key, 1)).not.toBe(0);
    expect(fired(bed)['entry-in-section']).toBe(1);
  });

  it('is at odds with the device when a zap command comes after the section, and a fault before it', () => {
    const bed = bedWith({ zapCommand: 'after-end' });
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.at(T1, 'zap.posting', () => expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok));
    madvise(bed, T1, 4, 5);
    expect([softwareOf(bed, key, 1) & ENTRY_VALID, entryOf(bed, key, 1)]).toEqual([ENTRY_VALID, 0]);
    audit(bed);
    expect(fired(bed)).toMatchObject({ 'hw-sw-disagree': 1, 'entry-in-section': 1 });
  });

  it('alone tells the second of two sections nothing, when the first has not sent its command yet', () => {
    const bed = bedWith({ zapCommand: 'unlocked' });
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.at(T1, 'zap.posting', () => {
      sectionStart(bed, T2, 5, 5);
      sectionClear(bed, T2, 5, 5);
      sectionEnd(bed, T2);
      expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    });
    // Its tree walk would be left in the middle by the other's end: the first one only starts.
    sectionStart(bed, T1, 4, 5);
    sectionEnd(bed, T1);
    expect(fired(bed)).toMatchObject({ 'entry-in-section': 1, 'stale-dma': 1 });
  });
});

describe('a command for a key that the device does not have', () => {
  it.each(DESIGNS)("is sent by no step of a region's life under $name", (strategy) => {
    const bed = createBed(strategy);
    if (strategy.keepsOut !== true && strategy.registerLocks('v5.5') === 'none') sectionStart(bed, T1, 4, 5);
    const key = register(bed, T2, 4, 2);
    if (strategy.keepsOut !== true && strategy.registerLocks('v5.5') === 'none') sectionEnd(bed, T1);
    faultOnce(bed, T3, key, 1);
    madvise(bed, T1, 4, 5);
    faultOnce(bed, T3, key, 1);
    deregister(bed, T2, key);
    madvise(bed, T1, 4, 5);
    expect(fired(bed)['dead-key-command']).toBeUndefined();
  });

  it('is a zap of nothing by a section that finds a region without a key yet', () => {
    for (const zapOnlyMapped of [true, false]) {
      const inside: number[] = [];
      // The region is in the tree, the rwsem given back, the key not created.
      const strategy: Strategy = {
        ...contextCount,
        odpSteps: { zapOnlyMapped, livesAreRaw: false },
        registerLocks: () => 'none',
        insert(actor, ctx, umem) {
          contextCount.insert(actor, ctx, umem);
          inside.push(sectionStart(bed, T1, 4, 5));
          sectionEnd(bed, T1);
        },
      };
      const bed = createBed(strategy);
      register(bed, T2, 4, 2);
      expect(inside).toEqual([OUTCOME.ok]);
      expect(fired(bed)).toEqual(zapOnlyMapped ? {} : { 'dead-key-command': 1 });
    }
  });

  it('is the zap of a section that comes when the key was destroyed before the region was revoked', () => {
    const bed = bedWith({ destroyLast: false });
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.at(T2, 'key.destroyed', () => madvise(bed, T1, 4, 5));
    expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({ 'dead-key-command': 1 });
    expect(recordsOf(bed, 'dead-key-command')[0]!.fields).toMatchObject({ tid: T1, umem: keyIndex(key) });
  });
});

describe('a fault', () => {
  it('that samples after it got its page lets a section by that has come and gone in between', () => {
    for (const sampleFirst of [true, false]) {
      const bed = bedWith({ sampleFirst, livesAreRaw: false });
      touch(bed, T4, 5);
      const key = register(bed, T2, 4, 2);
      bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 5, 5));
      expect(faultOnce(bed, T3, key, 1)).toBe(sampleFirst ? OUTCOME.eagain : OUTCOME.ok);
      if (!sampleFirst) dma(bed, T4, key, 1);
      expect(fired(bed)['stale-dma']).toBe(sampleFirst ? undefined : 1);
    }
  });

  it('for writing ends with EFAULT on read-only memory; one that does not ask for it goes round for ever', () => {
    for (const asksForWrite of [true, false]) {
      const bed = bedWith({ asksForWrite, livesAreRaw: false });
      munmap(bed.actors[T1]!, bed.world.mm.mms[0]!, 5 as Vpn, 5 as Vpn);
      mmapAnon(bed.actors[T1]!, bed.world.mm.mms[0]!, 5 as Vpn, 5 as Vpn, false);
      const key = register(bed, T2, 4, 2);
      expect(faultTimes(bed, T3, key, 1, 40)).toBe(asksForWrite ? OUTCOME.efault : OUTCOME.eagain);
      expect(entryOf(bed, key, 1) & ENTRY_WRITE).toBe(0);
      expect(fired(bed)).toEqual(asksForWrite ? {} : { starvation: 1 });
      // A page that may be written is mapped so all the same.
      expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
      expect(entryOf(bed, key, 0) & ENTRY_WRITE).not.toBe(0);
    }
  });

  it('that is refused holds nothing afterwards; one that forgets the mutex still has it', () => {
    for (const retryUnlocks of [true, false]) {
      const bed = bedWith({ retryUnlocks, livesAreRaw: false });
      touch(bed, T4, 5);
      const key = register(bed, T2, 4, 2);
      bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 5, 5));
      expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
      expect(heldBy(bed, T3)).toHaveLength(retryUnlocks ? 0 : 1);
    }
  });
});

describe('a region that is found before it is set up', () => {
  it('has its values wiped when they were counted already', () => {
    for (const publish of ['last', 'tree-first'] as const) {
      const strategy: Strategy = {
        ...privateCount,
        odpSteps: { publish, livesAreRaw: false },
        registerLocks: () => 'none',
        insert(actor, ctx, umem) {
          privateCount.insert(actor, ctx, umem);
          sectionStart(bed, T1, 4, 5);
        },
      };
      const bed = createBed(strategy);
      register(bed, T2, 4, 2);
      sectionEnd(bed, T1);
      expect(fired(bed)).toEqual(publish === 'last' ? {} : { 'counter-underflow': 1 });
    }
  });

  it('is used with the values of its former life when its key is there first', () => {
    const bed = bedWith({ publish: 'key-first' });
    const former = register(bed, T2, 4, 2);
    deregister(bed, T2, former);
    const outcomes: number[] = [];
    bed.at(T2, 'key.published', () => {
      const key = bed.world.mem[bed.world.hca.mkey + keyIndex(former) * bed.world.hca.mkeyStride]!;
      outcomes.push(faultOnce(bed, T3, key, 0));
    });
    expect(register(bed, T2, 4, 2)).not.toBe(0);
    expect(outcomes).toHaveLength(1);
    expect(fired(bed)['use-after-free']).toBe(1);
  });
});
