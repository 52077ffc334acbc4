import type { Addr, Memory, Pfn, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import type { Actor } from '../trace/actor.ts';
import * as frameModule from './frame.ts';
import * as gatherModule from './gather.ts';
import type { Mm } from './mm.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, LINE_WORDS, NULL_PFN } = addressModule;
const { add, readOnce } = atomicsModule;
const { spinLock, spinUnlock } = spinLockModule;
const { FRAME, frameAddr, getFrame, isFileIdentity, putFrame } = frameModule;
const { tlbFlush, tlbGather } = gatherModule;

/**
 * A page-table entry is one word: present, write, frame << 4; 0 is none. It and its word of `identityOf` are read and written under
 * the page-table lock that covers the page, so plain loads and stores do.
 * `swap`: the page is in swap, and `identityOf` says which one it is: that is all there is to a page. `migration`: it is about to have
 * another frame, or to go to swap; until then the frame that it had is in the entry, and whoever wants the page waits for its folio lock.
 */
export const PTE = { present: 1, write: 2, swap: 4, migration: 8 } as const;
const PTE_FRAME_SHIFT = 4;

const LINE = LINE_WORDS;
const MAPCOUNT = FRAME.mapcount;
const GENERATION = FRAME.generation;

export const pteFrame = (pte: number): Pfn => (pte >>> PTE_FRAME_SHIFT) as Pfn;
export const ptePresent = (pte: number): boolean => (pte & PTE.present) !== 0;
export const pteWritable = (pte: number): boolean => (pte & PTE.write) !== 0;
export const pteMigrating = (pte: number): boolean => (pte & PTE.migration) !== 0;
export const makePte = (pfn: Pfn, flags: number): number => flags | (pfn << PTE_FRAME_SHIFT);

/** pte_lockptr: the lock over the page table that holds this page's entry. */
export const ptlOf = (mm: Mm, vpn: Vpn): Addr => (mm.ptl + (vpn >>> mm.ptlShift) * LINE) as Addr;

/** The entry as it stands; without the lock it may change at once. For audits of a quiet system and for tests. */
export const ptePeek = (mem: Memory, mm: Mm, vpn: Vpn): number => mem[mm.pte + vpn];

/**
 * Installs an entry where `orig` was found before: none, or a swap entry of the same page (do_anonymous_page, do_swap_page,
 * finish_fault): false when another fault was first. The frame's reference becomes the entry's. Its stamp goes into `identityOf` in the same critical section: this is what makes that table
 * sound. Under the lock an entry that is present, its frame and its stamp were all written by one fault, which held mmap_lock,
 * so the VMA was what it said; and no later change of the VMA matters to the page behind the entry.
 */
export function installPte(
  actor: Actor,
  mm: Mm,
  vpn: Vpn,
  pfn: Pfn,
  write: boolean,
  identity: number,
  orig = 0,
): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const none = mem[mm.pte + vpn] === orig && (orig === 0 || mem[mm.identityOf + vpn] === identity);
  if (none) {
    mem[mm.identityOf + vpn] = identity;
    mem[mm.pte + vpn] = makePte(pfn, PTE.present | (write ? PTE.write : 0));
    // Atomic: the frame's other mappings are under other locks.
    if (isFileIdentity(identity)) add(actor, at(frameAddr(mm.frames, pfn), MAPCOUNT), 1);
  }
  spinUnlock(actor, ptl);
  return none;
}

/**
 * follow_page_pte with FOLL_GET: when the entry is present (and writable, for a write), takes a reference to its frame and leaves
 * frame, generation and stamp in the actor, all of one moment, under the lock. Otherwise it leaves what it found there, for the fault
 * handler. It looks at nothing else, as the kernel's does: an
 * entry beyond i_size that truncate has not reached yet is followed.
 */
export function followPage(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  const wanted = write ? PTE.present | PTE.write : PTE.present;
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  const found = (pte & wanted) === wanted;
  actor.gupPte = pte;
  actor.gupIdentity = mem[mm.identityOf + vpn];
  if (found) {
    const pfn = pteFrame(pte);
    getFrame(actor, mm.frames, pfn);
    actor.gupPfn = pfn;
    // Plain: the reference keeps the frame from being freed, so the generation stands still.
    actor.gupGeneration = mem[frameAddr(mm.frames, pfn) + GENERATION];
  }
  spinUnlock(actor, ptl);
  return found;
}

