import type { Actor } from '../trace/actor.ts';
import type { DmaAccess } from '../trace/observer.ts';
import { ORACLE } from './names.ts';
import { reportAccess } from './stale-dma.ts';
import type { OracleView } from './view.ts';

/**
 * torn-read: a reader has accepted a mixed snapshot. The model's sequence-counted pair is a device entry and the identity that was
 * committed with it: the entry itself is the count (it is loaded before and after the identity, and carries a generation), and a
 * writer may change the identity only while the entry is not valid. Beside the identity lies the entry for which it was
 * stored, which no reader decides by; a snapshot that was accepted and whose identity was stored for another frame, or for another generation of it,
 * was mixed. Data that does not fit such an identity says nothing, so data-corruption leaves it alone.
 *
 * There is no seqcount_t elsewhere in the model to watch; for programs see `seqReadChecked`.
 */
export function isTorn(access: DmaAccess): boolean {
  return access.expectedIdentity !== -1 && access.identityTorn;
}

export function checkTornRead(actor: Actor, view: OracleView, access: DmaAccess): void {
  if (isTorn(access)) reportAccess(actor, view, ORACLE['torn-read'], access);
}
