import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as slabModule from '../memory/slab.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as injectModule from '../trace/inject.ts';
import * as observerModule from '../trace/observer.ts';
import * as trylockModule from '../trace/trylock.ts';
import * as frameModule from './frame.ts';
import type { Mm, MmWorld } from './mm.ts';
import * as rmapRootModule from './rmap-root.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { slabAlloc, slabFree } = slabModule;
const { defineStruct } = structModule;
const { load } = atomicsModule;
const { downWrite, RW_SEMAPHORE, upRead, upWrite } = rwSemaphoreModule;
const { CAP, shouldFail } = injectModule;
const { LIFE } = observerModule;
const { downReadTrylock } = trylockModule;
const { RMAP, rmapRwsem } = rmapRootModule;
const { fileIdentity } = frameModule;

/** vm_area_struct. Written under mmap_lock W (and its own lock, in eras that have one); the bounds also under the reverse map's rwsem W. */
export const VMA = defineStruct('vma', {
  start: 1,
  /** Inclusive. */
  last: 1,
  kind: 1,
  file: 1,
  /** vm_pgoff: page of the file that `start` maps; of anonymous memory, where it was mapped first. */
  pgoff: 1,
  /** Stamp of the anonymous page at `start`. */
  anonBase: 1,
  flags: 1,
  mm: 1,
  /** The reverse map that it is in, and its neighbours there: see rmap-root.ts. */
  rmap: 1,
  rmapNext: 1,
  rmapPrev: 1,
  /** Chains the VMAs that an munmap has taken out of the mm. */
  detachedNext: 1,
  /** vm_lock: taken in eras with `vmaLocks`. Last, and never copied: it stays what it is through all lives of this object. */
  lock: RW_SEMAPHORE.$words,
});

export const VMA_KIND = { anon: 0, file: 1 } as const;
export const VMA_FLAGS = { write: 1 } as const;

/** Stamps of anonymous pages: 1 .. ANON_IDENTITIES. */
export const ANON_IDENTITIES = 2 ** 30 - 1;

/** True when start .. last lies in the address space. */
export const rangeValid = (mm: Mm, start: Vpn, last: Vpn): boolean => start >= 0 && start <= last && last < mm.pages;

/** vma_lookup: the VMA that holds `vpn`, or none. Needs mmap_lock. A word per page stands in for the maple tree. */
export const findVma = (mem: Memory, mm: Mm, vpn: Vpn): Addr =>
  vpn >= 0 && vpn < mm.pages ? (mem[mm.vmaOf + vpn] as Addr) : NULL_ADDR;

/** The first page of start .. last that is mapped by a VMA, or -1. */
export function firstMapped(mem: Memory, mm: Mm, start: Vpn, last: Vpn): Vpn {
  for (let vpn = start as number; vpn <= last; vpn++) if (mem[mm.vmaOf + vpn] !== 0) return vpn as Vpn;
  return -1 as Vpn;
}

export const vmaIsFile = (mem: Memory, vma: Addr): boolean => mem[vma + VMA.kind] === VMA_KIND.file;
export const vmaWritable = (mem: Memory, vma: Addr): boolean => (mem[vma + VMA.flags] & VMA_FLAGS.write) !== 0;

/** linear_page_index: the page of the file that a page of its VMA maps. */
export const vmaPgoff = (mem: Memory, vma: Addr, vpn: Vpn): number => mem[vma + VMA.pgoff] + vpn - mem[vma + VMA.start];

/** The stamp that the page behind `vpn` carries. */
export function vmaIdentity(mem: Memory, vma: Addr, vpn: Vpn): number {
  if (vmaIsFile(mem, vma)) return fileIdentity(mem[vma + VMA.file], vmaPgoff(mem, vma, vpn));
  return mem[vma + VMA.anonBase] + vpn - mem[vma + VMA.start];
}

