import { mprotect } from '../src/mm/mprotect.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** Takes the right to write from random ranges, and gives it back at once. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      mprotect(actor, mm, range.start, range.last, false);
      if (range.area.writable) mprotect(actor, mm, range.start, range.last, true);
    };
  });
