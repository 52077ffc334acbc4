import { parentPort, workerData } from 'node:worker_threads';
import { accessAddr } from '../../src/hca/device.ts';
import { accessBegin, accessEnd, deviceZap } from '../../src/hca/device-page-table.ts';
import { createDmaAccess, dmaAccess } from '../../src/hca/dma.ts';
import { qpTicket, qpWait } from '../../src/hca/page-request.ts';
import { type Addr, at, type Vpn } from '../../src/memory/address.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { invalidateRangeEnd, invalidateRangeStart, SECTION_EVENT } from '../../src/mm/notifier.ts';
import { handlePageFault } from '../../src/odp/fault-engine.ts';
import { deregisterMr, registerMr } from '../../src/odp/memory-region.ts';
import { rawLoad, rawNotify, rawStore, rawWait } from '../../src/sync/atomics.ts';
import { waitForCompletion, waitForCompletionTimeout } from '../../src/sync/completion.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import { srcuReadLock, srcuReadUnlock, synchronizeSrcu } from '../../src/sync/srcu.ts';
import { MODE } from '../../src/trace/actor.ts';
import { gateLeave } from '../../src/trace/gate.ts';
import { parkFinished, parkPoint } from '../../src/trace/park.ts';
import { point } from '../../src/trace/point.ts';
import { attachThread } from '../../src/world/actor.ts';
import { attachWorld } from '../../src/world/world.ts';
import { strategyNamed } from './planted.ts';
import { DONE_WORD, SIGNAL_WORD, type Step, type ThreadData } from './threads.ts';

/** A thread of a cell that does what its script says, one step after the other. */
const { plan, buffer, tid, strategy, steps } = workerData as ThreadData;
const world = attachWorld(plan, buffer, strategyNamed(strategy));
const { actor, observer } = attachThread(world, tid, 0);
actor.mode = MODE.trace | MODE.gate;
const { mem, hca } = world;
const mm = world.mm.mms[0]!;
const ctx = world.contexts[0]!;
const word = (base: number, i: number): Addr => at(world.litmusKeys, base + i);
const BOUND_MS = 20_000;

const srcuIndex = new Map<number, number>();
const ACTIONS: { readonly [name: string]: (a: number, b: number, c: number) => unknown } = {
  mutexLock: (a) => mutexLock(actor, a as Addr),
  mutexUnlock: (a) => mutexUnlock(actor, a as Addr),
  downRead: (a) => downRead(actor, a as Addr),
  upRead: (a) => upRead(actor, a as Addr),
  downWrite: (a) => downWrite(actor, a as Addr),
  upWrite: (a) => upWrite(actor, a as Addr),
  srcuReadLock: (a) => void srcuIndex.set(a, srcuReadLock(actor, a as Addr)),
  srcuReadUnlock: (a) => srcuReadUnlock(actor, a as Addr, srcuIndex.get(a)!),
  synchronizeSrcu: (a) => synchronizeSrcu(actor, a as Addr),
  waitForCompletion: (a) => waitForCompletion(actor, a as Addr),
  waitForCompletionTimeout: (a, ms) => waitForCompletionTimeout(actor, a as Addr, ms),
  accessBegin: (index) => void accessBegin(actor, hca, index),
  accessEnd: () => accessEnd(actor, accessAddr(hca, ctx.mm.id, tid)),
  zap: (index, first, last) => deviceZap(actor, hca, index, first, last, false),
  dma: (key, page, write) => dmaAccess(actor, hca, key, page, write !== 0, createDmaAccess()),
  madvise: (start, last) => madviseDontneed(actor, mm, start as Vpn, last as Vpn),
  rangeStart: (start, last) => invalidateRangeStart(actor, mm, start as Vpn, last as Vpn, SECTION_EVENT.clear, true),
  rangeEnd: () => invalidateRangeEnd(actor, mm),
  register: (start, pages) => registerMr(actor, ctx, plan.era, start as Vpn, pages),
  deregister: (key) => deregisterMr(actor, ctx, key),
  fault: (key, page, timeoutMs) => handlePageFault(actor, ctx, key, page, true, timeoutMs),
  faultWait: (umem, ms) => ctx.strategy.faultWait(actor, ctx, umem as Addr, ms),
  qpWait: (ms) => qpWait(actor, hca, qpTicket(actor, hca), ms),
  point: (p, a, b) => point(actor, p, a, b, 0),
  park: () => parkPoint(actor, actor.control, actor.parkWord),
  parkUntil: (i) => {
    while (rawLoad(mem, word(SIGNAL_WORD, i)) === 0) parkPoint(actor, actor.control, actor.parkWord);
  },
  leave: () => gateLeave(actor, world.gate),
  signal: (i) => {
    rawStore(mem, word(SIGNAL_WORD, i), 1);
    rawNotify(mem, word(SIGNAL_WORD, i), Number.POSITIVE_INFINITY);
  },
  await: (i) => {
    const end = performance.now() + BOUND_MS;
    while (rawLoad(mem, word(SIGNAL_WORD, i)) === 0) {
      if (performance.now() > end) throw new Error(`signal ${i} never came`);
      rawWait(mem, word(SIGNAL_WORD, i), 0, 1000);
    }
  },
};

const results = steps.map(([name, a = 0, b = 0, c = 0]: Step, i) => {
  const result = ACTIONS[name]!(a, b, c);
  rawStore(mem, word(DONE_WORD, tid), i + 1);
  return result === undefined ? null : result;
});
observer.finished(actor);
parkFinished(actor, actor.control, actor.parkWord);
parentPort!.postMessage(results);
