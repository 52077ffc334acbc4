import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { takeAllLocks } from '../../src/strategies/take-all-locks.ts';
import { downRead, downReadTrylock, downWriteTrylock, upRead } from '../../src/sync/rw-semaphore.ts';
import { WAIT } from '../../src/sync/task.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  deregister,
  FILE_AT,
  faultOnce,
  fired,
  madvise,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';
import { signal, startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

describe('take-all-locks', () => {
  it('holds mmap_lock, the mutex of the takers and i_mmap_rwsem around the insertion, and nothing after', () => {
    const bed = createBed(takeAllLocks);
    const { mms, files } = bed.world.mm;
    const locks = [mms[0]!.mmapLock, files[0]!.iMmapRwsem];
    const other = bed.actors[T1]!;
    let held: boolean[] = [];
    bed.at(T2, 'umem.inserted', () => {
      held = locks.map((lock) => !downReadTrylock(other, lock));
    });
    register(bed, T2, 4, 2);
    expect(held).toEqual([true, true]);
    expect(locks.map((lock) => downWriteTrylock(other, lock))).toEqual([true, true]);
  });

  it('cannot register inside madvise', () => {
    const bed = createBed(takeAllLocks);
    bed.at(T1, 'section.started', () => expect(() => register(bed, T2, 5, 2)).toThrow(/would block/));
    madvise(bed, T1, 4, 6);
    expect.assertions(1);
  });

  it('cannot register inside either pass of a truncate, which holds no mmap_lock', () => {
    for (const pass of [1, 2]) {
      const bed = createBed(takeAllLocks);
      touch(bed, T4, FILE_AT);
      const inside = () => expect(() => register(bed, T2, FILE_AT, 2)).toThrow(/would block/);
      if (pass === 1) bed.at(T1, 'section.started', inside);
      else bed.at(T1, 'truncate.pass1', () => void bed.at(T1, 'section.started', inside));
      // What was broken off holds mmap_lock and the mutex now; a truncate asks for neither.
      expect(truncate(bed.actors[T1]!, bed.world.mm, bed.world.mm.files[0]!, 0)).toBe(OUTCOME.ok);
    }
    expect.assertions(4);
  });

  it('waits for the section on a real thread, and is right from birth', async () => {
    const bed = createBed(takeAllLocks);
    touch(bed, T4, FILE_AT);
    const file = bed.world.mm.files[0]!;
    const thread = startThread(bed, T2, [
      ['await', 0],
      ['register', FILE_AT, 2],
    ]);
    await withThreads([thread], async () => {
      // The section of a truncate, by hand: under i_mmap_rwsem R alone.
      downRead(bed.actors[T1]!, file.iMmapRwsem);
      sectionStart(bed, T1, FILE_AT, FILE_AT + 1);
      signal(bed, 0);
      await thread.sleepsIn(WAIT.rwsemWrite);
      sectionClear(bed, T1, FILE_AT, FILE_AT + 1);
      sectionEnd(bed, T1);
      upRead(bed.actors[T1]!, file.iMmapRwsem);
      const [, key] = (await thread.ended) as [unknown, number];
      expect(auditOf(bed, key)).toEqual({});
      expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
      expect(counter(bed, 'exposure.registerMeetsSection')).toBe(1);
      expect(counter(bed, 'exposure.registerInSection')).toBe(0);
    });
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });

  it('removes inside a section without a lock of the mm: the count goes with the region', () => {
    const bed: Bed = createBed(takeAllLocks);
    const key = register(bed, T2, 4, 2);
    bed.at(T1, 'section.started', () => {
      expect(auditOf(bed, key)).toEqual({ 'running count': 1 });
      deregister(bed, T2, key);
    });
    madvise(bed, T1, 4, 6);
    expect(counter(bed, 'exposure.removeInSection')).toBe(1);
    const next = register(bed, T2, 4, 2);
    expect(auditOf(bed, next)).toEqual({});
    expect(fired(bed)).toEqual({});
  });
});
