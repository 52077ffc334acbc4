import type { Addr, Memory } from '../memory/address.ts';
import type { DepotLock } from '../memory/slab.ts';
import { rawCompareExchange, rawExchange, rawNotify, rawWait } from '../sync/atomics.ts';

const FREE = 0;
const LOCKED = 1;
const LOCKED_WAITERS = 2;

/**
 * The lock of the allocators' depots: a three-state futex on raw atomics. It is no lock of the modelled protocol, so it neither
 * publishes its holder nor is it a step that a schedule may choose at; nothing is called while it is held.
 */
export const RAW_DEPOT_LOCK: DepotLock = {
  lock(mem: Memory, a: Addr): void {
    if (rawCompareExchange(mem, a, FREE, LOCKED) === FREE) return;
    while (rawExchange(mem, a, LOCKED_WAITERS) !== FREE) rawWait(mem, a, LOCKED_WAITERS, Number.POSITIVE_INFINITY);
  },
  unlock(mem: Memory, a: Addr): void {
    if (rawExchange(mem, a, FREE) === LOCKED_WAITERS) rawNotify(mem, a, 1);
  },
};
