import { parentPort, workerData } from 'node:worker_threads';
import type { Memory } from '../../src/memory/address.ts';
import { handleMmFault } from '../../src/mm/fault.ts';
import type { MmOptions } from '../../src/mm/mm.ts';
import { downRead, upRead } from '../../src/sync/rw-semaphore.ts';
import { attachWorld, vpn } from './fixture.ts';

export interface FaultData {
  readonly mem: Memory;
  readonly plan: MmOptions;
  readonly tid: number;
  readonly page: number;
}

const { mem, plan, tid, page } = workerData as FaultData;
const w = attachWorld(mem, plan);
const actor = w.actors[tid];
downRead(actor, w.mm.mmapLock);
const outcome = handleMmFault(actor, w.mm, vpn(page), true);
upRead(actor, w.mm.mmapLock);
parentPort!.postMessage(outcome);
