import { futexLock, futexUnlock } from '../src/bench/inline-futex.ts';
import { BATCH, type Case } from './rounds.ts';

/** What every bench is compared with, in this order: see `Row`. */
export const references = (): [Case, Case] => [inlineFutexPair(), bareAddPair()];

function inlineFutexPair(): Case {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  return {
    name: 'inline three-state futex lock+unlock',
    run() {
      for (let i = 0; i < BATCH; i++) {
        futexLock(mem, 0);
        futexUnlock(mem, 0);
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
