import { type Addr, NULL_ADDR, NULL_PFN, type Pfn, type Vpn } from '../memory/address.ts';
import { downRead, downWrite, upRead, upWrite } from '../sync/rw-semaphore.ts';
import { spinLock, spinUnlock } from '../sync/spin-lock.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { allocFrame, FRAME, frameAddr, frameRefs, putFrame } from './frame.ts';
import type { Mm } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { clearPte, makePte, PTE, pteFrame, ptePresent, ptlOf } from './page-table.ts';
import { rmapRwsem } from './rmap-root.ts';
import { SECTION_EVENT } from './section.ts';
import { findVma, rangeValid, VMA, vmaEndWrite, vmaIsFile, vmaPgoff, vmaStartWrite, vmaWritable } from './vma.ts';

/** No other entry has both: one that is being migrated by somebody else stays what it is. */
const ISOLATED = PTE.swap | PTE.migration;

/**
 * collapse_huge_page: khugepaged puts pages start .. last of one anonymous VMA into new frames, which the kernel would map by one entry. Under
 * mmap_lock W and the anon_vma's rwsem W, so that neither faults nor reclaim come between; start, clear the page table, end; then the pages are
 * copied and mapped anew. A page that somebody else refers to, or that is not there, stays as it is.
 *
 * The step `collapseNotifies` is the notification: the paths for shmem and files came without one (f268f6cf875f).
 */
export function collapse(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  point(actor, POINT['collapse.enter'], start, last, 0);
  // hugepage_vma_revalidate: a first look under the lock for reading.
  downRead(actor, mm.mmapLock);
  const fits = collapsible(actor, mm, start, last) !== NULL_ADDR;
  upRead(actor, mm.mmapLock);
  if (!fits) return OUTCOME.einval;
  downWrite(actor, mm.mmapLock);
  const vma = collapsible(actor, mm, start, last);
  if (vma !== NULL_ADDR) {
    vmaStartWrite(actor, mm, vma);
    collapseVma(actor, mm, vma, start, last);
    vmaEndWrite(actor, mm, vma);
    count(actor, COUNTER['op.collapse']);
  }
  upWrite(actor, mm.mmapLock);
  return vma === NULL_ADDR ? OUTCOME.einval : OUTCOME.ok;
}

/** The anonymous VMA that holds the whole range, or none. */
function collapsible({ mem }: Actor, mm: Mm, start: Vpn, last: Vpn): Addr {
  const vma = findVma(mem, mm, start);
  return vma !== NULL_ADDR && !vmaIsFile(mem, vma) && mem[vma + VMA.last] >= last ? vma : NULL_ADDR;
}

function collapseVma(actor: Actor, mm: Mm, vma: Addr, start: Vpn, last: Vpn): void {
  const { mem } = actor;
  const rwsem = rmapRwsem(mem[vma + VMA.rmap] as Addr);
  const { collapseNotifies } = mm.world.steps;
  downWrite(actor, rwsem);
  if (collapseNotifies) invalidateRangeStart(actor, mm, start, last, SECTION_EVENT.clear, true);
  let moved = 0;
  for (let vpn = start as number; vpn <= last; vpn++) if (isolate(actor, mm, vpn as Vpn)) moved++;
  point(actor, POINT['section.cleared'], start, last, moved);
  if (collapseNotifies) invalidateRangeEnd(actor, mm);
  for (let vpn = start as number; vpn <= last; vpn++) copyBack(actor, mm, vma, vpn as Vpn);
  upWrite(actor, rwsem);
}

/**
 * __collapse_huge_page_isolate: an entry whose frame nobody else refers to becomes one that holds the frame, with its reference, until
 * `copyBack`. Nobody looks at it meanwhile: faults need mmap_lock or the VMA's, reclaim the anon_vma's.
 */
function isolate(actor: Actor, mm: Mm, vpn: Vpn): boolean {
  const { mem } = actor;
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  const pte = mem[mm.pte + vpn];
  const alone = ptePresent(pte) && frameRefs(actor, mm.frames, pteFrame(pte)) === 1;
  if (alone) {
    clearPte(actor, mm, vpn, pte);
    mem[mm.pte + vpn] = makePte(pteFrame(pte), ISOLATED);
  }
  spinUnlock(actor, ptl);
  return alone;
}

/** __collapse_huge_page_copy for one page. Without memory for the copy the old frame is mapped again: no notifier has to know. */
function copyBack(actor: Actor, mm: Mm, vma: Addr, vpn: Vpn): void {
  const { mem } = actor;
  const { frames } = mm;
  const pte = mem[mm.pte + vpn];
  if ((pte & ISOLATED) !== ISOLATED) return;
  const old = pteFrame(pte);
  const copy = allocFrame(actor, frames, mem[mm.identityOf + vpn]);
  const to: Pfn = copy === NULL_PFN ? old : copy;
  const t = frameAddr(frames, to);
  mem[t + FRAME.mapping] = mem[vma + VMA.rmap];
  mem[t + FRAME.index] = vmaPgoff(mem, vma, vpn);
  const ptl = ptlOf(mm, vpn);
  spinLock(actor, ptl);
  mem[mm.pte + vpn] = makePte(to, PTE.present | (vmaWritable(mem, vma) ? PTE.write : 0));
  spinUnlock(actor, ptl);
  if (to !== old) putFrame(actor, frames, old);
}
