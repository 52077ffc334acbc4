import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as slabModule from '../memory/slab.ts';
import * as structModule from '../memory/struct.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import type { File } from './file.ts';
import * as fileModule from './file.ts';
import * as frameModule from './frame.ts';
import type { Mm, MmWorld } from './mm.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { slabAlloc, slabFree } = slabModule;
const { defineStruct } = structModule;
const { downWrite, upWrite } = rwSemaphoreModule;
const { FILE } = fileModule;
const { fileIdentity } = frameModule;

/** vm_area_struct. Written under mmap_lock W; the bounds of a file's VMA also under the file's i_mmap_rwsem W. */
export const VMA = defineStruct('vma', {
  start: 1,
  /** Inclusive. */
  last: 1,
  kind: 1,
  file: 1,
  /** Page of the file that `start` maps. */
  pgoff: 1,
  /** Stamp of the anonymous page at `start`. */
  anonBase: 1,
  flags: 1,
  mm: 1,
  iMmapNext: 1,
  iMmapPrev: 1,
  /** Chains the VMAs that an munmap has taken out of the mm. */
  detachedNext: 1,
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
  const index = slabAlloc(actor.mem, world.slabs.vma, actor.tid, world.depotLock);
  return index === 0 ? NULL_ADDR : at(world.vmas.base, index * world.vmas.stride);
}

/** Frees a VMA that nobody sees any more. */
export function freeVma(actor: Actor, world: MmWorld, vma: Addr): void {
  const index = (vma - world.vmas.base) / world.vmas.stride;
  slabFree(actor.mem, world.slabs.vma, actor.tid, index, world.depotLock);
}

/** vma_link: makes a filled-in VMA visible in the mm and, with a file, in its i_mmap. Needs mmap_lock W. */
export function insertVma(actor: Actor, mm: Mm, vma: Addr): void {
  const { mem } = actor;
  mem.fill(vma, mm.vmaOf + mem[vma + VMA.start], mm.vmaOf + mem[vma + VMA.last] + 1);
  if (!vmaIsFile(mem, vma)) return;
  const file = mm.world.files[mem[vma + VMA.file]];
  downWrite(actor, file.iMmapRwsem);
  linkIMmap(mem, file, vma);
  upWrite(actor, file.iMmapRwsem);
}

/**
 * split_vma: `fresh` becomes the part from `from` on, `vma` keeps what lies before. Needs mmap_lock W. The bounds of a file's VMA
 * change under i_mmap_rwsem W: truncate walks it without mmap_lock.
 */
export function splitVma(actor: Actor, mm: Mm, vma: Addr, from: Vpn, fresh: Addr): void {
  const { mem } = actor;
  mem.copyWithin(fresh, vma, vma + VMA.$words);
  const before = from - mem[vma + VMA.start];
  mem[fresh + VMA.start] = from;
  mem[fresh + VMA.pgoff] += before;
  mem[fresh + VMA.anonBase] += before;
  if (vmaIsFile(mem, vma)) {
    const file = mm.world.files[mem[vma + VMA.file]];
    downWrite(actor, file.iMmapRwsem);
    mem[vma + VMA.last] = from - 1;
    linkIMmap(mem, file, fresh);
    upWrite(actor, file.iMmapRwsem);
  } else mem[vma + VMA.last] = from - 1;
  mem.fill(fresh, mm.vmaOf + from, mm.vmaOf + mem[fresh + VMA.last] + 1);
}

/** Takes a VMA out of the mm, so that no fault finds it; its i_mmap link stays until the pages are unmapped. Needs mmap_lock W. */
export function detachVma(mem: Memory, mm: Mm, vma: Addr): void {
  mem.fill(NULL_ADDR, mm.vmaOf + mem[vma + VMA.start], mm.vmaOf + mem[vma + VMA.last] + 1);
}

/** unlink_file_vma. */
export function unlinkFileVma(actor: Actor, world: MmWorld, vma: Addr): void {
  const { mem } = actor;
  if (!vmaIsFile(mem, vma)) return;
  const file = world.files[mem[vma + VMA.file]];
  downWrite(actor, file.iMmapRwsem);
  const next = mem[vma + VMA.iMmapNext];
  const prev = mem[vma + VMA.iMmapPrev];
  if (prev === NULL_ADDR) mem[file.addr + FILE.iMmap] = next;
  else mem[prev + VMA.iMmapNext] = next;
  if (next !== NULL_ADDR) mem[next + VMA.iMmapPrev] = prev;
  upWrite(actor, file.iMmapRwsem);
}

function linkIMmap(mem: Memory, file: File, vma: Addr): void {
  const head = mem[file.addr + FILE.iMmap];
  mem[vma + VMA.iMmapNext] = head;
  mem[vma + VMA.iMmapPrev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[head + VMA.iMmapPrev] = vma;
  mem[file.addr + FILE.iMmap] = vma;
}
