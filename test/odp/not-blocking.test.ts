import { describe, expect, it } from 'vitest';
import type { Vpn } from '../../src/memory/address.ts';
import { oomReap } from '../../src/mm/oom-reaper.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { downWrite, upWrite } from '../../src/sync/rw-semaphore.ts';
import { WAIT } from '../../src/sync/task.ts';
import { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit } from '../../src/sync/wait-queue.ts';
import {
  type Bed,
  createBed,
  deregister,
  dma,
  entryOf,
  faultOnce,
  fired,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

const reap = (bed: Bed, tid: number, start: number, last: number) =>
  oomReap(bed.actors[tid]!, bed.world.mm.mms[0]!, start as Vpn, last as Vpn);
const audit = (bed: Bed): void => auditCounters(bed.supervisor, bed.world.oracles, new Set());
/** Designs whose callbacks guard the tree by umem_rwsem. */
const BY_RWSEM = STRATEGIES.filter((s) => !s.pins && !['interval-notifier', 'range-union'].includes(s.name));

describe.each(STRATEGIES)('$name: a start that must not block', (strategy) => {
  it('is refused where a region overlaps, and then all is as before', () => {
    const bed = createBed(strategy);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 3);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    const entry = entryOf(bed, key, 1);
    for (let i = 0; i < 3; i++)
      expect(sectionStart(bed, T1, 5, 6, false)).toBe(strategy.pins ? OUTCOME.ok : OUTCOME.eagain);
    if (strategy.pins) for (let i = 0; i < 3; i++) sectionEnd(bed, T1);
    audit(bed);
    expect(entryOf(bed, key, 1)).toBe(entry);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.ok);
    // A section that may block goes its way, and so does whoever leaves.
    expect(sectionStart(bed, T1, 5, 6)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });

  it('is refused inside another section, too, and leaves that alone', () => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 3);
    sectionStart(bed, T1, 4, 5);
    expect(sectionStart(bed, T4, 5, 6, false)).toBe(strategy.pins ? OUTCOME.ok : OUTCOME.eagain);
    if (strategy.pins) sectionEnd(bed, T4);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    audit(bed);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });

  it('goes on where no region is, and is a section like any other', () => {
    const bed = createBed(strategy);
    const key = register(bed, T2, 4, 3);
    expect(sectionStart(bed, T1, 8, 12, false)).toBe(OUTCOME.ok);
    if (strategy.keepsOut !== true) {
      // Born inside: its faults wait for the end, where the design is right.
      const born = register(bed, T2, 9, 2);
      deregisterIfWaitless(bed, strategy, born);
    }
    sectionEnd(bed, T1);
    if (strategy.name !== 'private-count') audit(bed);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(fired(bed)['sleep-in-nonblockable']).toBeUndefined();
    expect(fired(bed)['unpaired-section']).toBeUndefined();
  });

  it('lets the OOM reaper take what no region is in the way of', () => {
    const bed = createBed(strategy);
    for (const page of [2, 9]) touch(bed, T4, page);
    const key = register(bed, T2, 8, 3);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(reap(bed, T1, 1, 3)).toBe(OUTCOME.ok);
    expect(reap(bed, T1, 1, 12)).toBe(strategy.pins ? OUTCOME.ok : OUTCOME.eagain);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    deregister(bed, T2, key);
    expect(reap(bed, T1, 1, 12)).toBe(OUTCOME.ok);
    audit(bed);
    expect(fired(bed)).toEqual({});
  });
});

/** Where a removal waits for sections, on one thread, it would wait for ever. */
function deregisterIfWaitless(bed: Bed, strategy: Strategy, key: number): void {
  if (strategy.keepsSubscription !== true) expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
}

it.each(BY_RWSEM)('$name: a start that must not block does not wait for umem_rwsem', (strategy) => {
  const bed = createBed(strategy);
  register(bed, T2, 4, 3);
  downWrite(bed.actors[T2]!, bed.ctx.umemRwsem);
  // Waiting throws on these threads.
  expect(sectionStart(bed, T1, 8, 9, false)).toBe(OUTCOME.eagain);
  upWrite(bed.actors[T2]!, bed.ctx.umemRwsem);
  expect(sectionStart(bed, T1, 8, 9, false)).toBe(OUTCOME.ok);
  sectionEnd(bed, T1);
  audit(bed);
  expect(fired(bed)).toEqual({});
});

describe('sleep-in-nonblockable', () => {
  const sleepy = (when: boolean): Strategy => ({
    ...contextCount,
    words: { ...contextCount.words, ucontext: contextCount.words.ucontext + WAIT_QUEUE.$words },
    rangeStart(actor, ctx, section, start, last, blockable) {
      const queue = (ctx.ext + contextCount.words.ucontext) as never;
      if (blockable === when) {
        waitQueueInit(actor.mem, queue);
        waitOn(actor, queue, waitPrepare(actor, queue), 1);
      }
      return contextCount.rangeStart(actor, ctx, section, start, last, blockable);
    },
  });

  it('fires once for a start that sleeps and must not', () => {
    const bed = createBed(sleepy(false));
    expect(sectionStart(bed, T1, 8, 9, false)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    expect(fired(bed)).toEqual({ 'sleep-in-nonblockable': 1 });
    expect(recordsOf(bed, 'sleep-in-nonblockable')[0]!.fields).toMatchObject({ tid: T1, reason: WAIT.waitQueue });
  });

  it('is silent for one that may', () => {
    const bed = createBed(sleepy(true));
    expect(sectionStart(bed, T1, 8, 9, true)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    // Nor does what the thread does afterwards count.
    expect(sectionStart(bed, T1, 8, 9, false)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    expect(fired(bed)).toEqual({});
  });
});
