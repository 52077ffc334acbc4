import { at, type Vpn } from '../memory/address.ts';
import { frameGeneration, stampRead, stampWrite } from '../mm/frame.ts';
import { OUTCOME, type Outcome } from '../mm/outcome.ts';
import { load } from '../sync/atomics.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import type { DmaAccess } from '../trace/observer.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import {
  ENTRY_GENERATION_MASK,
  ENTRY_PINNED,
  ENTRY_VALID,
  ENTRY_WRITE,
  entryFrame,
  entryGeneration,
  type Hca,
  keyIndex,
  MKEY,
  mkeyAddr,
  qpAddr,
} from './device.ts';
import { accessBegin, accessEnd, entryAddr, identityAddr } from './device-page-table.ts';

/** An object for `dmaAccess` to fill: one for each DMA thread. */
export const createDmaAccess = (): DmaAccess => ({
  key: 0,
  vpn: 0 as Vpn,
  pfn: 0 as DmaAccess['pfn'],
  write: false,
  pinned: false,
  entryGeneration: 0,
  frameGeneration: 0,
  expectedIdentity: 0,
  foundIdentity: 0,
});

/**
 * One device access to page `page` of `key`: translate, access, and tell the observer what was reached.
 *
 * The order makes the stale-dma oracle sound: the in-flight word is raised (atomic), *then* the entry is loaded, the page is
 * accessed, the generations are compared, and *then* the word is lowered. A zap clears the entry and then waits for accesses in
 * flight, so under a protocol that zaps before it frees, the generation cannot move in here.
 *
 * Returns ok, `efault` when the entry is not valid (a page fault of the adapter), `einval` when the key is gone.
 */
export function dmaAccess(actor: Actor, hca: Hca, key: number, page: number, write: boolean, to: DmaAccess): Outcome {
  const { mem } = actor;
  const index = keyIndex(key);
  const mkey = mkeyAddr(hca, index);
  const qp = qpAddr(hca, actor.tid);
  accessBegin(actor, qp, index);
  if (load(actor, at(mkey, MKEY.key)) !== key) {
    accessEnd(actor, qp);
    return OUTCOME.einval;
  }
  const word = entryAddr(hca, index, page);
  const entry = load(actor, word);
  if ((entry & ENTRY_VALID) === 0 || (write && (entry & ENTRY_WRITE) === 0)) {
    accessEnd(actor, qp);
    return OUTCOME.efault;
  }
  const pfn = entryFrame(entry);
  to.expectedIdentity = mem[identityAddr(hca, index, page)];
  // The identity belongs to this entry only if the entry is still the same one; -1 says that it is not known.
  if (load(actor, word) !== entry) to.expectedIdentity = -1;
  const vpn = (mem[mkey + MKEY.start] + page) as Vpn;
  // The adapter has translated and will access: this is the window for which a zap has to wait.
  point(actor, POINT['dma.translated'], key, vpn, pfn);
  to.foundIdentity = stampRead(mem, hca.frames, pfn);
  if (write && to.expectedIdentity !== -1) stampWrite(mem, hca.frames, pfn, to.expectedIdentity);
  to.key = key;
  to.vpn = vpn;
  to.pfn = pfn;
  to.write = write;
  to.pinned = (entry & ENTRY_PINNED) !== 0;
  to.entryGeneration = entryGeneration(entry);
  to.frameGeneration = frameGeneration(actor, hca.frames, pfn) & ENTRY_GENERATION_MASK;
  point(actor, POINT['dma.accessed'], vpn, pfn, to.entryGeneration);
  actor.observer.dmaAccessed(actor, to);
  accessEnd(actor, qp);
  count(actor, write ? COUNTER['op.dmaWrite'] : COUNTER['op.dmaRead']);
  return OUTCOME.ok;
}
