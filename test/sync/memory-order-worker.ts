import { parentPort, workerData } from 'node:worker_threads';
import type { Addr } from '../../src/memory/address.ts';
import { add, exchange, load, loadAfterAtomic, storeRelease } from '../../src/sync/atomics.ts';
import { taskFor } from './fixture.ts';
import { type OrderData, WORD } from './memory-order.ts';

// One of two threads that do their part of a litmus test again and again, each time at the same moment.
const { mem, tid, shape, milliseconds } = workerData as OrderData;
const task = taskFor(mem, tid);
const X = WORD.x as Addr;
const Y = WORD.y as Addr;
const ENTRY = WORD.entry as Addr;
const IDENTITY = WORD.identity as Addr;
const mine = (tid === 0 ? X : Y) as Addr;
const other = (tid === 0 ? Y : X) as Addr;

/** What thread `tid` does in round i, and what it saw. */
const PARTS: Readonly<Record<OrderData['shape'], (i: number) => number>> = {
  'store, load': (i) => {
    mem[mine] = i;
    return mem[other];
  },
  'add, loadAfterAtomic': () => {
    add(task, mine, 1);
    return loadAfterAtomic(task, other);
  },
  'storeRelease; load, loadAfterAtomic': (i) => {
    if (tid === 0) {
      mem[X] = i;
      storeRelease(task, Y, i);
      return 0;
    }
    const flag = load(task, Y);
    const data = loadAfterAtomic(task, X);
    return flag === i && data !== i ? 1 : 0;
  },
  'load, loadAfterAtomic, load': (i) => {
    if (tid === 0) {
      exchange(task, ENTRY, 0);
      mem[IDENTITY] = i;
      storeRelease(task, ENTRY, i);
      return 0;
    }
    const before = load(task, ENTRY);
    const identity = loadAfterAtomic(task, IDENTITY);
    return load(task, ENTRY) === before && before !== 0 && identity !== before ? 1 : 0;
  },
};

/** Both threads are here when it returns true; false when the time is over, for both in the same round. */
function meet(i: number): boolean {
  if (tid === 0 && performance.now() > deadline) Atomics.store(mem, WORD.last, i);
  Atomics.add(mem, WORD.arrived, 1);
  for (let n = 0; Atomics.load(mem, WORD.arrived) < 2 * i; n++) if (n > 2000) Atomics.wait(mem, WORD.never, 0, 0.05);
  return Atomics.load(mem, WORD.last) !== i;
}

const deadline = performance.now() + milliseconds;
const part = PARTS[shape];
const apart = shape === 'store, load' || shape === 'add, loadAfterAtomic';
let wrong = 0;
let rounds = 0;
let turn = 0;
for (let i = 1; meet(++turn); i++) {
  // A few steps apart, now this thread first, now the other.
  for (let n = (Math.imul(i, 0x9e3779b1) >>> (27 + tid)) & 15; n > 0; n--) mem[WORD.spin + tid * 16]++;
  const seen = part(i);
  rounds++;
  if (!apart) {
    wrong += seen;
    continue;
  }
  mem[WORD.seen + tid * 16] = seen;
  if (!meet(++turn)) break;
  // Neither has seen what the other wrote before it looked.
  if (tid === 0 && mem[WORD.seen] !== i && mem[WORD.seen + 16] !== i) wrong++;
}
parentPort!.postMessage({ rounds, wrong });
