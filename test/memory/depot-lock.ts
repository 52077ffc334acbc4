import type { DepotLock } from '../../src/memory/slab.ts';

const GIVE_UP_MS = 20_000;

/** A lock for the tests: one word, a bounded sleep between attempts, and an end when nobody ever unlocks. */
export const testLock: DepotLock = {
  lock(mem, a) {
    const deadline = Date.now() + GIVE_UP_MS;
    while (Atomics.compareExchange(mem, a, 0, 1) !== 0) {
      Atomics.wait(mem, a, 1, 1);
      if (Date.now() > deadline) throw new Error(`depot lock at ${a} was held for ${GIVE_UP_MS} ms`);
    }
  },
  unlock(mem, a) {
    if (Atomics.exchange(mem, a, 0) !== 1) throw new Error(`depot lock at ${a} was not held`);
  },
};