/** A VMA that nobody sees yet, or none (ENOMEM). */
export function allocVma(actor: Actor, world: MmWorld): Addr {
  const index = shouldFail(actor, CAP.failslab) ? 0 : slabAlloc(actor.mem, world.slabs.vma, actor.tid, world.depotLock);
  return index === 0 ? NULL_ADDR : at(world.vmas.base, index * world.vmas.stride);
}

/** Frees a VMA that nobody sees any more. */
export function freeVma(actor: Actor, world: MmWorld, vma: Addr): void {
  const index = (vma - world.vmas.base) / world.vmas.stride;
  if (!slabFree(actor.mem, world.slabs.vma, actor.tid, index, world.depotLock))
    actor.observer.freedTwice(actor, LIFE.vma, index);
}

/** vma_link: makes a filled-in VMA visible in the mm and in its reverse map. Needs mmap_lock W. */
export function insertVma(actor: Actor, mm: Mm, vma: Addr): void {
  const { mem } = actor;
  mem.fill(vma, mm.vmaOf + mem[vma + VMA.start], mm.vmaOf + mem[vma + VMA.last] + 1);
  const root = rmapOf(mem, vma);
  downWrite(actor, rmapRwsem(root));
  linkRmap(mem, root, vma);
  upWrite(actor, rmapRwsem(root));
}

/**
 * split_vma: `fresh` becomes the part from `from` on, `vma` keeps what lies before. Needs mmap_lock W. The bounds change under the
 * reverse map's rwsem W, too: truncate and reclaim walk it without mmap_lock.
 */
export function splitVma(actor: Actor, mm: Mm, vma: Addr, from: Vpn, fresh: Addr): void {
  const { mem } = actor;
  vmaStartWrite(actor, mm, vma);
  mem.copyWithin(fresh, vma, vma + VMA.lock);
  const before = from - mem[vma + VMA.start];
  mem[fresh + VMA.start] = from;
  mem[fresh + VMA.pgoff] += before;
  mem[fresh + VMA.anonBase] += before;
  const root = rmapOf(mem, vma);
  downWrite(actor, rmapRwsem(root));
  mem[vma + VMA.last] = from - 1;
  linkRmap(mem, root, fresh);
  upWrite(actor, rmapRwsem(root));
  mem.fill(fresh, mm.vmaOf + from, mm.vmaOf + mem[fresh + VMA.last] + 1);
  vmaEndWrite(actor, mm, vma);
}

/** Takes a VMA out of the mm, so that no fault finds it; its place in the reverse map stays until the pages are unmapped. Needs mmap_lock W. */
export function detachVma(actor: Actor, mm: Mm, vma: Addr): void {
  const { mem } = actor;
  // Whoever works on it under its lock alone is waited for; who comes later finds that it is gone.
  vmaStartWrite(actor, mm, vma);
  mem.fill(NULL_ADDR, mm.vmaOf + mem[vma + VMA.start], mm.vmaOf + mem[vma + VMA.last] + 1);
  vmaEndWrite(actor, mm, vma);
}

/** unlink_file_vma and unlink_anon_vmas. */
export function unlinkVma(actor: Actor, vma: Addr): void {
  const { mem } = actor;
  const root = rmapOf(mem, vma);
  downWrite(actor, rmapRwsem(root));
  const next = mem[vma + VMA.rmapNext];
  const prev = mem[vma + VMA.rmapPrev];
  if (prev === NULL_ADDR) mem[root + RMAP.vmas] = next;
  else mem[prev + VMA.rmapNext] = next;
  if (next !== NULL_ADDR) mem[next + VMA.rmapPrev] = prev;
  upWrite(actor, rmapRwsem(root));
}

const rmapOf = (mem: Memory, vma: Addr): Addr => mem[vma + VMA.rmap] as Addr;

