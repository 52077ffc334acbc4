import { describe, expect, it } from 'vitest';
import { keyIndex } from '../../src/hca/device.ts';
import { POISON } from '../../src/mm/frame.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { poolOverflow } from '../../src/strategies/pool-overflow.ts';
import { WAIT } from '../../src/sync/task.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  deregister,
  entryOf,
  faultOnce,
  fired,
  madvise,
  passedBy,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const USED = 'slots in use';
const OVERFLOW = 'overflow';
const COUNT = 'running count';
const ACTIVE = 'active';

const create = (size: number): Bed => createBed(poolOverflow, { threads: 6, params: { size } });
const sample = (bed: Bed, key: number): number => poolOverflow.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, key));
const check = (bed: Bed, key: number, value: number): boolean =>
  poolOverflow.faultCheck(bed.actors[T3]!, bed.ctx, umemOf(bed, key), value, 5 as never);
const about = (bed: Bed, tid: number, body: () => void) =>
  passedBy(bed, tid, body)
    .filter(({ point }) => point.startsWith('umem'))
    .map(({ point, args }) => [point, args[0]]);

describe('with a slot for each section', () => {
  it('counts a section on each region that it overlaps, and zaps', () => {
    const bed = create(4);
    touch(bed, T4, 5);
    const [hit, far] = [register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    faultOnce(bed, T3, hit, 1);
    sectionStart(bed, T1, 5, 6);
    sectionStart(bed, T4, 4, 5);
    expect(entryOf(bed, hit, 1)).toBe(0);
    expect(auditOf(bed)).toEqual({ [USED]: 2 });
    expect([auditOf(bed, hit), auditOf(bed, far)]).toEqual([{ [COUNT]: 2 }, {}]);
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, hit, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, hit, 0)).toBe(OUTCOME.ok);
    expect([auditOf(bed), auditOf(bed, hit)]).toEqual([{}, {}]);
  });

  it('begins the count of a region with the sections that run over it', () => {
    const bed = create(4);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 4, 5);
    sectionStart(bed, T3, 9, 9);
    const key = register(bed, T2, 5, 2);
    expect(auditOf(bed, key)).toEqual({ [COUNT]: 2 });
    sectionEnd(bed, T3);
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(auditOf(bed, key)).toEqual({});
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(counter(bed, 'exposure.registerInSection')).toBe(1);
    expect(counter(bed, 'exposure.deferredInsert')).toBe(0);
    expect(fired(bed)).toEqual({});
  });

  it('refuses a fault around which a section has come and gone', () => {
    const bed = create(4);
    const key = register(bed, T2, 4, 2);
    const before = sample(bed, key);
    madvise(bed, T1, 8, 9);
    expect(check(bed, key, before)).toBe(true);
    madvise(bed, T1, 5, 5);
    expect(check(bed, key, before)).toBe(false);
    expect(check(bed, key, sample(bed, key))).toBe(true);
  });
});

