import { type Addr, NULL_ADDR, NULL_PFN, type Pfn, type Vpn } from '../memory/address.ts';
import { downRead, upRead } from '../sync/rw-semaphore.ts';
import { spinLock, spinUnlock } from '../sync/spin-lock.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { randomBelow } from '../trace/random.ts';
import { filemapRemoveUnused } from './file.ts';
import { underFolioLock } from './folio-lock.ts';
import { FRAME, frameAddr, frameRefs, identityFile, isFileIdentity, putFrame, tryGetFrame } from './frame.ts';
import type { Mm, MmWorld } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { pteFrame, ptePresent, ptlOf, restorePte, unmapPte } from './page-table.ts';
import { rmapRwsem } from './rmap-root.ts';
import { MM_TASK, mmTaskAddr, SECTION_EVENT, sectionDepth } from './section.ts';
import { rmapFirst, rmapNext, VMA, vmaAddress } from './vma.ts';

/** Frames that one pass looks at before it gives up. */
const TRIES = 8;

/**
 * Direct reclaim (try_to_free_pages), entered by an allocation, on the thread that allocates: it may be in a section, and opens others inside.
 */
export function directReclaim(actor: Actor, world: MmWorld): void {
  const { mem, tid } = actor;
  if (sectionDepth(mem[mmTaskAddr(world, tid) + MM_TASK.stack]) > 0) count(actor, COUNTER['exposure.reclaimInSection']);
  const range = world.pressure?.range ?? null;
  if (range === null) shrinkSome(actor, world);
  else reclaimRange(actor, world.mms[range.mm], range.start as Vpn, range.last as Vpn);
}

/** shrink_folio_list over frames taken at random, until one was freed or enough were looked at. */
export function shrinkSome(actor: Actor, world: MmWorld): boolean {
  for (let i = 0; i < TRIES; i++) {
    const pfn = (1 + randomBelow(actor, world.frames.count)) as Pfn;
    if (tryGetFrame(actor, world.frames, pfn) && reclaimFrame(actor, world, pfn)) return true;
  }
  return false;
}

/** The frames behind pages start .. last of an mm, one after the other (reclaim_pages; MADV_PAGEOUT). Returns how many were freed. */
export function reclaimRange(actor: Actor, mm: Mm, start: Vpn, last: Vpn): number {
  let freed = 0;
  for (let vpn = start as number; vpn <= last; vpn++) {
    const pfn = takeMapped(actor, mm, vpn as Vpn);
    if (pfn !== NULL_PFN && reclaimFrame(actor, mm.world, pfn)) freed++;
  }
  return freed;
}

/** The frame behind a page with a reference of the caller's, or 0. */
export function takeMapped(actor: Actor, mm: Mm, vpn: Vpn): Pfn {
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const pte = actor.mem[mm.pte + vpn];
  const pfn = ptePresent(pte) && tryGetFrame(actor, mm.frames, pteFrame(pte)) ? pteFrame(pte) : NULL_PFN;
  spinUnlock(actor, ptl);
  return pfn;
}

/**
 * shrink_folio_list for one frame, of which the caller has a reference that is given back here: unmaps it everywhere and, when nobody else
 * refers to it then, frees it: an anonymous page is in swap from then on, a file's page has left the cache (there is no writeback: a
 * page is its stamp). A page that somebody refers to comes back to where it was. True when it was freed.
 */
const reclaimFrame = (actor: Actor, world: MmWorld, pfn: Pfn): boolean =>
  underFolioLock(actor, world, pfn, reclaimLocked);

function reclaimLocked(actor: Actor, world: MmWorld, pfn: Pfn): boolean {
  const { mem } = actor;
  const f = frameAddr(world.frames, pfn);
  point(actor, POINT['reclaim.enter'], pfn, mem[f + FRAME.index], 0);
  const freed = isFileIdentity(mem[f + FRAME.identity])
    ? reclaimFile(actor, world, pfn)
    : reclaimAnon(actor, world, pfn);
  point(actor, POINT['reclaim.done'], pfn, freed ? 1 : 0, 0);
  count(actor, freed ? COUNTER['op.reclaim'] : COUNTER['fail.pageBusy']);
  return freed;
}

