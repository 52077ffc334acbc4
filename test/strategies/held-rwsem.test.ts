import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { heldRwsem } from '../../src/strategies/held-rwsem.ts';
import {
  downReadTrylock,
  downWriteTrylock,
  rwsemIsLocked,
  rwsemReaders,
  upRead,
  upWrite,
} from '../../src/sync/rw-semaphore.ts';
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
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

/** A region over pages 4 .. 7 of which the device can reach page 5. */
function mapped(strategy: Strategy = heldRwsem): { bed: Bed; key: number } {
  const bed = createBed(strategy);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  faultOnce(bed, T3, key, 1);
  return { bed, key };
}
const readers = (bed: Bed): number => rwsemReaders(bed.world.mem, bed.ctx.umemRwsem);
const locked = (bed: Bed): boolean => rwsemIsLocked(bed.world.mem, bed.ctx.umemRwsem);

describe('held-rwsem', () => {
  it('holds the tree for reading from start to end, also where nothing overlaps', () => {
    const { bed, key } = mapped();
    sectionStart(bed, T1, 5, 5);
    expect(readers(bed)).toBe(1);
    expect([entryOf(bed, key, 1), auditOf(bed, key)]).toEqual([0, { 'running count': 1 }]);
    sectionStart(bed, T4, 12, 13);
    expect(readers(bed)).toBe(2);
    sectionEnd(bed, T1);
    expect(readers(bed)).toBe(1);
    sectionEnd(bed, T4);
    expect(locked(bed)).toBe(false);
    expect(auditOf(bed, key)).toEqual({});
  });

  it('keeps faults out by the count of the region, not by the rwsem', () => {
    const { bed, key } = mapped();
    const far = register(bed, T2, 12, 2);
    sectionStart(bed, T1, 5, 5);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 5, 5);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });

  it('registers and removes only when no section runs', () => {
    const { bed, key } = mapped();
    sectionStart(bed, T1, 12, 13);
    expect(() => register(bed, T2, 4, 2)).toThrow(/would block/);
    expect(() => deregister(bed, T2, key)).toThrow(/would block/);
  });

  it('lets a registration in that slept for a section, right from birth', async () => {
    const { bed } = mapped();
    sectionStart(bed, T1, 4, 6);
    const thread = startThread(bed, T2, [['register', 5, 2]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.rwsemWrite);
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
      const [key] = (await thread.ended) as [number];
      expect(auditOf(bed, key)).toEqual({});
      expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
      expect(counter(bed, 'exposure.registerMeetsSection')).toBe(1);
      expect(fired(bed)).toEqual({});
    });
  });

  it('keeps a section out while a registration is queued: the nested one of i1 would wait for itself', async () => {
    const { bed } = mapped();
    sectionStart(bed, T1, 4, 6);
    const thread = startThread(bed, T2, [['register', 5, 2]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.rwsemWrite);
      expect(downReadTrylock(bed.actors[T1]!, bed.ctx.umemRwsem)).toBe(false);
      // Not blockable, so it is refused and not stuck.
      expect(sectionStart(bed, T1, 4, 4, false)).toBe(OUTCOME.eagain);
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
      await thread.ended;
      expect(locked(bed)).toBe(false);
    });
  });
});

describe('held-rwsem: a start that must not block', () => {
  it('answers EAGAIN where a region overlaps, with nothing counted and nothing held', () => {
    const { bed, key } = mapped();
    const before = entryOf(bed, key, 1);
    expect(sectionStart(bed, T1, 5, 6, false)).toBe(OUTCOME.eagain);
    expect([locked(bed), auditOf(bed, key), entryOf(bed, key, 1)]).toEqual([false, {}, before]);
  });

  it('is a section like any other where none does', () => {
    const { bed } = mapped();
    expect(sectionStart(bed, T1, 12, 13, false)).toBe(OUTCOME.ok);
    expect(readers(bed)).toBe(1);
    sectionEnd(bed, T1);
    expect(locked(bed)).toBe(false);
  });

  it('answers EAGAIN while a registration holds the tree', () => {
    const { bed } = mapped();
    expect(downWriteTrylock(bed.actors[T2]!, bed.ctx.umemRwsem)).toBe(true);
    expect(sectionStart(bed, T1, 12, 13, false)).toBe(OUTCOME.eagain);
    upWrite(bed.actors[T2]!, bed.ctx.umemRwsem);
    expect(locked(bed)).toBe(false);
  });

  it('without the release of 7608bf40cf24 the tree stays held for ever', () => {
    const { bed } = mapped({
      ...heldRwsem,
      rangeStart: (actor, ctx, section, start, last, blockable) => {
        const outcome = heldRwsem.rangeStart(actor, ctx, section, start, last, blockable);
        if (outcome === OUTCOME.eagain) downReadTrylock(actor, ctx.umemRwsem);
        return outcome;
      },
    });
    sectionStart(bed, T1, 5, 6, false);
    expect(() => register(bed, T2, 12, 2)).toThrow(/would block/);
    upRead(bed.actors[T1]!, bed.ctx.umemRwsem);
  });
});
