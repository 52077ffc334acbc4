import { BATCH, type Case } from './rounds.ts';

/** What every bench is compared with, in this order: see `Row`. */
export const references = (): [Case, Case] => [inlineFutexPair(), bareAddPair()];

/** The least that a sleeping lock can do, written out: no holder published, no class, no fairness. */
function inlineFutexPair(): Case {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  return {
    name: 'inline three-state futex lock+unlock',
    run() {
      for (let i = 0; i < BATCH; i++) {
        if (Atomics.compareExchange(mem, 0, 0, 1) !== 0)
          while (Atomics.exchange(mem, 0, 2) !== 0) Atomics.wait(mem, 0, 2);
        if (Atomics.exchange(mem, 0, 0) === 2) Atomics.notify(mem, 0, 1);
      }
    },
  };
}

/** The floor: two read-modify-writes and nothing else. */
function bareAddPair(): Case {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  return {
    name: 'bare Atomics.add pair',
    run() {
      for (let i = 0; i < BATCH; i++) {
        Atomics.add(mem, 0, 1);
        Atomics.add(mem, 0, -1);
      }
    },
  };
}
