import { munmap } from '../src/mm/munmap.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { areasOf, mapArea, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** Unmaps random ranges and maps them again as they were. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      munmap(actor, mm, range.start, range.last);
      const { area, start, last } = range;
      if (mapArea(actor, world, area, start, last) === OUTCOME.ok) return;
      // Another thread of this role has mapped a part of it already: page by page, so that no hole stays for ever.
      for (let vpn: number = start; vpn <= last; vpn++) mapArea(actor, world, area, vpn, vpn);
    };
  });