function linkRmap(mem: Memory, root: Addr, vma: Addr): void {
  const head = mem[root + RMAP.vmas];
  mem[vma + VMA.rmapNext] = head;
  mem[vma + VMA.rmapPrev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[head + VMA.rmapPrev] = vma;
  mem[root + RMAP.vmas] = vma;
}

/** The first VMA of a reverse map that covers any of its pages first .. last, or none. The caller holds the rwsem. */
export const rmapFirst = (mem: Memory, root: Addr, first: number, last: number): Addr =>
  covering(mem, mem[root + RMAP.vmas] as Addr, first, last);
/** The next one, or none. */
export const rmapNext = (mem: Memory, vma: Addr, first: number, last: number): Addr =>
  covering(mem, mem[vma + VMA.rmapNext] as Addr, first, last);

function covering(mem: Memory, from: Addr, first: number, last: number): Addr {
  let vma = from;
  while (vma !== NULL_ADDR) {
    const pgoff = mem[vma + VMA.pgoff];
    if (pgoff <= last && pgoff + mem[vma + VMA.last] - mem[vma + VMA.start] >= first) break;
    vma = mem[vma + VMA.rmapNext] as Addr;
  }
  return vma;
}

/** vma_address: where page `index` of the reverse map lies in a VMA that covers it. */
export const vmaAddress = (mem: Memory, vma: Addr, index: number): Vpn =>
  (mem[vma + VMA.start] + index - mem[vma + VMA.pgoff]) as Vpn;

/** vma_start_write: keeps out who works on the VMA under its own lock. Under mmap_lock W; nothing in eras without these locks. */
export function vmaStartWrite(actor: Actor, mm: Mm, vma: Addr): void {
  if (mm.world.rules.vmaLocks) downWrite(actor, vmaLock(vma));
}
/** vma_end_write. The kernel ends all at once, when mmap_lock is given back. */
export function vmaEndWrite(actor: Actor, mm: Mm, vma: Addr): void {
  if (mm.world.rules.vmaLocks) upWrite(actor, vmaLock(vma));
}

export const vmaLock = (vma: Addr): Addr => at(vma, VMA.lock);

/**
 * lock_vma_under_rcu: the VMA that holds `vpn`, locked for reading, without mmap_lock; or none, and then the caller takes that instead: the
 * era has no such locks, there is no VMA, or somebody changes it. The second look is what RCU and the VMA's sequence are to the kernel.
 */
export function lockVmaUnderRcu(actor: Actor, mm: Mm, vpn: Vpn): Addr {
  if (!mm.world.rules.vmaLocks || vpn < 0 || vpn >= mm.pages) return NULL_ADDR;
  const word = at(mm.vmaOf, vpn);
  const vma = load(actor, word) as Addr;
  if (vma === NULL_ADDR || !downReadTrylock(actor, vmaLock(vma))) return NULL_ADDR;
  if (load(actor, word) === vma) return vma;
  upRead(actor, vmaLock(vma));
  return NULL_ADDR;
}

/** vma_end_read. */
export const unlockVma = (actor: Actor, vma: Addr): void => upRead(actor, vmaLock(vma));

/**
 * Splits the VMAs that reach over an edge of start .. last; false when a VMA cannot be had. Both are taken before anything is changed.
 * Needs mmap_lock W.
 */
export function splitEdges(actor: Actor, mm: Mm, start: Vpn, last: Vpn): boolean {
  const { mem } = actor;
  const { world } = mm;
  const left = findVma(mem, mm, start);
  const right = findVma(mem, mm, last);
  const splitLeft = left !== NULL_ADDR && mem[left + VMA.start] < start;
  const splitRight = right !== NULL_ADDR && mem[right + VMA.last] > last;
  const freshLeft = splitLeft ? allocVma(actor, world) : NULL_ADDR;
  if (splitLeft && freshLeft === NULL_ADDR) return false;
  const freshRight = splitRight ? allocVma(actor, world) : NULL_ADDR;
  if (splitRight && freshRight === NULL_ADDR) {
    if (splitLeft) freeVma(actor, world, freshLeft);
    return false;
  }
  if (splitLeft) splitVma(actor, mm, left, start, freshLeft);
  // Looked up again: it may be the part that was just split off.
  if (splitRight) splitVma(actor, mm, findVma(mem, mm, last), (last + 1) as Vpn, freshRight);
  return true;
}
