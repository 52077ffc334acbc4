import { keyIndex, MKEY, mkeyAddr } from '../hca/device.ts';
import type { Actor } from '../trace/actor.ts';
import type { DmaAccess } from '../trace/observer.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/**
 * A device access went through an entry whose frame was freed since it was made: the generations differ. Sound because the entry is
 * loaded after the access is published as in flight, and a frame's generation only rises when it is freed: under a protocol that
 * zaps, drains and then frees, the two cannot differ. Pinned entries hold a reference and so are never hit.
 */
export function checkStaleDma(actor: Actor, view: OracleView, access: DmaAccess): void {
  if (access.entryGeneration === access.frameGeneration) return;
  reportAccess(actor, view, ORACLE['stale-dma'], access);
}

/** Fills a record about a device access; shared with data-corruption. */
export function reportAccess(actor: Actor, view: OracleView, oracle: number, access: DmaAccess): void {
  const slot = violate(actor, view, oracle);
  if (slot === 0) return;
  const { mem } = view;
  const index = keyIndex(access.key);
  mem[slot + VIOLATION.umem] = index;
  mem[slot + VIOLATION.key] = access.key;
  mem[slot + VIOLATION.mm] = mem[mkeyAddr(view.hca, index) + MKEY.mm];
  mem[slot + VIOLATION.page] = access.vpn;
  mem[slot + VIOLATION.frame] = access.pfn;
  mem[slot + VIOLATION.entryGeneration] = access.entryGeneration;
  mem[slot + VIOLATION.frameGeneration] = access.frameGeneration;
  mem[slot + VIOLATION.expectedIdentity] = access.expectedIdentity;
  mem[slot + VIOLATION.foundIdentity] = access.foundIdentity;
  mem[slot + VIOLATION.reason] = access.write ? 1 : 0;
  submit(view, slot);
}
