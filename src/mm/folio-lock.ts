import { at, NULL_ADDR, type Pfn } from '../memory/address.ts';
import { mutexUnlock } from '../sync/mutex.ts';
import type { Actor } from '../trace/actor.ts';
import { mutexTrylock } from '../trace/trylock.ts';
import { FRAME, frameAddr, putFrame } from './frame.ts';
import type { MmWorld } from './mm.ts';

/**
 * Reclaim and migration take a folio by trylock (they may be inside somebody else's section) and leave it alone when it is locked, or
 * mapped nowhere. Runs `work` under the lock and returns what it says, false when it did not run; the caller's reference to the frame is
 * given back either way.
 */
export function underFolioLock(
  actor: Actor,
  world: MmWorld,
  pfn: Pfn,
  work: (actor: Actor, world: MmWorld, pfn: Pfn) => boolean,
): boolean {
  const f = frameAddr(world.frames, pfn);
  const folioLock = at(f, FRAME.folioLock);
  let done = false;
  if (mutexTrylock(actor, folioLock)) {
    done = actor.mem[f + FRAME.mapping] !== NULL_ADDR && work(actor, world, pfn);
    mutexUnlock(actor, folioLock);
  }
  putFrame(actor, world.frames, pfn);
  return done;
}
