import type { Pfn } from '../memory/address.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as frameModule from './frame.ts';
import type { MmWorld } from './mm.ts';
import * as sectionModule from './section.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { count } = actorModule;
const { COUNTER } = countersModule;
const { putFrame } = frameModule;
const { GATHER_FRAMES, MM_TASK, mmTaskAddr } = sectionModule;

/**
 * mmu_gather: frames whose entries were cleared are kept in the thread's batch and released by `tlbFinish`, which the
 * invalidator calls after its section has ended. There is no TLB here: the CPU looks each page up anew.
 */

const COUNT = MM_TASK.gatherCount;
const GATHER = MM_TASK.gather;
const CAPACITY = GATHER_FRAMES;

/**
 * __tlb_remove_page: keeps a frame, with the reference that its entry had. True when the batch is full now: the caller must
 * flush it before it gathers another, so there is always room.
 */
export function tlbGather(actor: Actor, world: MmWorld, pfn: Pfn): boolean {
  const { mem } = actor;
  const t = mmTaskAddr(world, actor.tid);
  const n = mem[t + COUNT];
  mem[t + GATHER + n] = pfn;
  mem[t + COUNT] = n + 1;
  return n + 1 >= CAPACITY;
}

/**
 * tlb_flush_mmu for a batch that is full: releases it in the middle of the section. The pages may be free before the section
 * ends; that is why a device's entries must be gone when start returns, not when end does.
 */
export function tlbFlush(actor: Actor, world: MmWorld): void {
  count(actor, COUNTER['exposure.gatheredFreeInSection'], releaseBatch(actor, world));
}

/** tlb_finish_mmu: releases what was gathered. The caller's section has ended. */
export function tlbFinish(actor: Actor, world: MmWorld): void {
  releaseBatch(actor, world);
}

function releaseBatch(actor: Actor, world: MmWorld): number {
  const { mem } = actor;
  const t = mmTaskAddr(world, actor.tid);
  const n = mem[t + COUNT];
  for (let i = 0; i < n; i++) putFrame(actor, world.frames, mem[t + GATHER + i] as Pfn);
  mem[t + COUNT] = 0;
  return n;
}
