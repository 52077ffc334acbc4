import { parentPort, workerData } from 'node:worker_threads';
import type { Addr, Memory } from '../../src/memory/address.ts';
import type { MmOptions } from '../../src/mm/mm.ts';
import { mmuNotifierUnregister } from '../../src/mm/notifier.ts';
import { rawLoad, rawStore, rawWait } from '../../src/sync/atomics.ts';
import { attachWorld } from './fixture.ts';

export interface UnregisterData {
  readonly mem: Memory;
  readonly plan: MmOptions;
  readonly go: Addr;
  readonly done: Addr;
}

const { mem, plan, go, done } = workerData as UnregisterData;
const { actors, mm } = attachWorld(mem, plan);
parentPort!.postMessage('ready');
if (rawLoad(mem, go) === 0) rawWait(mem, go, 0, 10_000);
mmuNotifierUnregister(actors[1], mm, 0);
rawStore(mem, done, 1);
