import type { Addr, Pfn, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
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
import type { Outcome } from './outcome.ts';
import * as outcomeModule from './outcome.ts';
import * as pageTableModule from './page-table.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR, NULL_PFN } = addressModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, upRead } = rwSemaphoreModule;
const { spinLock, spinUnlock } = spinLockModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { filemapAddFolio, filemapGetFolio, fileSize } = fileModule;
const { allocFrame, FRAME, frameAddr, putFrame, stampLoad, stampStore } = frameModule;
const { OUTCOME } = outcomeModule;
const { followPage, installPte, PTE, pteFrame, ptlOf } = pageTableModule;
const { findVma, VMA, vmaIdentity, vmaIsFile, vmaPgoff, vmaWritable } = vmaModule;

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

/**
 * handle_mm_fault: makes `vpn` present, or says why not. The caller holds mmap_lock, at least for reading. Anonymous memory gets a
 * frame at the first read, too: there is no zero page. Files are mapped shared, so nothing is ever copied on write.
 */
export function handleMmFault(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): Outcome {
  const { mem } = actor;
  const vma = findVma(mem, mm, vpn);
  let outcome: Outcome;
  if (vma === NULL_ADDR || (write && !vmaWritable(mem, vma))) outcome = OUTCOME.efault;
  else outcome = vmaIsFile(mem, vma) ? doSharedFault(actor, mm, vma, vpn) : doAnonymousPage(actor, mm, vma, vpn);
  point(actor, FAULTED, vpn, write ? 1 : 0, outcome);
  return outcome;
}

/** do_anonymous_page. */
function doAnonymousPage(actor: Actor, mm: Mm, vma: Addr, vpn: Vpn): Outcome {
  const identity = vmaIdentity(actor.mem, vma, vpn);
  const pfn = allocFrame(actor, mm.frames, identity);
  if (pfn === NULL_PFN) return OUTCOME.enomem;
  if (!installPte(actor, mm, vpn, pfn, vmaWritable(actor.mem, vma), identity)) putFrame(actor, mm.frames, pfn);
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
    downRead(actor, mm.mmapLock);
    const outcome = handleMmFault(actor, mm, vpn, write);
    upRead(actor, mm.mmapLock);
    if (outcome !== OUTCOME.ok) {
      count(actor, FAILED);
      return outcome;
    }
  }
  count(actor, FAILED);
  return OUTCOME.eagain;
}

/** The access itself; false when there is no entry that allows it. */
function accessPresent(actor: Actor, mm: Mm, vpn: Vpn, write: boolean): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  const wanted = write ? READ_WRITE : READ_ONLY;
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  if ((pte & wanted) !== wanted) {
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
