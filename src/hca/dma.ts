import type { Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as frameModule from '../mm/frame.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as atomicsModule from '../sync/atomics.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import type { DmaAccess } from '../trace/observer.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { Hca } from './device.ts';
import * as deviceModule from './device.ts';
import * as devicePageTableModule from './device-page-table.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { frameGeneration, stampLoad, stampStore } = frameModule;
const { OUTCOME } = outcomeModule;
const { load, loadAfterAtomic, rawLoadAfterAtomic } = atomicsModule;
const { count } = actorModule;
const { COUNTER, PIPE_BUCKETS } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const {
  ENTRY_GENERATION_MASK,
  ENTRY_PAGE,
  ENTRY_PINNED,
  ENTRY_VALID,
  ENTRY_WRITE,
  entryFrame,
  entryGeneration,
  keyIndex,
  MKEY,
  mkeyAddr,
} = deviceModule;
const { accessBegin, accessEnd, entryAddr, identityAddr, identityEntryAddr } = devicePageTableModule;

/** The reader pipe's buckets: see counters.ts. */
const PIPE = COUNTER['pipe.0'];
const PIPE_LAST = PIPE_BUCKETS - 1;

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
  identityTorn: false,
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
  const running = accessBegin(actor, hca, index);
  if (loadAfterAtomic(actor, at(mkey, MKEY.key)) !== key) {
    accessEnd(actor, running);
    return OUTCOME.einval;
  }
  const word = entryAddr(hca, index, page);
  const entry = load(actor, word);
  if ((entry & ENTRY_VALID) === 0 || (write && (entry & ENTRY_WRITE) === 0)) {
    accessEnd(actor, running);
    return OUTCOME.efault;
  }
  const pfn = entryFrame(entry);
  // No steps, but they must lie between the two loads of the entry on every machine.
  to.expectedIdentity = rawLoadAfterAtomic(mem, identityAddr(hca, index, page));
  const identityFor = rawLoadAfterAtomic(mem, identityEntryAddr(hca, index, page));
  // The identity belongs to this entry only if the entry is still the same one; -1 says that it is not known.
  if (load(actor, word) !== entry) to.expectedIdentity = -1;
  to.identityTorn = ((identityFor ^ entry) & ENTRY_PAGE) !== 0;
  const vpn = (mem[mkey + MKEY.start] + page) as Vpn;
  // The adapter has translated and will access: this is the window for which a zap has to wait.
  point(actor, POINT['dma.translated'], key, vpn, pfn);
  to.foundIdentity = stampLoad(actor, hca.frames, pfn);
  if (write && to.expectedIdentity !== -1) stampStore(actor, hca.frames, pfn, to.expectedIdentity);
  to.key = key;
  to.vpn = vpn;
  to.pfn = pfn;
  to.write = write;
  to.pinned = (entry & ENTRY_PINNED) !== 0;
  to.entryGeneration = entryGeneration(entry);
  to.frameGeneration = frameGeneration(actor, hca.frames, pfn) & ENTRY_GENERATION_MASK;
  const behind = (to.frameGeneration - to.entryGeneration) & ENTRY_GENERATION_MASK;
  count(actor, PIPE + (behind < PIPE_LAST ? behind : PIPE_LAST));
  point(actor, POINT['dma.accessed'], vpn, pfn, to.entryGeneration);
  actor.observer.dmaAccessed(actor, to);
  accessEnd(actor, running);
  count(actor, write ? COUNTER['op.dmaWrite'] : COUNTER['op.dmaRead']);
  return OUTCOME.ok;
}
