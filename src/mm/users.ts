import { at } from '../memory/address.ts';
import { add, compareExchange, load } from '../sync/atomics.ts';
import type { Actor } from '../trace/actor.ts';
import { exitMmap } from './exit.ts';
import { MM, type Mm } from './mm.ts';

/**
 * mmget_not_zero: a reference that keeps the address space from going away; false when it is gone, or going. Give it back by `mmput`.
 * Where no process of the cell exits, both do nothing.
 */
export function mmgetNotZero(actor: Actor, mm: Mm): boolean {
  if (!mm.world.mayExit) return true;
  const word = at(mm.addr, MM.users);
  for (let n = load(actor, word); n > 0; ) {
    const found = compareExchange(actor, word, n, n + 1);
    if (found === n) return true;
    n = found;
  }
  return false;
}

/**
 * mmput: gives a reference back. Whoever gives back the last one runs exit_mmap, release callbacks and all, with whatever locks he
 * holds: that is why a fault must not do it under the umem mutex (85eaeb5058f0).
 */
export function mmput(actor: Actor, mm: Mm): void {
  if (mm.world.mayExit && add(actor, at(mm.addr, MM.users), -1) === 1) exitMmap(actor, mm);
}
