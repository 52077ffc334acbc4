import { describe, expect, it } from 'vitest';
import { keyIndex, makeEntry } from '../../src/hca/device.ts';
import { deviceMap } from '../../src/hca/device-page-table.ts';
import type { Vpn } from '../../src/memory/address.ts';
import { getFrame } from '../../src/mm/frame.ts';
import { mmuNotifierRegister, SECTION, type Subscription } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { UMEM } from '../../src/odp/umem.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { auditLeaks, LEAK } from '../../src/oracles/leak.ts';
import { UNPAIRED } from '../../src/oracles/unpaired-section.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { mmapWrite } from '../../src/strategies/mmap-write.ts';
import { pinned } from '../../src/strategies/pinned.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import { privateCountClamped } from '../../src/strategies/private-count-clamped.ts';
import { downRead, upRead } from '../../src/sync/rw-semaphore.ts';
import {
  type Bed,
  createBed,
  deregister,
  dma,
  faultOnce,
  fired,
  madvise,
  recordsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from './fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

/** A region that is born inside a section: the seed's question. */
function bornInside(strategy: Strategy): { bed: Bed; key: number } {
  const bed = createBed(strategy);
  let key = 0;
  sectionStart(bed, T1, 4, 6);
  key = register(bed, T2, 5, 4);
  sectionClear(bed, T1, 4, 6);
  sectionEnd(bed, T1);
  return { bed, key };
}

describe('counter-underflow', () => {
  it('fires when an end counts down what its start has not counted up', () => {
    const { bed, key } = bornInside(privateCount);
    expect(fired(bed)).toEqual({ 'counter-underflow': 1 });
    expect(recordsOf(bed, 'counter-underflow')[0]!.fields).toMatchObject({
      tid: T1,
      umem: keyIndex(key),
      key,
      mm: 0,
      start: 5,
      last: 8,
      value: -1,
      expectedValue: 0,
      seq: 1,
    });
  });

  it('fires again each time the count goes down further', () => {
    const bed = createBed(privateCount);
    for (const tid of [T1, T3, T4]) sectionStart(bed, tid, 4, 6);
    register(bed, T2, 5, 4);
    for (const tid of [T4, T1, T3]) sectionEnd(bed, tid);
    expect(recordsOf(bed, 'counter-underflow').map((r) => r.fields.value)).toEqual([-1, -2, -3]);
  });

  it('fires for the count of a process', () => {
    const bed = createBed({ ...contextCount, rangeStart: () => OUTCOME.ok });
    madvise(bed, T1, 0, 1);
    expect(recordsOf(bed, 'counter-underflow')[0]!.fields).toMatchObject({ value: -1, umem: -1, key: -1 });
  });

  it.each([
    privateCountClamped,
    contextCount,
    intervalNotifier,
    pinned,
  ])('is silent under $name in the same schedule', (strategy) => {
    const { bed } = bornInside(strategy);
    expect(fired(bed)).toEqual({});
  });
});

describe('counter-leak', () => {
  const audit = (bed: Bed, seen = new Set<number>()): void => auditCounters(bed.supervisor, bed.world.oracles, seen);

  it("fires at rest for a region's count, once, with the value and what the design says", () => {
    const { bed, key } = bornInside(privateCount);
    const seen = new Set<number>();
    audit(bed, seen);
    audit(bed, seen);
    expect(fired(bed)['counter-leak']).toBe(1);
    expect(recordsOf(bed, 'counter-leak')[0]!.fields).toMatchObject({
      tid: bed.supervisor.tid,
      key,
      mm: 0,
      start: 5,
      last: 8,
      value: -1,
      expectedValue: 0,
    });
  });

  it('fires for the next region in the same slot', () => {
    const { bed, key } = bornInside(privateCount);
    const seen = new Set<number>();
    audit(bed, seen);
    deregister(bed, T2, key);
    sectionStart(bed, T1, 4, 6);
    expect(keyIndex(register(bed, T2, 5, 4))).toBe(keyIndex(key));
    sectionEnd(bed, T1);
    audit(bed, seen);
    expect(fired(bed)['counter-leak']).toBe(2);
  });

  const lostEnd: Strategy[] = [
    { ...contextCount, name: 'context-count without end', rangeEnd() {} },
    { ...intervalNotifier, name: 'interval-notifier without end', rangeEnd() {} },
    { ...privateCount, name: 'private-count without end', rangeEnd() {} },
  ];
  it.each(lostEnd)('fires under $name', (strategy) => {
    const bed = createBed(strategy);
    register(bed, T2, 5, 4);
    madvise(bed, T1, 4, 6);
    audit(bed);
    expect(fired(bed)).toEqual({ 'counter-leak': 1 });
    expect(recordsOf(bed, 'counter-leak')[0]!.fields).toMatchObject({ value: 1, expectedValue: 0 });
  });

  it.each(
    STRATEGIES.filter((s) => s !== privateCount && s !== mmapWrite && s.keepsOut !== true),
  )('is silent under $name in the same schedules', (strategy) => {
    const { bed } = bornInside(strategy);
    register(bed, T2, 5, 4);
    madvise(bed, T1, 4, 6);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });

  it('has nothing to say of mmap-write, under which no region is born inside madvise', () => {
    const bed = createBed(mmapWrite);
    bed.at(T1, 'section.started', () => expect(() => register(bed, T2, 5, 4)).toThrow(/would block/));
    madvise(bed, T1, 4, 6);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });
});

/** A second subscriber beside the design's own. */
function subscribe(bed: Bed, more: Partial<Subscription>): void {
  const mm = bed.world.mm.mms[0]!;
  const index = mm.subscriptions.length;
  mm.subscriptions.push({ index, rangeStart: () => OUTCOME.ok, rangeEnd() {}, release() {}, ...more });
  mmuNotifierRegister(bed.supervisor, mm, index);
}
function finishAll(bed: Bed): void {
  for (const [tid, o] of bed.observers.entries()) o.finished(bed.actors[tid]!);
}
const cookieOf = (bed: Bed, section: number): number => bed.world.mem[section + SECTION.cookie]!;

describe('unpaired-section', () => {
  it('finds an end without its start: a subscription that came in the middle', () => {
    const bed = createBed(contextCount);
    let cookie = 0;
    subscribe(bed, {
      rangeStart(_actor, section) {
        cookie = cookieOf(bed, section);
        return OUTCOME.ok;
      },
    });
    bed.at(T1, 'section.started', () => subscribe(bed, {}));
    madvise(bed, T1, 4, 6);
    madvise(bed, T1, 4, 6);
    finishAll(bed);
    expect(fired(bed)).toEqual({ 'unpaired-section': 1 });
    const { fields } = recordsOf(bed, 'unpaired-section')[0]!;
    expect(fields).toMatchObject({ tid: T1, reason: UNPAIRED.endWithoutStart });
    // Of the first section, not of the second.
    expect(fields.value).toBe(cookie - (1 << 6));
  });

  it('finds a start without its end at the next start of the thread', () => {
    const bed = createBed(contextCount);
    // The core forgets the end: the mask of who has started is wiped, which is all that it goes by after EAGAIN.
    subscribe(bed, {
      rangeStart(actor, section, _start, _last, blockable) {
        if (blockable) return OUTCOME.ok;
        actor.mem[section + SECTION.startedMask] = 0;
        return OUTCOME.eagain;
      },
    });
    expect(sectionStart(bed, T1, 4, 6, false)).toBe(OUTCOME.eagain);
    expect(fired(bed)).toEqual({});
    madvise(bed, T1, 0, 1);
    expect(recordsOf(bed, 'unpaired-section')[0]!.fields).toMatchObject({
      tid: T1,
      reason: UNPAIRED.startWithoutEnd,
    });
    finishAll(bed);
    expect(fired(bed)['unpaired-section']).toBe(1);
  });

  it('finds a section that was never ended when the thread finishes', () => {
    const bed = createBed(contextCount);
    sectionStart(bed, T1, 4, 6);
    madvise(bed, T2, 4, 6);
    madvise(bed, T1, 0, 1);
    expect(fired(bed)).toEqual({});
    finishAll(bed);
    expect(recordsOf(bed, 'unpaired-section').map((r) => r.fields.tid)).toEqual([T1]);
  });

  it('finds the end that a refuser gets', () => {
    const bed = createBed(contextCount);
    const index = bed.world.mm.mms[0]!.subscriptions.length;
    subscribe(bed, {
      rangeStart(actor, section) {
        actor.mem[section + SECTION.startedMask]! |= 1 << index;
        return OUTCOME.eagain;
      },
    });
    sectionStart(bed, T1, 4, 6, false);
    finishAll(bed);
    expect(recordsOf(bed, 'unpaired-section').map((r) => r.fields.reason)).toEqual([UNPAIRED.endWithoutStart]);
  });

  it('is silent when the refuser gets no end and those before it do', () => {
    const bed = createBed(contextCount);
    const calls: string[] = [];
    subscribe(bed, {
      rangeStart: (_a, _s, _f, _l, blockable) => (blockable ? OUTCOME.ok : OUTCOME.eagain),
      rangeEnd: () => void calls.push('refuser'),
    });
    subscribe(bed, { rangeEnd: () => void calls.push('behind') });
    expect(sectionStart(bed, T1, 4, 6, false)).toBe(OUTCOME.eagain);
    expect(calls).toEqual([]);
    madvise(bed, T1, 0, 1);
    expect(calls).toEqual(['refuser', 'behind']);
    auditCounters(bed.supervisor, bed.world.oracles, new Set());
    finishAll(bed);
    expect(fired(bed)).toEqual({});
  });

  it('is silent over nested sections, overlapping sections and a region born inside one', () => {
    const bed = createBed(contextCount);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 5, 9);
    sectionStart(bed, T1, 5, 5);
    register(bed, T2, 4, 4);
    sectionEnd(bed, T1);
    sectionEnd(bed, T1);
    sectionEnd(bed, T4);
    finishAll(bed);
    expect(fired(bed)).toEqual({});
  });
});

