import { type Addr, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { spinLock, spinLockNested, spinUnlock } from '../sync/spin-lock.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { allocPageTable } from './alloc.ts';
import type { Mm } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { ptlOf } from './page-table.ts';
import { rmapRwsem } from './rmap-root.ts';
import { SECTION_EVENT } from './section.ts';
import { findVma, firstMapped, rangeValid, splitEdges, VMA, vmaEndWrite, vmaStartWrite } from './vma.ts';

/**
 * mremap(MREMAP_FIXED): moves pages start .. last, which must lie in one VMA, to `to`, where nothing may be mapped (the kernel would unmap
 * it). Under mmap_lock W, with one section over the old range around everything. The pages are not freed, but are at another address from
 * then on. Page tables for the new place are allocated inside the section, so that direct reclaim may open another in it.
 */
export function mremap(actor: Actor, mm: Mm, start: Vpn, last: Vpn, to: Vpn): Outcome {
  const toLast = (to + last - start) as Vpn;
  if (!rangeValid(mm, start, last) || !rangeValid(mm, to, toLast) || (to <= last && toLast >= start))
    return OUTCOME.einval;
  const { mem } = actor;
  point(actor, POINT['mremap.enter'], start, last, to);
  downWrite(actor, mm.mmapLock);
  let outcome: Outcome = OUTCOME.ok;
  const vma = findVma(mem, mm, start);
  if (vma === NULL_ADDR || mem[vma + VMA.last] < last) outcome = OUTCOME.efault;
  else if (firstMapped(mem, mm, to, toLast) >= 0) outcome = OUTCOME.einval;
  else if (!splitEdges(actor, mm, start, last)) outcome = OUTCOME.enomem;
  else moveVma(actor, mm, findVma(mem, mm, start), start, last, to);
  upWrite(actor, mm.mmapLock);
  count(actor, outcome === OUTCOME.ok ? COUNTER['op.mremap'] : COUNTER['fail.mremap']);
  return outcome;
}

/**
 * move_vma and move_page_tables. The kernel makes a second VMA and takes the rmap locks for each page table; here the VMA itself moves, with its
 * entries, under one hold of the reverse map's rwsem, so that truncate and reclaim meet all of it in one place or in the other. Its
 * pgoff and its stamps go along: they say what is mapped, not where.
 */
function moveVma(actor: Actor, mm: Mm, vma: Addr, start: Vpn, last: Vpn, to: Vpn): void {
  const { mem } = actor;
  const rwsem = rmapRwsem(mem[vma + VMA.rmap] as Addr);
  const toLast = (to + last - start) as Vpn;
  vmaStartWrite(actor, mm, vma);
  invalidateRangeStart(actor, mm, start, last, SECTION_EVENT.unmap, true);
  // Before the rmap lock: reclaim takes it for reading.
  for (let table = to >>> mm.ptlShift; table <= toLast >>> mm.ptlShift; table++) allocPageTable(actor, mm);
  downWrite(actor, rwsem);
  for (let i = 0; i <= last - start; i++) movePte(actor, mm, (start + i) as Vpn, (to + i) as Vpn);
  mem[vma + VMA.start] = to;
  mem[vma + VMA.last] = toLast;
  mem.fill(NULL_ADDR, mm.vmaOf + start, mm.vmaOf + last + 1);
  mem.fill(vma, mm.vmaOf + to, mm.vmaOf + toLast + 1);
  upWrite(actor, rwsem);
  point(actor, POINT['mremap.moved'], start, last, to);
  invalidateRangeEnd(actor, mm);
  vmaEndWrite(actor, mm, vma);
}

/**
 * move_ptes for one page. Both locks, the old place's first, as in the kernel: under mmap_lock W nobody else takes two of this mm, so their order
 * does not matter.
 */
function movePte(actor: Actor, mm: Mm, from: Vpn, to: Vpn): void {
  const { mem } = actor;
  const oldPtl = ptlOf(mm, from);
  const newPtl = ptlOf(mm, to);
  spinLock(actor, oldPtl);
  if (newPtl !== oldPtl) spinLockNested(actor, newPtl, 1);
  mem[mm.identityOf + to] = mem[mm.identityOf + from];
  mem[mm.pte + to] = mem[mm.pte + from];
  mem[mm.pte + from] = 0;
  if (newPtl !== oldPtl) spinUnlock(actor, newPtl);
  spinUnlock(actor, oldPtl);
}
