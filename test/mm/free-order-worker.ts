import { workerData } from 'node:worker_threads';
import type { Addr, Memory } from '../../src/memory/address.ts';
import { allocFrame, frameGeneration, putFrame } from '../../src/mm/frame.ts';
import type { MmOptions } from '../../src/mm/mm.ts';
import { rawLoad, rawStore } from '../../src/sync/atomics.ts';
import { attachWorld } from './fixture.ts';

export interface FreeOrderData {
  readonly mem: Memory;
  readonly plan: MmOptions;
  readonly stop: Addr;
  /** Generation of the one frame while it is allocated, else 0. */
  readonly live: Addr;
  readonly identity: number;
}

const { mem, plan, stop, live, identity } = workerData as FreeOrderData;
const { actors, mm } = attachWorld(mem, plan);
const actor = actors[1];
for (let i = 0; i < 20_000_000 && rawLoad(mem, stop) === 0; i++) {
  const pfn = allocFrame(actor, mm.frames, identity);
  rawStore(mem, live, frameGeneration(actor, mm.frames, pfn));
  for (let k = i & 63; k > 0; k--) rawLoad(mem, stop);
  putFrame(actor, mm.frames, pfn);
}
