import { type Addr, at, type Memory, NULL_PFN, type Pfn } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { load } from '../sync/atomics.ts';
import { LOCK_CLASS } from '../sync/lock-class.ts';
import { RW_SEMAPHORE, rwsemInit } from '../sync/rw-semaphore.ts';
import { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } from '../sync/spin-lock.ts';
import type { Actor } from '../trace/actor.ts';
import { allocFrame, FRAME, type FramePool, fileIdentity, frameAddr, getFrame, putFrame } from './frame.ts';
import { RMAP, rmapInit, rmapRwsem } from './rmap-root.ts';

/** An inode and its address_space in one. */
export const FILE = defineStruct('file', {
  /** i_size, in pages. */
  size: { words: 1, line: true },
  maxPages: 1,
  inodeLock: { words: RW_SEMAPHORE.$words, line: true },
  invalidateLock: { words: RW_SEMAPHORE.$words, line: true },
  /** i_mmap_rwsem, and i_mmap behind it. */
  iMmapRwsem: { words: RMAP.$words, line: true },
  xaLock: { words: SPIN_LOCK.$words, line: true },
});

/** A thread's view of a file. */
export interface File {
  readonly id: number;
  readonly addr: Addr;
  readonly maxPages: number;
  readonly inodeLock: Addr;
  readonly invalidateLock: Addr;
  /** The reverse map: see rmap-root.ts. */
  readonly iMmap: Addr;
  readonly iMmapRwsem: Addr;
  readonly xaLock: Addr;
  /** One word per page: the frame that caches it, or 0. Written under `xaLock`. */
  readonly pageCache: Addr;
}

export const fileView = (id: number, addr: Addr, maxPages: number, pageCache: Addr): File => ({
  id,
  addr,
  maxPages,
  inodeLock: at(addr, FILE.inodeLock),
  invalidateLock: at(addr, FILE.invalidateLock),
  iMmap: at(addr, FILE.iMmapRwsem),
  iMmapRwsem: rmapRwsem(at(addr, FILE.iMmapRwsem)),
  xaLock: at(addr, FILE.xaLock),
  pageCache,
});

/** An empty file, with no mappings. `extend` gives it a size. */
export function fileInit(mem: Memory, file: File): void {
  mem[file.addr + FILE.size] = 0;
  mem[file.addr + FILE.maxPages] = file.maxPages;
  mem.fill(0, file.pageCache, file.pageCache + file.maxPages);
  rwsemInit(mem, file.inodeLock, LOCK_CLASS.inode_lock);
  rwsemInit(mem, file.invalidateLock, LOCK_CLASS.invalidate_lock);
  rmapInit(mem, file.iMmap, LOCK_CLASS.i_mmap_rwsem);
  spinLockInit(mem, file.xaLock, LOCK_CLASS.xa_lock);
}

/** i_size_read, in pages. */
export const fileSize = (actor: Actor, file: File): number => load(actor, at(file.addr, FILE.size));

/**
 * filemap_get_folio: the cached frame with a reference of the caller's, or 0. The kernel looks without a lock and takes the
 * reference speculatively; here the lock makes both one step.
 */
export function filemapGetFolio(actor: Actor, file: File, frames: FramePool, index: number): Pfn {
  const { mem } = actor;
  spinLock(actor, file.xaLock);
  const pfn = mem[file.pageCache + index] as Pfn;
  if (pfn !== NULL_PFN) getFrame(actor, frames, pfn);
  spinUnlock(actor, file.xaLock);
  return pfn;
}

/**
 * filemap_add_folio: the cached frame, or a new one, with a reference of the caller's; 0 when there is no memory. The caller holds
 * the invalidate lock for reading and has looked at i_size under it, so the cache holds nothing beyond i_size once a truncate is
 * over (the kernel looks later, under the folio lock, and can leave a page behind the end of the file in the cache).
 */
export function filemapAddFolio(actor: Actor, file: File, frames: FramePool, index: number): Pfn {
  const { mem } = actor;
  // Two references from the start: the caller's and the cache's.
  const fresh = allocFrame(actor, frames, fileIdentity(file.id, index), 2);
  if (fresh === NULL_PFN) return fresh;
  const f = frameAddr(frames, fresh);
  // Before the frame can be found.
  mem[f + FRAME.mapping] = file.iMmap;
  mem[f + FRAME.index] = index;
  mem[f + FRAME.inCache] = 1;
  spinLock(actor, file.xaLock);
  const found = mem[file.pageCache + index] as Pfn;
  if (found === NULL_PFN) mem[file.pageCache + index] = fresh;
  else getFrame(actor, frames, found);
  spinUnlock(actor, file.xaLock);
  if (found === NULL_PFN) return fresh;
  // Another fault was first. Put twice, not set to 1: reclaim may hold a reference of its own by now.
  mem[f + FRAME.inCache] = 0;
  putFrame(actor, frames, fresh);
  putFrame(actor, frames, fresh);
  return found;
}

/**
 * __remove_mapping: takes a frame out of the cache if nobody refers to it but the cache and the caller, who holds the folio lock. Then
 * the cache's reference is the caller's, too. References are taken under the same lock, so a count of two is exact. A frame that is being
 * made ready for the cache has `inCache` before it has the place (the kernel keeps it locked meanwhile), so the place is looked at, too.
 */
export function filemapRemoveUnused(actor: Actor, file: File, frames: FramePool, index: number, pfn: Pfn): boolean {
  const { mem } = actor;
  const f = frameAddr(frames, pfn);
  spinLock(actor, file.xaLock);
  const unused = mem[file.pageCache + index] === pfn && load(actor, at(f, FRAME.refcount)) === 2;
  if (unused) mem[file.pageCache + index] = NULL_PFN;
  spinUnlock(actor, file.xaLock);
  if (unused) mem[f + FRAME.inCache] = 0;
  return unused;
}

/**
 * folio_migrate_mapping for a file: `to` takes the place of `from` in the cache, if nobody refers to `from` but the cache and the caller,
 * who holds its folio lock. The cache's reference moves along: `to` gets one, that of `from` is the caller's.
 */
export function filemapReplaceFolio(
  actor: Actor,
  file: File,
  frames: FramePool,
  index: number,
  from: Pfn,
  to: Pfn,
): boolean {
  const { mem } = actor;
  const f = frameAddr(frames, from);
  const t = frameAddr(frames, to);
  mem[t + FRAME.mapping] = file.iMmap;
  mem[t + FRAME.index] = index;
  mem[t + FRAME.inCache] = 1;
  spinLock(actor, file.xaLock);
  const unused = mem[file.pageCache + index] === from && load(actor, at(f, FRAME.refcount)) === 2;
  if (unused) {
    getFrame(actor, frames, to);
    mem[file.pageCache + index] = to;
  }
  spinUnlock(actor, file.xaLock);
  mem[(unused ? f : t) + FRAME.inCache] = 0;
  return unused;
}

/** filemap_remove_folio: takes a frame out of the cache. The caller holds the folio lock and gets the cache's reference. */
export function filemapRemoveFolio(actor: Actor, file: File, frames: FramePool, index: number, pfn: Pfn): void {
  const { mem } = actor;
  spinLock(actor, file.xaLock);
  mem[file.pageCache + index] = NULL_PFN;
  spinUnlock(actor, file.xaLock);
  mem[frameAddr(frames, pfn) + FRAME.inCache] = 0;
}
