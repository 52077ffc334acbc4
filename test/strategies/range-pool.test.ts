import { describe, expect, it } from 'vitest';
import { mmuNotifierUnregister } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { rangePool } from '../../src/strategies/range-pool.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
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
  pointsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, until, waitKindOf, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const USED = 'slots in use';

const create = (size: number): Bed => createBed(rangePool, { params: { size } });
const sample = (bed: Bed, key: number): number => rangePool.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, key));
const check = (bed: Bed, key: number, value: number): boolean =>
  rangePool.faultCheck(bed.actors[T3]!, bed.ctx, umemOf(bed, key), value, 4 as never);
/** Moves with each sleep of the second thread. */
const epochOf = (bed: Bed): number => bed.world.mem[bed.world.taskAddr(T2) + TASK.waitEpoch]!;
/** An end that the notifier core would never send: of a section that has not started. */
const strayEnd = (bed: Bed, start: number, last: number): void =>
  rangePool.rangeEnd(bed.actors[T1]!, bed.ctx, 0 as never, start as never, last as never);

describe('start', () => {
  it('lists its range before it looks at the tree', () => {
    const bed = create(2);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    faultOnce(bed, T3, key, 1);
    let during: unknown;
    bed.at(T1, 'umem.zapped', () => {
      during = { audit: auditOf(bed), sample: sample(bed, key) };
    });
    sectionStart(bed, T1, 5, 6);
    expect(during).toEqual({ audit: { [USED]: 1 }, sample: -1 });
    expect(entryOf(bed, key, 1)).toBe(0);
  });

  it('sends back a fault that began before it, and none that is elsewhere', () => {
    const bed = create(2);
    const [hit, far] = [register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    const before = [sample(bed, hit), sample(bed, far)];
    sectionStart(bed, T1, 5, 6);
    expect([check(bed, hit, before[0]!), check(bed, far, before[1]!)]).toEqual([false, true]);
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
    expect(faultOnce(bed, T3, hit, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    // The section lay wholly inside the fault.
    expect(check(bed, hit, before[0]!)).toBe(false);
    expect(faultOnce(bed, T3, hit, 0)).toBe(OUTCOME.ok);
  });

  it('answers EAGAIN when the pool is full and it may not sleep, and leaves all as it was', () => {
    const bed = create(1);
    touch(bed, T4, 8);
    const key = register(bed, T2, 8, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T1, 4, 6);
    const before = sample(bed, key);
    expect(sectionStart(bed, T4, 8, 9, false)).toBe(OUTCOME.eagain);
    expect(auditOf(bed)).toEqual({ [USED]: 1 });
    expect(entryOf(bed, key, 0)).not.toBe(0);
    expect([sample(bed, key), check(bed, key, before)]).toEqual([before, true]);
    expect(counter(bed, 'exposure.poolFull')).toBe(1);
    sectionEnd(bed, T1);
    // With a slot to be had it is still refused: the zap would wait for the device. Where no region is, it is not.
    expect(sectionStart(bed, T4, 8, 9, false)).toBe(OUTCOME.eagain);
    expect([auditOf(bed), sample(bed, key)]).toEqual([{}, before]);
    expect(sectionStart(bed, T4, 10, 12, false)).toBe(OUTCOME.ok);
    expect(auditOf(bed)).toEqual({ [USED]: 1 });
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it('of a nested section finds no slot that its own thread holds: where it may not sleep it is refused', () => {
    const bed = create(1);
    sectionStart(bed, T1, 4, 6);
    expect(sectionStart(bed, T1, 5, 5, false)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
  });

  it('sleeps until a slot is free, and a wake-up alone does not give it one', async () => {
    const bed = create(2);
    const key = register(bed, T2, 8, 2);
    sectionStart(bed, T1, 4, 4);
    sectionStart(bed, T4, 5, 5);
    const thread = startThread(bed, T2, [['madvise', 8, 8]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.slot);
      // The pool is still full: it looks, and sleeps again with a newer ticket.
      const epoch = epochOf(bed);
      rangePool.faultWake(bed.supervisor, bed.ctx, umemOf(bed, key));
      await until(() => epochOf(bed) !== epoch && waitKindOf(bed, T2) === WAIT.slot, 'it did not sleep again');
      expect(thread.done()).toBe(0);
      expect(auditOf(bed)).toEqual({ [USED]: 2 });
      sectionEnd(bed, T4);
      expect(await thread.ended).toEqual([OUTCOME.ok]);
      expect(auditOf(bed)).toEqual({ [USED]: 1 });
      sectionEnd(bed, T1);
    });
    expect(counter(bed, 'exposure.poolFull')).toBe(1);
    expect(fired(bed)).toEqual({});
  });
});

describe('end', () => {
  it('frees one slot of two that hold the same range', () => {
    const bed = create(4);
    const key = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 4, 6);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({ [USED]: 1 });
    expect(sample(bed, key)).toBe(-1);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
    expect(sample(bed, key)).toBeGreaterThanOrEqual(0);
  });

  it('finds its own slot wherever it is in the pool', () => {
    const bed = createBed(rangePool, { threads: 6, params: { size: 4 } });
    const keys = [4, 6, 8, 10].map((start) => register(bed, T2, start, 1));
    const sections = [4, 6, 8, 10];
    for (const [tid, at] of sections.entries()) sectionStart(bed, tid, at, at);
    // From the middle; the slot is taken again before another end has to look past it.
    sectionEnd(bed, 1);
    expect(keys.map((key) => sample(bed, key) < 0)).toEqual([true, false, true, true]);
    sectionEnd(bed, 3);
    sectionStart(bed, 1, 6, 6);
    expect(keys.map((key) => sample(bed, key) < 0)).toEqual([true, true, true, false]);
    for (const tid of [0, 1, 2]) sectionEnd(bed, tid);
    expect(auditOf(bed)).toEqual({});
  });

  it('is ignored when no slot holds exactly its range', () => {
    const bed = create(2);
    const key = register(bed, T2, 4, 2);
    strayEnd(bed, 4, 6);
    sectionStart(bed, T4, 4, 6);
    strayEnd(bed, 4, 5);
    strayEnd(bed, 5, 6);
    expect(counter(bed, 'exposure.ignoredEnd')).toBe(3);
    expect(auditOf(bed)).toEqual({ [USED]: 1 });
    expect(sample(bed, key)).toBe(-1);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it('leaves the thread no slot to hold, also when nobody hears it', () => {
    const bed = create(2);
    const heldBy = (tid: number): number => bed.world.mem[bed.world.taskAddr(tid) + TASK.heldCount]!;
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 8, 9);
    expect([heldBy(T1), heldBy(T4)]).toEqual([1, 1]);
    sectionEnd(bed, T4);
    mmuNotifierUnregister(bed.supervisor, bed.world.mm.mms[0]!, 0);
    sectionEnd(bed, T1);
    expect([heldBy(T1), heldBy(T4)]).toEqual([0, 0]);
    expect(auditOf(bed)).toEqual({ [USED]: 1 });
  });

  it('wakes a fault that sleeps', async () => {
    const bed = create(16);
    const key = register(bed, T2, 4, 4);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 5, 6);
    // One sleep without slices, longer than any bound of the test: only the wake-up can end it.
    const thread = startThread(bed, T3, [
      ['faultWait', umemOf(bed, key), 3_600_000],
      ['fault', key, 1, 3_600_000],
    ]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      sectionClear(bed, T1, 5, 6);
      sectionEnd(bed, T1);
      expect(await thread.ended).toEqual([true, OUTCOME.ok]);
      expect(fired(bed)).toEqual({});
    });
  });
});

describe('registration', () => {
  it('inside a section needs no handshake: the range is in the pool', () => {
    const bed = create(16);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    const beside = register(bed, T2, 7, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(faultOnce(bed, T3, beside, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T1, 4, 6);
    deregister(bed, T2, key);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
    expect(counter(bed, 'exposure.registerInSection')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('passes the points of a start in their order', () => {
    const bed = create(16);
    register(bed, T2, 4, 4);
    const passed = pointsOf(passedBy(bed, T1, () => madvise(bed, T1, 5, 5)));
    expect(passed.filter((p) => p.startsWith('section') || p.startsWith('umem'))).toEqual([
      'section.starting',
      'umem.zapped',
      'section.started',
      'section.cleared',
      'section.ending',
      'section.ended',
    ]);
  });
});
