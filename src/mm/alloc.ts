import { lockMapAcquire, lockMapRelease, PSEUDO } from '../sync/lock-dep.ts';
import type { Actor } from '../trace/actor.ts';
import { randomBelow } from '../trace/random.ts';
import type { Mm, MmWorld } from './mm.ts';
import { directReclaim } from './reclaim.ts';

/**
 * pte_alloc: the page of a page table. The model keeps no such pages; what it keeps of the allocation is that it may sleep, and may enter
 * direct reclaim, which unmaps pages of whatever process through the reverse map, notifiers and all. So sections come to be nested: mremap
 * and fork allocate inside theirs. How short memory is, the scenario says: see `Pressure`.
 */
export function allocPageTable(actor: Actor, mm: Mm): void {
  mayReclaim(actor, mm.world);
}

/** An allocation with GFP_KERNEL: might_alloc, and direct reclaim where memory is short. */
export function mayReclaim(actor: Actor, world: MmWorld): void {
  // Said at each allocation, as might_alloc does, whether or not it comes to reclaim: an order that deadlocks once a year is found at once.
  lockMapAcquire(actor, PSEUDO.fsReclaim);
  lockMapRelease(actor, PSEUDO.fsReclaim);
  const { pressure } = world;
  if (pressure === null) return;
  if (pressure.oneIn > 1 && randomBelow(actor, pressure.oneIn) !== 0) return;
  lockMapAcquire(actor, PSEUDO.fsReclaim);
  directReclaim(actor, world);
  lockMapRelease(actor, PSEUDO.fsReclaim);
}
