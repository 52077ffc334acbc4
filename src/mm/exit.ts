import { at, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { load, rawStore, store } from '../sync/atomics.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { MM, type Mm } from './mm.ts';
import { detachRange, unmapRegion } from './munmap.ts';
import { mmuNotifierRelease } from './notifier.ts';
import { SECTION_EVENT } from './section.ts';

/**
 * exit_mmap: tells the notifiers, which are off the list from then on, and takes everything out. No thread of the process is left and no
 * reference to the mm, so nobody faults or registers here; truncate, reclaim and migration still come, through the reverse map.
 */
export function exitMmap(actor: Actor, mm: Mm): void {
  point(actor, POINT['exit.enter'], mm.id, 0, 0);
  mmuNotifierRelease(actor, mm);
  point(actor, POINT['exit.released'], mm.id, 0, 0);
  const last = (mm.pages - 1) as Vpn;
  downWrite(actor, mm.mmapLock);
  const detached = detachRange(actor, mm, 0 as Vpn, last);
  if (detached !== NULL_ADDR) unmapRegion(actor, mm, detached, 0 as Vpn, last, SECTION_EVENT.unmap);
  upWrite(actor, mm.mmapLock);
  count(actor, COUNTER['op.exit']);
  // Last: who waits for the end of the process finds it gone.
  store(actor, at(mm.addr, MM.exited), 1);
  point(actor, POINT['exit.done'], mm.id, 0, 0);
}

/** True once exit_mmap is through. */
export const mmExited = (actor: Actor, mm: Mm): boolean => load(actor, at(mm.addr, MM.exited)) !== 0;

/** mm_alloc: the address space is another process's from here on. The one before must have exited, and nobody may know of it any more. */
export function mmRevive(actor: Actor, mm: Mm): void {
  const { mem } = actor;
  rawStore(mem, at(mm.addr, MM.exited), 0);
  rawStore(mem, at(mm.addr, MM.users), 1);
}