describe('leak', () => {
  /** One region's whole life, then the end-of-cell audit. */
  function live(strategy: Strategy, keep = false): Bed {
    const bed = createBed(strategy);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    dma(bed, T4, key, 1);
    if (!keep) deregister(bed, T2, key);
    auditLeaks(bed.supervisor, bed.world.oracles);
    return bed;
  }
  const reasons = (bed: Bed) => recordsOf(bed, 'leak').map((r) => r.fields.reason);

  it('finds a frame reference that nobody drops', () => {
    const bed = live({
      ...contextCount,
      faultCheck(actor, ctx) {
        getFrame(actor, ctx.hca.frames, actor.gupPfn);
        return true;
      },
    });
    const { fields } = recordsOf(bed, 'leak')[0]!;
    expect(fields).toMatchObject({ reason: LEAK.frame, value: 2, expectedValue: 1 });
    expect(fired(bed)).toEqual({ leak: 1 });
  });

  it('finds a frame that is allocated and referred to by nobody', () => {
    const bed = createBed(contextCount);
    const { mm } = bed.world;
    touch(bed, T4, 5);
    downRead(bed.actors[T1]!, mm.mms[0]!.mmapLock);
    // An invalidator that clears the entry and loses the frame.
    bed.world.mem[mm.mms[0]!.pte + 5] = 0;
    upRead(bed.actors[T1]!, mm.mms[0]!.mmapLock);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(recordsOf(bed, 'leak')[0]!.fields).toMatchObject({ reason: LEAK.frame, value: 1, expectedValue: 0 });
  });

  it('finds a region that was not given back, and its entries', () => {
    expect(reasons(live(contextCount, true))).toEqual([LEAK.umem, LEAK.entry]);
  });

  it('finds an entry that the device keeps of a region that is gone', () => {
    const bed = live({
      ...contextCount,
      remove(actor, ctx, umem) {
        contextCount.remove(actor, ctx, umem);
        // A commit behind the unmapping.
        deviceMap(actor, ctx.hca, actor.mem[umem + UMEM.index]!, 1, makeEntry(1 as never, 1, 1), 6);
      },
    });
    expect(reasons(bed)).toEqual([LEAK.entry]);
  });

  it.each(STRATEGIES)('is silent after a whole life under $name', (strategy) => {
    expect(fired(live(strategy))).toEqual({});
  });

  it('is silent after a registration that could not pin all its pages', () => {
    const bed = createBed(pinned);
    bed.world.mem[bed.world.mm.files[0]!.addr]! = 2;
    // Pages 16 and 17 exist, 18 lies behind the end of the file.
    expect(register(bed, T2, 16, 4)).toBe(0);
    madvise(bed, T1, 0 as Vpn, 31);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });
});
