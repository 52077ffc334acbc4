import { describe, expect, it } from 'vitest';
import type { Vpn } from '../../src/memory/address.ts';
import { mmapFile } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { mmDropAllLocks, mmTakeAllLocks } from '../../src/mm/take-all-locks.ts';
import { extend, truncate } from '../../src/mm/truncate.ts';
import { mutexTrylock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downReadTrylock, downWrite, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import type { SyncHooks } from '../../src/sync/task.ts';
import { createWorld, type World } from './fixture.ts';

/** On one thread nobody could release a lock: to sleep for it is an error. */
const NEVER_BLOCK: SyncHooks = {
  contended(task, lock) {
    throw new Error(`thread ${task.tid} would block on the lock at ${lock}`);
  },
  acquired() {},
};

const FILES = [{ pages: 8 }, { pages: 8 }, { pages: 8 }];

/** Two mms: the first maps files 0 and 2, the second file 1. */
function create(): World {
  const made = createWorld({ mms: 2, threads: 2, files: FILES }, NEVER_BLOCK);
  const { actor, world } = made;
  const map = (mm: number, at: number, file: number) =>
    mmapFile(actor, world.mms[mm]!, at as Vpn, (at + 3) as Vpn, file, 0, true);
  for (const file of world.files) extend(actor, world, file, 8);
  expect([map(0, 40, 0), map(0, 8, 2), map(1, 0, 1)]).toEqual([OUTCOME.ok, OUTCOME.ok, OUTCOME.ok]);
  return made;
}

/** Whether each file's i_mmap_rwsem can be had for reading by somebody else. */
const open = ({ world, actors }: World): boolean[] =>
  world.files.map(({ iMmapRwsem }) => {
    const free = downReadTrylock(actors[1]!, iMmapRwsem);
    if (free) upRead(actors[1]!, iMmapRwsem);
    return free;
  });

function take(w: World, mm = 0): void {
  downWrite(w.actor, w.world.mms[mm]!.mmapLock);
  mmTakeAllLocks(w.actor, w.world.mms[mm]!);
}
function drop(w: World, mm = 0): void {
  mmDropAllLocks(w.actor, w.world.mms[mm]!);
  upWrite(w.actor, w.world.mms[mm]!.mmapLock);
}

describe('mm_take_all_locks', () => {
  it('takes the i_mmap_rwsem of each file that the mm maps, and of no other', () => {
    const w = create();
    expect(open(w)).toEqual([true, true, true]);
    take(w);
    expect(open(w)).toEqual([false, true, false]);
    drop(w);
    expect(open(w)).toEqual([true, true, true]);
    take(w, 1);
    expect(open(w)).toEqual([true, false, true]);
    drop(w, 1);
  });

  it('does not take that of a file whose last mapping is gone', () => {
    const w = create();
    munmap(w.actor, w.mm, 8 as Vpn, 9 as Vpn);
    take(w);
    expect(open(w)).toEqual([false, true, false]);
    drop(w);
    munmap(w.actor, w.mm, 10 as Vpn, 11 as Vpn);
    take(w);
    expect(open(w)).toEqual([false, true, true]);
    drop(w);
  });

  it('lets one taker in at a time, whatever its mm', () => {
    const w = create();
    take(w);
    expect(mutexTrylock(w.actors[1]!, w.world.allLocksMutex)).toBe(false);
    drop(w);
    expect(mutexTrylock(w.actors[1]!, w.world.allLocksMutex)).toBe(true);
    mutexUnlock(w.actors[1]!, w.world.allLocksMutex);
  });

  it('keeps truncate out of the files that the mm maps', () => {
    const w = create();
    take(w);
    const cut = (file: number) => truncate(w.actors[1]!, w.world, w.world.files[file]!, 0);
    expect(cut(1)).toBe(OUTCOME.ok);
    expect(() => cut(0)).toThrow(/would block/);
  });

  it('waits for a truncate that is in one of them', () => {
    const w = create();
    downRead(w.actors[1]!, w.world.files[2]!.iMmapRwsem);
    expect(() => take(w)).toThrow(/would block/);
  });
});
