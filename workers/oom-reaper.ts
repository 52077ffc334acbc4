import { oomReap } from '../src/mm/oom-reaper.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** The OOM reaper: takes private memory away without waiting for anybody. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      oomReap(actor, mm, range.start, range.last);
    };
  });
