import type { Pfn, Vpn } from '../memory/address.ts';
import type { Actor } from '../trace/actor.ts';
import type { DmaAccess } from '../trace/observer.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { reportAccess } from './stale-dma.ts';
import { type OracleView, VIOLATION } from './view.ts';

/** Why data-corruption fired; in the record's `reason`. */
export const CORRUPTION = { deviceRead: 0, deviceWrite: 1, cpu: 2, poison: 3 } as const;

/**
 * The device read a stamp that belongs to another backing identity, or poison. The identity that it should find was stored with the
 * entry; the access gives -1 when the entry changed between the two loads, and then nothing can be said.
 */
export function checkDeviceData(actor: Actor, view: OracleView, access: DmaAccess): void {
  if (access.identityTorn || access.expectedIdentity === -1 || access.foundIdentity === access.expectedIdentity) return;
  reportAccess(actor, view, ORACLE['data-corruption'], access);
}

/** The CPU found another's stamp, or poison, in a page that its page table maps: a device has written to a page that was not its own. */
export function checkCpuData(
  actor: Actor,
  view: OracleView,
  vpn: Vpn,
  pfn: Pfn,
  expected: number,
  found: number,
): void {
  if (expected === found) return;
  const slot = violate(actor, view, ORACLE['data-corruption']);
  if (slot === 0) return;
  const { mem } = view;
  mem[slot + VIOLATION.page] = vpn;
  mem[slot + VIOLATION.frame] = pfn;
  mem[slot + VIOLATION.expectedIdentity] = expected;
  mem[slot + VIOLATION.foundIdentity] = found;
  mem[slot + VIOLATION.reason] = CORRUPTION.cpu;
  submit(view, slot);
}

/** A free frame's poison was overwritten: somebody wrote to a page that was nobody's. Found when the frame is handed out again. */
export function checkPoison(actor: Actor, view: OracleView, pfn: Pfn, intact: boolean): void {
  if (intact) return;
  const slot = violate(actor, view, ORACLE['data-corruption']);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.frame] = pfn;
  view.mem[slot + VIOLATION.reason] = CORRUPTION.poison;
  submit(view, slot);
}
