import { type Addr, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { spinLock, spinLockNested, spinUnlock } from '../sync/spin-lock.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { allocPageTable } from './alloc.ts';
import { getFrame } from './frame.ts';
import type { Mm } from './mm.ts';
import { munmap } from './munmap.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { PTE, pteFrame, ptePresent, ptlOf } from './page-table.ts';
import { SECTION_EVENT } from './section.ts';
import { allocVma, firstMapped, insertVma, rangeValid, VMA, vmaEndWrite, vmaIsFile, vmaStartWrite } from './vma.ts';

/**
 * fork (dup_mmap): `child`, which must be empty, gets the VMAs of the parent that touch start .. last. Under the parent's mmap_lock W. Private
 * memory is shared from then on, and written by neither: for each such VMA there is a section in which its entries lose the right to write
 * and are copied; the child's page tables are allocated inside it. The pages are not freed: what a device must lose is the right to write
 * to them, as the child would see it. File mappings are shared anyway and found again by faults, so nothing is copied of them.
 *
 * The child's mmap_lock is not taken: nobody else knows of the child yet, but reclaim, which comes through the reverse map.
 * ENOMEM when no VMA is left; the child is empty then. The kernel flushes the TLB after the sections; there is none here.
 */
export function fork(actor: Actor, parent: Mm, child: Mm, start: Vpn, last: Vpn): Outcome {
  if (parent === child || !rangeValid(parent, start, last) || child.pages < parent.pages) return OUTCOME.einval;
  const { mem } = actor;
  const childLast = (child.pages - 1) as Vpn;
  if (firstMapped(mem, child, 0 as Vpn, childLast) >= 0) return OUTCOME.einval;
  point(actor, POINT['fork.enter'], start, last, child.id);
  downWrite(actor, parent.mmapLock);
  let outcome: Outcome = OUTCOME.ok;
  for (let vpn = firstMapped(mem, parent, start, last); vpn >= 0 && outcome === OUTCOME.ok; ) {
    const vma = mem[parent.vmaOf + vpn] as Addr;
    outcome = dupVma(actor, parent, child, vma);
    const next = (mem[vma + VMA.last] + 1) as Vpn;
    vpn = next > last ? (-1 as Vpn) : firstMapped(mem, parent, next, last);
  }
  upWrite(actor, parent.mmapLock);
  if (outcome !== OUTCOME.ok) munmap(actor, child, 0 as Vpn, childLast);
  else count(actor, COUNTER['op.fork']);
  point(actor, POINT['fork.copied'], start, last, child.id);
  return outcome;
}

function dupVma(actor: Actor, parent: Mm, child: Mm, vma: Addr): Outcome {
  const { mem } = actor;
  const copy = allocVma(actor, parent.world);
  if (copy === NULL_ADDR) return OUTCOME.enomem;
  vmaStartWrite(actor, parent, vma);
  mem.copyWithin(copy, vma, vma + VMA.lock);
  mem[copy + VMA.mm] = child.id;
  // In the reverse map before it has entries, so that there is none that reclaim could not find.
  insertVma(actor, child, copy);
  if (!vmaIsFile(mem, vma))
    copyPageRange(actor, parent, child, mem[vma + VMA.start] as Vpn, mem[vma + VMA.last] as Vpn);
  vmaEndWrite(actor, parent, vma);
  return OUTCOME.ok;
}

/** copy_page_range of a private VMA. */
function copyPageRange(actor: Actor, parent: Mm, child: Mm, start: Vpn, last: Vpn): void {
  invalidateRangeStart(actor, parent, start, last, SECTION_EVENT.protectionPage, true);
  let shared = 0;
  for (let vpn = start as number; vpn <= last; vpn++) {
    if (vpn === start || (vpn & ((1 << child.ptlShift) - 1)) === 0) allocPageTable(actor, child);
    if (copyPresentPte(actor, parent, child, vpn as Vpn)) shared++;
  }
  point(actor, POINT['section.cleared'], start, last, shared);
  invalidateRangeEnd(actor, parent);
}

/**
 * copy_present_pte, copy_nonpresent_pte. Both page-table locks, so that a migration entry has a copy or is over, but never a copy that nobody
 * will restore. Parent before child: nobody takes them the other way round.
 */
function copyPresentPte(actor: Actor, parent: Mm, child: Mm, vpn: Vpn): boolean {
  const { mem } = actor;
  const ptl = ptlOf(parent, vpn);
  const childPtl = ptlOf(child, vpn);
  spinLock(actor, ptl);
  const pte = mem[parent.pte + vpn] & ~PTE.write;
  if (pte !== 0) {
    mem[parent.pte + vpn] = pte;
    if (ptePresent(pte)) getFrame(actor, parent.frames, pteFrame(pte));
    spinLockNested(actor, childPtl, 1);
    mem[child.identityOf + vpn] = mem[parent.identityOf + vpn];
    mem[child.pte + vpn] = pte;
    spinUnlock(actor, childPtl);
  }
  spinUnlock(actor, ptl);
  return pte !== 0;
}
