import type { Addr, Memory, Pfn, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { File } from './file.ts';
import * as fileModule from './file.ts';
import * as frameModule from './frame.ts';
import type { Mm } from './mm.ts';
import * as mmModule from './mm.ts';
import * as notifierModule from './notifier.ts';
import type { Outcome } from './outcome.ts';
import * as outcomeModule from './outcome.ts';
import * as pageTableModule from './page-table.ts';
import * as sectionModule from './section.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR, NULL_PFN } = addressModule;
const { add } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, upRead } = rwSemaphoreModule;
const { spinLock, spinUnlock } = spinLockModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { filemapAddFolio, filemapGetFolio, fileSize } = fileModule;
const { allocFrame, FRAME, frameAddr, frameRefs, getFrame, putFrame, stampLoad, stampStore } = frameModule;
const { MM } = mmModule;
const { invalidateRangeEnd, invalidateRangeStart } = notifierModule;
const { OUTCOME } = outcomeModule;
const { followPage, installPte, makePte, PTE, pteFrame, pteMigrating, ptePresent, pteWritable, ptlOf } =
  pageTableModule;
const { SECTION_EVENT } = sectionModule;
const { ANON_IDENTITIES, findVma, lockVmaUnderRcu, unlockVma, VMA, vmaIdentity, vmaIsFile, vmaPgoff, vmaWritable } =
  vmaModule;

/** A page that was faulted in may be gone before it is used; after so many rounds the answer is EAGAIN, never a loop without end. */
const FAULT_ROUNDS_MAX = 1000;

const FAILED = COUNTER['fail.touch'];
const WRITES = COUNTER['op.touchWrite'];
const READS = COUNTER['op.touchRead'];
const FAULTED = POINT['mm.faulted'];
const CPU_WRITE = POINT['cpu.write'];
const CPU_READ = POINT['cpu.read'];
const READ_WRITE = PTE.present | PTE.write;
const READ_ONLY = PTE.present;
/** Copies of an mm whose stamps can be told apart. */
const COPIES_BITS = 20;
const COPIES_MASK = 2 ** COPIES_BITS - 1;

/**
 * handle_mm_fault: makes `vpn` present, or says why not; ok may also say that the caller should look again. The caller holds mmap_lock, at
 * least for reading, or the VMA's lock, and has looked at the page table: what it found is in `actor.gupPte` (orig_pte). Anonymous memory
 * gets a frame at the first read, too: there is no zero page. Files are mapped shared, so only anonymous pages are copied on write.
 */
export function handleMmFault(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): Outcome {
  const { mem } = actor;
  const vma = findVma(mem, mm, vpn);
  const orig = actor.gupPte;
  let outcome: Outcome;
  if (vma === NULL_ADDR || (write && !vmaWritable(mem, vma))) outcome = OUTCOME.efault;
  else if (orig === 0)
    outcome = vmaIsFile(mem, vma) ? doSharedFault(actor, mm, vma, vpn) : doAnonymousPage(actor, mm, vma, vpn);
  else outcome = handlePte(actor, mm, vma, vpn, write, orig);
  point(actor, FAULTED, vpn, write ? 1 : 0, outcome);
  return outcome;
}

/** handle_pte_fault of an entry that is something else than none. */
function handlePte(actor: Actor, mm: Mm, vma: Addr, vpn: Vpn, write: boolean, orig: number): Outcome {
  if (pteMigrating(orig)) return migrationEntryWait(actor, mm, orig);
  if (!ptePresent(orig)) return doAnonymousPage(actor, mm, vma, vpn, actor.gupIdentity, orig);
  // Somebody else was first with a read.
  if (!write || pteWritable(orig)) return OUTCOME.ok;
  return doWpPage(actor, mm, vma, vpn, orig);
}

/**
 * do_anonymous_page, and do_swap_page with the stamp of the page that comes back. The frame can be found by reclaim as soon as it has its
 * place in the reverse map, before the entry is there: it has one reference too many then, and is left alone.
 */
function doAnonymousPage(
  actor: Actor,
  mm: Mm,
  vma: Addr,
  vpn: Vpn,
  identity = vmaIdentity(actor.mem, vma, vpn),
  orig = 0,
): Outcome {
  const { mem } = actor;
  const pfn = allocFrame(actor, mm.frames, identity);
  if (pfn === NULL_PFN) return OUTCOME.enomem;
  setAnonRmap(mem, mm, vma, vpn, pfn);
  if (!installPte(actor, mm, vpn, pfn, vmaWritable(mem, vma), identity, orig)) putFrame(actor, mm.frames, pfn);
  return OUTCOME.ok;
}

