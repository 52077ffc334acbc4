import { at, NULL_PFN } from '../memory/address.ts';
import { load, store } from '../sync/atomics.ts';
import { dataRace } from '../sync/data-race.ts';
import { mutexLock, mutexUnlock } from '../sync/mutex.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { FILE, type File, filemapGetFolio, filemapRemoveFolio, fileSize } from './file.ts';
import { FRAME, frameAddr, putFrame } from './frame.ts';
import type { MmWorld } from './mm.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { unmapMappingFolio, unmapMappingRange } from './rmap.ts';

/**
 * ftruncate to fewer pages: do_truncate and truncate_pagecache, under the inode lock and invalidate_lock W, without mmap_lock.
 * i_size falls first, so that from then on faults get SIGBUS; pass 1 unmaps what is mapped; then the cache is emptied, page by
 * page; pass 2 unmaps again. The kernel needs pass 2 for private copies; with shared mappings only, it finds nothing mapped, but
 * its sections are seen by whoever listens. A size that is not smaller is a plain `extend`.
 */
export function truncate(actor: Actor, world: MmWorld, file: File, newSize: number): Outcome {
  if (newSize < 0 || newSize > file.maxPages) return OUTCOME.einval;
  point(actor, POINT['truncate.enter'], file.id, newSize, 0);
  downWrite(actor, file.inodeLock);
  const oldSize = fileSize(actor, file);
  if (newSize >= oldSize) store(actor, at(file.addr, FILE.size), newSize);
  else {
    downWrite(actor, file.invalidateLock);
    store(actor, at(file.addr, FILE.size), newSize);
    point(actor, POINT['truncate.sized'], file.id, newSize, 0);
    unmapMappingRange(actor, world, file, newSize, file.maxPages - 1);
    point(actor, POINT['truncate.pass1'], file.id, newSize, 0);
    removeFilePages(actor, world, file, newSize, oldSize);
    unmapMappingRange(actor, world, file, newSize, file.maxPages - 1);
    point(actor, POINT['truncate.pass2'], file.id, newSize, 0);
    upWrite(actor, file.invalidateLock);
  }
  upWrite(actor, file.inodeLock);
  count(actor, COUNTER['op.truncate']);
  return OUTCOME.ok;
}

/**
 * truncate_inode_pages: removes pages first .. end - 1 from the cache. Under invalidate_lock W nobody adds any; reclaim may remove some,
 * and migration put others in their places.
 */
export function removeFilePages(actor: Actor, world: MmWorld, file: File, first: number, end: number): void {
  const { mem } = actor;
  const { frames } = world;
  let index = first;
  while (index < end) {
    // Racy on purpose: an empty place stays empty, as nobody may fill it now; of any other the lock has the last word.
    if (dataRace(mem, at(file.pageCache, index)) === NULL_PFN) {
      index++;
      continue;
    }
    const pfn = filemapGetFolio(actor, file, frames, index);
    if (pfn === NULL_PFN) continue;
    const f = frameAddr(frames, pfn);
    const folioLock = at(f, FRAME.folioLock);
    mutexLock(actor, folioLock);
    if (mem[f + FRAME.inCache] === 0) {
      // It has left the cache since; look what is there now.
      mutexUnlock(actor, folioLock);
      putFrame(actor, frames, pfn);
      continue;
    }
    // A fault that read i_size before it fell may have mapped the page since pass 1; under the folio lock no other will.
    if (load(actor, at(f, FRAME.mapcount)) > 0) unmapMappingFolio(actor, world, file, index);
    filemapRemoveFolio(actor, file, frames, index, pfn);
    mutexUnlock(actor, folioLock);
    point(actor, POINT['truncate.removed'], file.id, index, pfn);
    putFrame(actor, frames, pfn);
    putFrame(actor, frames, pfn);
    index++;
  }
}

/** ftruncate to more pages: only i_size rises. The pages that were cut off before come back empty, from the fault handler. */
export function extend(actor: Actor, _world: MmWorld, file: File, newSize: number): Outcome {
  if (newSize < 0 || newSize > file.maxPages) return OUTCOME.einval;
  downWrite(actor, file.inodeLock);
  if (newSize > fileSize(actor, file)) store(actor, at(file.addr, FILE.size), newSize);
  upWrite(actor, file.inodeLock);
  count(actor, COUNTER['op.extend']);
  point(actor, POINT['extend.done'], file.id, newSize, 0);
  return OUTCOME.ok;
}
