import type { Addr, Vpn } from '../memory/address.ts';
import { downRead, upRead } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import type { Mm } from './mm.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { zapPageRangeSingle } from './rmap.ts';
import { firstMapped, rangeValid, VMA } from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const ENTER = POINT['madvise.enter'];
const MADVISES = COUNTER['op.madvise'];
const VMA_LAST = VMA.last;

/**
 * madvise(MADV_DONTNEED) under mmap_lock R: for each VMA in the range a section of its own, and the frames after its end. As in
 * the kernel, ENOMEM says that part of the range has no VMA; the rest was done all the same.
 */
export function madviseDontneed(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const { mem } = actor;
  point(actor, ENTER, start, last, 0);
  downRead(actor, mm.mmapLock);
  let hole = false;
  let vpn = start;
  while (vpn <= last) {
    const from = firstMapped(mem, mm, vpn, last);
    if (from !== vpn) hole = true;
    if (from < 0) break;
    const vmaLast = mem[(mem[mm.vmaOf + from] as Addr) + VMA_LAST];
    const to = (vmaLast < last ? vmaLast : last) as Vpn;
    zapPageRangeSingle(actor, mm, from, to);
    vpn = (to + 1) as Vpn;
  }
  upRead(actor, mm.mmapLock);
  count(actor, MADVISES);
  return hole ? OUTCOME.enomem : OUTCOME.ok;
}
