import type { Addr, Memory, Pfn, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import type { Actor } from '../trace/actor.ts';
import * as frameModule from './frame.ts';
import * as gatherModule from './gather.ts';
import type { Mm } from './mm.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, LINE_WORDS } = addressModule;
const { add } = atomicsModule;
const { spinLock, spinUnlock } = spinLockModule;
const { FRAME, frameAddr, getFrame, isFileIdentity } = frameModule;
const { tlbFlush, tlbGather } = gatherModule;

/**
 * A page-table entry is one word: present, write, frame << 4; 0 is none. It and its word of `identityOf` are read and written under
 * the page-table lock that covers the page, so plain loads and stores do.
 */
export const PTE = { present: 1, write: 2 } as const;
const PTE_FRAME_SHIFT = 4;

const LINE = LINE_WORDS;
const MAPCOUNT = FRAME.mapcount;
const GENERATION = FRAME.generation;

export const pteFrame = (pte: number): Pfn => (pte >>> PTE_FRAME_SHIFT) as Pfn;
export const ptePresent = (pte: number): boolean => (pte & PTE.present) !== 0;
export const pteWritable = (pte: number): boolean => (pte & PTE.write) !== 0;

/** pte_lockptr: the lock over the page table that holds this page's entry. */
export const ptlOf = (mm: Mm, vpn: Vpn): Addr => (mm.ptl + (vpn >>> mm.ptlShift) * LINE) as Addr;

/** The entry as it stands; without the lock it may change at once. For audits of a quiet system and for tests. */
export const ptePeek = (mem: Memory, mm: Mm, vpn: Vpn): number => mem[mm.pte + vpn];

/**
 * Installs an entry if there is still none (do_anonymous_page, finish_fault): false when another fault was first. The frame's
 * reference becomes the entry's. Its stamp goes into `identityOf` in the same critical section: this is what makes that table
 * sound. Under the lock an entry that is present, its frame and its stamp were all written by one fault, which held mmap_lock,
 * so the VMA was what it said; and no later change of the VMA matters to the page behind the entry.
 */
export function installPte(actor: Actor, mm: Mm, vpn: Vpn, pfn: Pfn, write: boolean, identity: number): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const none = mem[mm.pte + vpn] === 0;
  if (none) {
    mem[mm.identityOf + vpn] = identity;
    mem[mm.pte + vpn] = PTE.present | (write ? PTE.write : 0) | (pfn << PTE_FRAME_SHIFT);
    // Atomic: the frame's other mappings are under other locks.
    if (isFileIdentity(identity)) add(actor, at(frameAddr(mm.frames, pfn), MAPCOUNT), 1);
  }
  spinUnlock(actor, ptl);
  return none;
}

/**
 * follow_page_pte with FOLL_GET: when the entry is present (and writable, for a write), takes a reference to its frame and leaves
 * frame, generation and stamp in the actor, all of one moment, under the lock. It looks at nothing else, as the kernel's does: an
 * entry beyond i_size that truncate has not reached yet is followed.
 */
export function followPage(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  const wanted = write ? PTE.present | PTE.write : PTE.present;
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  const found = (pte & wanted) === wanted;
  if (found) {
    const pfn = pteFrame(pte);
    getFrame(actor, mm.frames, pfn);
    actor.gupPfn = pfn;
    // Plain: the reference keeps the frame from being freed, so the generation stands still.
    actor.gupGeneration = mem[frameAddr(mm.frames, pfn) + GENERATION];
    actor.gupIdentity = mem[mm.identityOf + vpn];
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
        full = tlbGather(actor, world, pteFrame(pte));
        cleared++;
      }
      vpn++;
    }
    spinUnlock(actor, ptl);
    if (full) tlbFlush(actor, world);
  }
  return cleared;
}

/** ptep_clear_flush and page_remove_rmap; the entry's reference is the caller's from here on. */
function clearPte(actor: Actor, mm: Mm, vpn: Vpn, pte: number): void {
  const { mem } = actor;
  mem[mm.pte + vpn] = 0;
  if (isFileIdentity(mem[mm.identityOf + vpn])) add(actor, at(frameAddr(mm.frames, pteFrame(pte)), MAPCOUNT), -1);
}