/** __folio_set_anon. Plain: until its entry is there, nobody but reclaim looks at it, and that finds no entry. */
function setAnonRmap(mem: Memory, mm: Mm, vma: Addr, vpn: Vpn, pfn: Pfn): void {
  const f = frameAddr(mm.frames, pfn);
  mem[f + FRAME.mapping] = mem[vma + VMA.rmap];
  mem[f + FRAME.index] = vmaPgoff(mem, vma, vpn);
}

/**
 * migration_entry_wait: who migrates or reclaims the page holds its folio lock until all entries are what they shall be. The frame may be
 * free or another's by now; then the wait is for nothing, and the caller's next look tells.
 */
function migrationEntryWait(actor: Actor, mm: Mm, orig: number): Outcome {
  const folioLock = at(frameAddr(mm.frames, pteFrame(orig)), FRAME.folioLock);
  count(actor, COUNTER['exposure.faultMeetsMigration']);
  if (mm.world.steps.migrationWaits) {
    mutexLock(actor, folioLock);
    mutexUnlock(actor, folioLock);
  }
  return OUTCOME.ok;
}

/**
 * do_wp_page: a shared file's page is simply made writable, and so is an anonymous one that nobody else refers to (wp_page_reuse). Any other
 * is copied, in a section of one page, as the entry then leads to another frame (wp_page_copy). The old page lives on with who has it.
 * A frame's stamp says whose content it is, so that the copy has a new one.
 */
function doWpPage(actor: Actor, mm: Mm, vma: Addr, vpn: Vpn, orig: number): Outcome {
  const { mem } = actor;
  const { frames } = mm;
  const old = pteFrame(orig);
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const same = mem[mm.pte + vpn] === orig;
  const reuse = same && (vmaIsFile(mem, vma) || frameRefs(actor, frames, old) === 1);
  if (reuse) mem[mm.pte + vpn] = orig | PTE.write;
  else if (same) getFrame(actor, frames, old);
  spinUnlock(actor, ptl);
  if (reuse || !same) return OUTCOME.ok;
  const identity = ANON_IDENTITIES - (mm.id << COPIES_BITS) - (add(actor, at(mm.addr, MM.cowNext), 1) & COPIES_MASK);
  const copy = allocFrame(actor, frames, identity);
  if (copy === NULL_PFN) {
    putFrame(actor, frames, old);
    return OUTCOME.enomem;
  }
  setAnonRmap(mem, mm, vma, vpn, copy);
  // Blockable, so nobody may refuse it.
  invalidateRangeStart(actor, mm, vpn, vpn, SECTION_EVENT.clear, true);
  spinLock(actor, ptl);
  const still = mem[mm.pte + vpn] === orig;
  if (still) {
    mem[mm.pte + vpn] = makePte(copy, PTE.present | PTE.write);
    mem[mm.identityOf + vpn] = identity;
  }
  spinUnlock(actor, ptl);
  point(actor, POINT['section.cleared'], vpn, vpn, still ? 1 : 0);
  invalidateRangeEnd(actor, mm);
  if (still) {
    count(actor, COUNTER['op.copyOnWrite']);
    putFrame(actor, frames, old);
  } else putFrame(actor, frames, copy);
  putFrame(actor, frames, old);
  return OUTCOME.ok;
}

/**
 * do_shared_fault with filemap_fault. i_size is looked at twice: before the page cache, and again under the folio lock. Truncate
 * lowers i_size before it takes that lock to remove the page, so either this fault sees the new size, or truncate finds the
 * page mapped and unmaps it.
 */
function doSharedFault(actor: Actor, mm: Mm, vma: Addr, vpn: Vpn): Outcome {
  const { mem } = actor;
  const { frames } = mm;
  const file = mm.world.files[mem[vma + VMA.file]];
  const index = vmaPgoff(mem, vma, vpn);
  for (let round = 0; round < FAULT_ROUNDS_MAX; round++) {
    if (index >= fileSize(actor, file)) return OUTCOME.sigbus;
    let pfn = filemapGetFolio(actor, file, frames, index);
    if (pfn === NULL_PFN) {
      // Under the invalidate lock, so that the cache is not filled while truncate empties it.
      downRead(actor, file.invalidateLock);
      const beyond = index >= fileSize(actor, file);
      if (!beyond) pfn = filemapAddFolio(actor, file, frames, index);
      upRead(actor, file.invalidateLock);
      if (beyond) return OUTCOME.sigbus;
      if (pfn === NULL_PFN) return OUTCOME.enomem;
    }
    const outcome = finishFault(actor, mm, file, vma, vpn, index, pfn);
    if (outcome !== OUTCOME.eagain) return outcome;
  }
  return OUTCOME.eagain;
}