describe('overflow', () => {
  it('counts what finds no slot; an end without a slot counts it down', () => {
    const bed = create(1);
    sectionStart(bed, T1, 4, 4);
    sectionStart(bed, T4, 5, 5);
    sectionStart(bed, T3, 6, 6);
    expect(auditOf(bed)).toEqual({ [USED]: 1, [OVERFLOW]: 2 });
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({ [USED]: 1, [OVERFLOW]: 1 });
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({ [OVERFLOW]: 1 });
    // The slot is free again, and this one takes it.
    sectionStart(bed, T1, 4, 4);
    expect(auditOf(bed)).toEqual({ [USED]: 1, [OVERFLOW]: 1 });
    sectionEnd(bed, T3);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
    expect(counter(bed, 'exposure.poolOverflow')).toBe(2);
  });

  it('counts on regions all the same: one that was there before is not put off', () => {
    const bed = create(0);
    const [hit, far] = [register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    sectionStart(bed, T1, 5, 6);
    expect(auditOf(bed, hit)).toEqual({ [COUNT]: 1 });
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, hit, 0)).toBe(OUTCOME.ok);
  });

  it('puts a new region off until no section is without a slot, and then counts those that have one', () => {
    const bed = create(1);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 20, 21);
    let key = 0;
    const born = about(bed, T2, () => {
      key = register(bed, T2, 5, 2);
    });
    expect(born).toEqual([
      ['umem.inserted', keyIndex(key)],
      ['umem.deferred', keyIndex(key)],
    ]);
    expect(auditOf(bed, key)).toEqual({ [ACTIVE]: 0 });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    // Zapped, not counted.
    expect(about(bed, T3, () => sectionStart(bed, T3, 6, 6))).toEqual([['umem.zapped', keyIndex(key)]]);
    sectionEnd(bed, T3);
    expect(auditOf(bed, key)).toEqual({ [ACTIVE]: 0 });
    sectionEnd(bed, T4);
    expect(auditOf(bed, key)).toEqual({ [COUNT]: 1 });
    sectionEnd(bed, T1);
    expect(auditOf(bed, key)).toEqual({});
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(counter(bed, 'exposure.deferredInsert')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('moves the sequence with the activation: a fault may hold a page from before', () => {
    const bed = create(0);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    bed.at(T3, 'fault.gotPages', () => {
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
    });
    // When it looks, the region is active, its count is 0, and the page is gone.
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(auditOf(bed, key)).toEqual({});
    expect(entryOf(bed, key, 0)).toBe(0);
    expect(fired(bed)).toEqual({});
  });

  it('forgets a region that leaves before it was active, wherever it is on the list', () => {
    const bed = create(0);
    for (const which of [0, 1, 2]) {
      sectionStart(bed, T1, 4, 6);
      const keys = [4, 5, 6].map((at) => register(bed, T2, at, 1));
      deregister(bed, T2, keys[which]!);
      sectionEnd(bed, T1);
      // Nobody has touched the one that left: its words are as they were freed.
      expect(auditOf(bed, keys[which]!)).toEqual({ 'running count': POISON });
      const left = keys.filter((_, i) => i !== which);
      for (const key of left) {
        expect(auditOf(bed, key)).toEqual({});
        expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
        deregister(bed, T2, key);
      }
    }
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it.each([
    ['the activation', 0, 20],
    ['its count', 4, 5],
  ])('wakes a fault that sleeps for %s', async (_what, size, start) => {
    const bed = create(size);
    sectionStart(bed, T1, start, start + 1);
    const key = register(bed, T2, 5, 2);
    // One sleep without slices, longer than any bound of the test: only the wake-up can end it.
    const thread = startThread(bed, T3, [
      ['faultWait', umemOf(bed, key), 3_600_000],
      ['fault', key, 0, 3_600_000],
    ]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      sectionEnd(bed, T1);
      expect(await thread.ended).toEqual([true, OUTCOME.ok]);
      expect(fired(bed)).toEqual({});
    });
  });
});

describe('two sections over the same pages, one with a slot and one without', () => {
  it.each([
    [T1, T4],
    [T4, T1],
  ])('may end in either order: thread %i, then %i', (first, second) => {
    const bed = create(1);
    const old = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 4, 6);
    const young = register(bed, T2, 5, 2);
    expect(auditOf(bed)).toEqual({ [USED]: 1, [OVERFLOW]: 1 });
    sectionEnd(bed, first);
    // Whoever comes first frees the slot, also when it is the other's: what is left is the same.
    expect(auditOf(bed)).toEqual({ [OVERFLOW]: 1 });
    expect([auditOf(bed, old), auditOf(bed, young)]).toEqual([{ [COUNT]: 1 }, { [ACTIVE]: 0 }]);
    sectionEnd(bed, second);
    expect([auditOf(bed), auditOf(bed, old), auditOf(bed, young)]).toEqual([{}, {}, {}]);
    expect(faultOnce(bed, T3, young, 0)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });
});

describe('what it expects', () => {
  it('is starvation at worst, and not even that when there is a slot for every section', () => {
    const expected = (size: number) => poolOverflow.expected('v5.5', { rmap: true }, { size });
    expect(expected(255)).toMatchObject({ must: [], may: ['starvation'] });
    expect(expected(256)).toMatchObject({ must: [], may: [] });
  });
});
