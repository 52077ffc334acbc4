import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { Mm } from './mm.ts';
import type { Outcome } from './outcome.ts';
import * as outcomeModule from './outcome.ts';
import * as rmapModule from './rmap.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { downRead, upRead } = rwSemaphoreModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { OUTCOME } = outcomeModule;
const { zapPageRangeSingle } = rmapModule;
const { firstMapped, lockVmaUnderRcu, rangeValid, unlockVma, VMA } = vmaModule;

const ENTER = POINT['madvise.enter'];
const MADVISES = COUNTER['op.madvise'];
const VMA_LAST = VMA.last;

/**
 * madvise(MADV_DONTNEED) under mmap_lock R, or, from v6.17 on, under the lock of the one VMA that holds the range: for each VMA in the range a section of its own, and the frames after its end. As in
 * the kernel, ENOMEM says that part of the range has no VMA; the rest was done all the same.
 */
export function madviseDontneed(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const { mem } = actor;
  point(actor, ENTER, start, last, 0);
  const locked = lockVmaUnderRcu(actor, mm, start);
  if (locked !== NULL_ADDR) {
    const inside = mem[locked + VMA_LAST] >= last;
    if (inside) zapPageRangeSingle(actor, mm, start, last);
    unlockVma(actor, locked);
    if (inside) {
      count(actor, MADVISES);
      return OUTCOME.ok;
    }
  }
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