/** finish_fault under the folio lock; consumes the reference to the frame. EAGAIN when it has left the page cache meanwhile. */
function finishFault(actor: Actor, mm: Mm, file: File, vma: Addr, vpn: Vpn, index: number, pfn: Pfn): Outcome {
  const { mem } = actor;
  const { frames } = mm;
  const f = frameAddr(frames, pfn);
  const folioLock = at(f, FRAME.folioLock);
  mutexLock(actor, folioLock);
  let outcome: Outcome = OUTCOME.ok;
  let installed = false;
  // The reference keeps the frame from being used again, so if it is in a cache, it is in this one, at this index.
  if (mem[f + FRAME.inCache] === 0) outcome = OUTCOME.eagain;
  else if (index >= fileSize(actor, file)) outcome = OUTCOME.sigbus;
  else installed = installPte(actor, mm, vpn, pfn, vmaWritable(mem, vma), vmaIdentity(mem, vma, vpn));
  mutexUnlock(actor, folioLock);
  if (!installed) putFrame(actor, frames, pfn);
  return outcome;
}

/**
 * get_user_pages for one page, in actor.gupPfn, gupGeneration and gupIdentity; the caller puts the reference. The caller holds
 * mmap_lock. As in the kernel, the VMA is looked up first, then the page table, and only without an entry there is the fault
 * handler asked, so a present entry beyond i_size is handed out.
 */
export function getUserPage(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): Outcome {
  const { mem } = actor;
  const vma = findVma(mem, mm, vpn);
  if (vma === NULL_ADDR || (write && !vmaWritable(mem, vma))) return OUTCOME.efault;
  for (let round = 0; round < FAULT_ROUNDS_MAX; round++) {
    if (followPage(actor, mm, vpn, write)) return OUTCOME.ok;
    const outcome = handleMmFault(actor, mm, vpn, write);
    if (outcome !== OUTCOME.ok) return outcome;
  }
  return OUTCOME.eagain;
}

/**
 * A load or store of the CPU. The page table is looked at under its lock, which stands in for the hardware's walk and the TLB
 * flush in one: no access is under way once an entry has been cleared. A stamp that is not the one expected goes to the observer.
 */
export function cpuAccess(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): Outcome {
  if (vpn < 0 || vpn >= mm.pages) return OUTCOME.efault;
  for (let round = 0; round < FAULT_ROUNDS_MAX; round++) {
    if (accessPresent(actor, mm, vpn, write)) return OUTCOME.ok;
    const outcome = doUserAddrFault(actor, mm, vpn, write);
    if (outcome !== OUTCOME.ok) {
      count(actor, FAILED);
      return outcome;
    }
  }
  count(actor, FAILED);
  return OUTCOME.eagain;
}

/** do_user_addr_fault: under the VMA's lock where there are such and it can be had, else under mmap_lock. */
function doUserAddrFault(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): Outcome {
  const vma = lockVmaUnderRcu(actor, mm, vpn);
  if (vma === NULL_ADDR) downRead(actor, mm.mmapLock);
  const outcome = handleMmFault(actor, mm, vpn, write);
  if (vma === NULL_ADDR) upRead(actor, mm.mmapLock);
  else unlockVma(actor, vma);
  return outcome;
}

/** The access itself; false when there is no entry that allows it. */
function accessPresent(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  const wanted = write ? READ_WRITE : READ_ONLY;
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  if ((pte & wanted) !== wanted) {
    actor.gupPte = pte;
    actor.gupIdentity = mem[mm.identityOf + vpn];
    spinUnlock(actor, ptl);
    return false;
  }
  const pfn = pteFrame(pte);
  // Not the VMA's own answer: that may be changing under another thread's mmap_lock. See installPte.
  const expected = mem[mm.identityOf + vpn];
  const found = stampLoad(actor, mm.frames, pfn);
  if (write) stampStore(actor, mm.frames, pfn, expected);
  spinUnlock(actor, ptl);
  if (found !== expected) actor.observer.cpuAccessed(actor, vpn, pfn, expected, found);
  count(actor, write ? WRITES : READS);
  point(actor, write ? CPU_WRITE : CPU_READ, vpn, pfn, found);
  return true;
}
