import type { Addr, Vpn } from '../memory/address.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import type { Mm } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { firstPopulated, writeProtectRange } from './page-table.ts';
import { SECTION_EVENT } from './section.ts';
import { firstMapped, rangeValid, splitEdges, VMA, VMA_FLAGS, vmaEndWrite, vmaStartWrite } from './vma.ts';

/**
 * mprotect to read-only or back, under mmap_lock W. The section starts at the first page that is populated, and is not opened when none is. A
 * right that is given back is not written to the entries: the next write faults for it. ENOMEM as in the kernel: a hole in the range, and what
 * lies before it is done; or no VMA for a split, and nothing is.
 */
export function mprotect(actor: Actor, mm: Mm, start: Vpn, last: Vpn, writable: boolean): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const { mem } = actor;
  point(actor, POINT['mprotect.enter'], start, last, writable ? 1 : 0);
  downWrite(actor, mm.mmapLock);
  let outcome: Outcome = splitEdges(actor, mm, start, last) ? OUTCOME.ok : OUTCOME.enomem;
  let vpn = start;
  while (outcome === OUTCOME.ok && vpn <= last) {
    if (firstMapped(mem, mm, vpn, vpn) < 0) {
      outcome = OUTCOME.enomem;
      break;
    }
    const vma = mem[mm.vmaOf + vpn] as Addr;
    protectVma(actor, mm, vma, writable);
    vpn = (mem[vma + VMA.last] + 1) as Vpn;
  }
  upWrite(actor, mm.mmapLock);
  count(actor, COUNTER['op.mprotect']);
  return outcome;
}

/** mprotect_fixup and change_protection of one whole VMA. */
function protectVma(actor: Actor, mm: Mm, vma: Addr, writable: boolean): void {
  const { mem } = actor;
  const start = mem[vma + VMA.start] as Vpn;
  const last = mem[vma + VMA.last] as Vpn;
  vmaStartWrite(actor, mm, vma);
  mem[vma + VMA.flags] = writable ? mem[vma + VMA.flags] | VMA_FLAGS.write : mem[vma + VMA.flags] & ~VMA_FLAGS.write;
  const from = firstPopulated(actor, mm, start, last);
  if (from >= 0) {
    invalidateRangeStart(actor, mm, from, last, SECTION_EVENT.protectionVma, true);
    const changed = writable ? 0 : writeProtectRange(actor, mm, from, last);
    point(actor, POINT['section.cleared'], from, last, changed);
    invalidateRangeEnd(actor, mm);
  }
  vmaEndWrite(actor, mm, vma);
}