/**
 * zap_pte_range: clears the entries of start .. last and gathers their frames; returns how many it cleared. A batch that is full
 * is released between two holds of the lock, which is before the section ends.
 */
export function zapPteRange(actor: Actor, mm: Mm, start: Vpn, last: Vpn): number {
  const { mem } = actor;
  const { world } = mm;
  let cleared = 0;
  let vpn = start as number;
  while (vpn <= last) {
    let full = false;
    const ptl = ptlOf(mm, vpn as Vpn);
    const tableLast = vpn | ((1 << mm.ptlShift) - 1);
    const end = tableLast < last ? tableLast : last;
    spinLock(actor, ptl);
    while (vpn <= end && !full) {
      const pte = mem[mm.pte + vpn];
      if (pte !== 0) {
        clearPte(actor, mm, vpn as Vpn, pte);
        // Other entries hold no reference.
        if ((pte & PTE.present) !== 0) full = tlbGather(actor, world, pteFrame(pte));
        cleared++;
      }
      vpn++;
    }
    spinUnlock(actor, ptl);
    if (full) tlbFlush(actor, world);
  }
  return cleared;
}

/** ptep_clear_flush and page_remove_rmap; the reference of an entry that is present is the caller's from here on. */
export function clearPte(actor: Actor, mm: Mm, vpn: Vpn, pte: number): void {
  const { mem } = actor;
  mem[mm.pte + vpn] = 0;
  if ((pte & PTE.present) !== 0 && isFileIdentity(mem[mm.identityOf + vpn]))
    add(actor, at(frameAddr(mm.frames, pteFrame(pte)), MAPCOUNT), -1);
}

/**
 * change_pte_range: takes the right to write from the entries of start .. last; returns how many had it. Nobody gets a right back here:
 * the next write faults, and is given it, or a copy.
 */
export function writeProtectRange(actor: Actor, mm: Mm, start: Vpn, last: Vpn): number {
  const { mem } = actor;
  let changed = 0;
  let vpn = start as number;
  while (vpn <= last) {
    const ptl = ptlOf(mm, vpn as Vpn);
    const tableLast = vpn | ((1 << mm.ptlShift) - 1);
    const end = tableLast < last ? tableLast : last;
    spinLock(actor, ptl);
    for (; vpn <= end; vpn++) {
      const pte = mem[mm.pte + vpn];
      if ((pte & PTE.write) === 0) continue;
      mem[mm.pte + vpn] = pte & ~PTE.write;
      changed++;
    }
    spinUnlock(actor, ptl);
  }
  return changed;
}

/** The first page of start .. last that has an entry, or -1. Under mmap_lock; a look without the lock, as pmd_none_or_clear_bad takes. */
export function firstPopulated(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Vpn {
  for (let vpn = start as number; vpn <= last; vpn++) if (readOnce(actor, at(mm.pte, vpn)) !== 0) return vpn as Vpn;
  return -1 as Vpn;
}

/**
 * try_to_migrate_one, try_to_unmap_one: if the entry of `vpn` maps `pfn`, takes it away, with its reference, and leaves a migration
 * entry in its place or, with `forget`, none. The caller has a reference of its own and the folio lock.
 */
export function unmapPte(actor: Actor, mm: Mm, vpn: Vpn, pfn: Pfn, forget: boolean): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  const maps = ptePresent(pte) && pteFrame(pte) === pfn;
  if (maps) {
    clearPte(actor, mm, vpn, pte);
    if (!forget) mem[mm.pte + vpn] = makePte(pfn, PTE.migration | (pte & PTE.write));
  }
  spinUnlock(actor, ptl);
  if (maps) putFrame(actor, mm.frames, pfn);
  return maps;
}

/**
 * remove_migration_pte: the migration entry of `vpn` for `from`, if it is still there, becomes an entry for `to` (0: a swap entry). No
 * notifier is told: whoever mapped the page before has been told that it went, and nobody could map it since.
 */
export function restorePte(actor: Actor, mm: Mm, vpn: Vpn, from: Pfn, to: Pfn): void {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  if (pteMigrating(pte) && pteFrame(pte) === from) {
    mem[mm.pte + vpn] = to === NULL_PFN ? PTE.swap : makePte(to, PTE.present | (pte & PTE.write));
    if (to !== NULL_PFN) {
      getFrame(actor, mm.frames, to);
      if (isFileIdentity(mem[mm.identityOf + vpn])) add(actor, at(frameAddr(mm.frames, to), MAPCOUNT), 1);
    }
  }
  spinUnlock(actor, ptl);
}
