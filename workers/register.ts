import { prefetchMr } from '../src/odp/fault-engine.ts';
import { deregisterMr, registerMr } from '../src/odp/memory-region.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { randomBelow } from '../src/trace/random.ts';

/** Regions that one thread keeps registered. */
const KEPT = 4;

/** Registers and deregisters random ranges; of one new region in four the first page is prefetched at once. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const ctx = world.contexts[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    const { era, hca } = world.plan;
    const keys = new Int32Array(KEPT);
    return () => {
      const slot = randomBelow(actor, KEPT);
      const old = keys[slot]!;
      if (old !== 0) {
        deregisterMr(actor, ctx, old);
        keys[slot] = 0;
        return;
      }
      pickRange(actor, areas, thread.minPages, Math.min(thread.maxPages, hca.mrPages), range);
      const pages = range.last - range.start + 1;
      const key = registerMr(actor, ctx, era, range.start, pages);
      keys[slot] = key;
      if (key !== 0 && randomBelow(actor, 4) === 0) prefetchMr(actor, ctx, key, 0, pages - 1, true, hca.faultTimeoutMs);
    };
  });
