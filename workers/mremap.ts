import type { Vpn } from '../src/memory/address.ts';
import { mremap } from '../src/mm/mremap.ts';
import { munmap } from '../src/mm/munmap.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { freeRun } from '../src/scenario/threads.ts';
import { areasOf, mapArea, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** Moves random ranges to where nothing is mapped, and back. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    const to = freeRun(world.plan.memory.areas, thread.mm, mm.pages).at as Vpn;
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      const { area, start, last } = range;
      const toLast = (to + last - start) as Vpn;
      if (mremap(actor, mm, start, last, to) !== OUTCOME.ok) return;
      if (mremap(actor, mm, to, toLast, start) === OUTCOME.ok) return;
      // Another thread has mapped something at the old place meanwhile, or split what was moved.
      munmap(actor, mm, to, toLast);
      for (let vpn: number = start; vpn <= last; vpn++) mapArea(actor, world, area, vpn, vpn);
    };
  });