/** pageout to swap: entries become swap entries once the page is nobody's. Until then they tell a fault to wait for the folio lock. */
function reclaimAnon(actor: Actor, world: MmWorld, pfn: Pfn): boolean {
  unmapFolio(actor, world, pfn, false);
  // With migration entries in their places nobody can take a reference through a page table: whoever else has one had it before.
  const unused = frameRefs(actor, world.frames, pfn) === 1;
  removeMigrationEntries(actor, world, pfn, unused ? NULL_PFN : pfn);
  return unused;
}

/** A file's page needs no entry to be found again: the fault handler asks the cache. */
function reclaimFile(actor: Actor, world: MmWorld, pfn: Pfn): boolean {
  const { mem } = actor;
  const f = frameAddr(world.frames, pfn);
  if (mem[f + FRAME.inCache] === 0) return false;
  unmapFolio(actor, world, pfn, true);
  const file = world.files[identityFile(mem[f + FRAME.identity])];
  if (!filemapRemoveUnused(actor, file, world.frames, mem[f + FRAME.index], pfn)) return false;
  // The cache's reference.
  putFrame(actor, world.frames, pfn);
  return true;
}

/**
 * try_to_unmap, try_to_migrate: takes the frame out of every page table that the reverse map leads to, each in a section of one page. The
 * caller holds the folio lock and a reference.
 */
export function unmapFolio(actor: Actor, world: MmWorld, pfn: Pfn, forget: boolean): void {
  const { mem } = actor;
  const f = frameAddr(world.frames, pfn);
  const root = mem[f + FRAME.mapping] as Addr;
  const index = mem[f + FRAME.index];
  downRead(actor, rmapRwsem(root));
  for (let vma = rmapFirst(mem, root, index, index); vma !== NULL_ADDR; vma = rmapNext(mem, vma, index, index))
    unmapOne(actor, world.mms[mem[vma + VMA.mm]], vmaAddress(mem, vma, index), pfn, forget);
  upRead(actor, rmapRwsem(root));
}

/**
 * try_to_unmap_one: start, clear, end. Until v4.13 the entry was cleared first and the notifier told by one call, invalidate_page; here that is
 * a start with its end right behind it. (The kernel's ODP did both under one hold of umem_rwsem; a registration that comes between the
 * two is kept out there, and here sees an end without its start.)
 */
function unmapOne(actor: Actor, mm: Mm, vpn: Vpn, pfn: Pfn, forget: boolean): void {
  const { rules, steps } = mm.world;
  const asSection = rules.rmapSections && steps.unmapTellsAfterClear;
  if (!asSection && steps.unmapTellsAfterClear) {
    if (unmapPte(actor, mm, vpn, pfn, forget)) invalidatePage(actor, mm, vpn);
    return;
  }
  invalidateRangeStart(actor, mm, vpn, vpn, SECTION_EVENT.clear, true);
  if (!asSection) invalidateRangeEnd(actor, mm);
  const unmapped = unmapPte(actor, mm, vpn, pfn, forget);
  if (!asSection) return;
  point(actor, POINT['section.cleared'], vpn, vpn, unmapped ? 1 : 0);
  invalidateRangeEnd(actor, mm);
}

/** mmu_notifier_invalidate_page (until v4.13). */
function invalidatePage(actor: Actor, mm: Mm, vpn: Vpn): void {
  invalidateRangeStart(actor, mm, vpn, vpn, SECTION_EVENT.clear, true);
  invalidateRangeEnd(actor, mm);
}

/** remove_migration_ptes: entries that wait for `from` become entries for `to`, or swap entries (0). The caller holds `from`'s folio lock. */
export function removeMigrationEntries(actor: Actor, world: MmWorld, from: Pfn, to: Pfn): void {
  const { mem } = actor;
  const f = frameAddr(world.frames, from);
  const root = mem[f + FRAME.mapping] as Addr;
  const index = mem[f + FRAME.index];
  downRead(actor, rmapRwsem(root));
  for (let vma = rmapFirst(mem, root, index, index); vma !== NULL_ADDR; vma = rmapNext(mem, vma, index, index))
    restorePte(actor, world.mms[mem[vma + VMA.mm]], vmaAddress(mem, vma, index), from, to);
  upRead(actor, rmapRwsem(root));
}
