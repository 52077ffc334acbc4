import { parentPort, workerData } from 'node:worker_threads';
import { createDmaAccess, dmaAccess } from '../src/hca/dma.ts';
import type { Vpn } from '../src/memory/address.ts';
import { madviseDontneed } from '../src/mm/madvise.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { ptlOf } from '../src/mm/page-table.ts';
import { handlePageFault } from '../src/odp/fault-engine.ts';
import { mutexLock, mutexUnlock } from '../src/sync/mutex.ts';
import { downRead, downWrite, upRead, upWrite } from '../src/sync/rw-semaphore.ts';
import { spinLock, spinUnlock } from '../src/sync/spin-lock.ts';
import { attachThread } from '../src/world/actor.ts';
import { attachWorld } from '../src/world/world.ts';
import { PAGES, type RefaultConfig, refaultPlan, TIMEOUT_MS } from './refault-world.ts';
import { references } from './references.ts';
import { BATCH, type Case, runRound } from './rounds.ts';

/** What one thread measures, whenever it is told to, for so many milliseconds. */
export interface LockStatTask {
  /** `pairs`: nanoseconds of the references and of uncontended pairs. `mix`: refaults beside the other threads, and milliseconds. */
  readonly what: 'pairs' | 'mix';
  readonly config: RefaultConfig;
  readonly buffer: SharedArrayBuffer;
  readonly tid: number;
  /** Of the one region. */
  readonly key: number;
}

export const PAIRS = ['mutexLock + mutexUnlock', 'downRead + upRead', 'downWrite + upWrite', 'spinLock + spinUnlock'];

if (parentPort !== null) {
  const port = parentPort;
  const task = workerData as LockStatTask;
  const measured = task.what === 'pairs' ? pairs(task) : mix(task);
  port.on('message', (timeMs: number) => port.postMessage(measured(timeMs)));
}

function attach({ config, buffer, tid }: LockStatTask) {
  const world = attachWorld(refaultPlan(config), buffer);
  return { world, actor: attachThread(world, tid, 0).actor };
}

/** Locks of the world, of a thread as cells have them. */
function pairs(task: LockStatTask): (timeMs: number) => number[] {
  const { world, actor } = attach(task);
  const mutex = world.mm.allLocksMutex;
  const sem = world.mm.mms[0]!.mmapLock;
  const spin = ptlOf(world.mm.mms[0]!, 0 as Vpn);
  const [mutexes, reads, writes, spins] = PAIRS;
  const cases: Case[] = [
    ...references(),
    {
      name: mutexes!,
      run() {
        for (let i = 0; i < BATCH; i++) {
          mutexLock(actor, mutex);
          mutexUnlock(actor, mutex);
        }
      },
    },
    {
      name: reads!,
      run() {
        for (let i = 0; i < BATCH; i++) {
          downRead(actor, sem);
          upRead(actor, sem);
        }
      },
    },
    {
      name: writes!,
      run() {
        for (let i = 0; i < BATCH; i++) {
          downWrite(actor, sem);
          upWrite(actor, sem);
        }
      },
    },
    {
      name: spins!,
      run() {
        for (let i = 0; i < BATCH; i++) {
          spinLock(actor, spin);
          spinUnlock(actor, spin);
        }
      },
    },
  ];
  return (timeMs) => runRound(cases, timeMs);
}

/** Gives pages of one region back and takes them again, as the other threads do with the same pages. */
function mix(task: LockStatTask): (timeMs: number) => number[] {
  const { world, actor } = attach(task);
  const ctx = world.contexts[0]!;
  const access = createDmaAccess();
  let page = task.tid * 5;
  return (timeMs) => {
    const begun = performance.now();
    let done = 0;
    // The clock is looked at once in a while: it costs as much as what is measured.
    while (done % 64 !== 0 || performance.now() < begun + timeMs) {
      page = (page + 1) & (PAGES - 1);
      madviseDontneed(actor, ctx.mm, page as Vpn, page as Vpn);
      // Another thread may have been here: then there is no fault.
      if (dmaAccess(actor, ctx.hca, task.key, page, true, access) === OUTCOME.efault)
        handlePageFault(actor, ctx, task.key, page, true, TIMEOUT_MS);
      done++;
    }
    return [done, performance.now() - begun];
  };
}
