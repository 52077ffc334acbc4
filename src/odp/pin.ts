import * as deviceModule from '../hca/device.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as faultModule from '../mm/fault.ts';
import * as frameModule from '../mm/frame.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as pagesModule from './pages.ts';
import type { Ucontext } from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ENTRY_PINNED, ENTRY_VALID, ENTRY_WRITE, entryFrame, makeEntry } = deviceModule;
const { getUserPage } = faultModule;
const { putFrame } = frameModule;
const { OUTCOME } = outcomeModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, upRead } = rwSemaphoreModule;
const { mapPage, pageWord, unmapPages } = pagesModule;
const { UMEM, umemLast, umemMutex, umemStart } = umemModule;

/** ib_umem_get: get_user_pages with a pin that lasts until deregistration. */
export function pinPages(actor: Actor, ctx: Ucontext, umem: Addr): Outcome {
  const { mem } = actor;
  const { mm } = ctx;
  const start = umemStart(mem, umem);
  const index = mem[umem + UMEM.index];
  const last = umemLast(mem, umem);
  downRead(actor, mm.mmapLock);
  let outcome: Outcome = OUTCOME.ok;
  for (let vpn = start; vpn <= last && outcome === OUTCOME.ok; vpn++) {
    outcome = getUserPage(actor, mm, vpn as Vpn, true);
    if (outcome !== OUTCOME.ok) break;
    // The reference that getUserPage took is the pin: it is dropped in unpinPages.
    const entry = makeEntry(actor.gupPfn, actor.gupGeneration, ENTRY_VALID | ENTRY_WRITE | ENTRY_PINNED);
    mapPage(actor, ctx, index, vpn - start, entry, actor.gupIdentity);
  }
  upRead(actor, mm.mmapLock);
  return outcome;
}

export function unpinPages(actor: Actor, ctx: Ucontext, umem: Addr, index: number, pages: number): void {
  const { mem } = actor;
  const { frames } = ctx.hca;
  // One page at a time: its entry is cleared, and the accesses through it drained, before its reference goes.
  for (let page = 0; page < pages; page++) {
    const entry = mem[pageWord(ctx, index, page)];
    mutexLock(actor, umemMutex(umem));
    unmapPages(actor, ctx, index, page, page, true);
    mutexUnlock(actor, umemMutex(umem));
    if ((entry & ENTRY_VALID) !== 0) putFrame(actor, frames, entryFrame(entry));
  }
}
