import { collapse } from '../src/mm/collapse.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** khugepaged: puts random ranges of anonymous memory into new frames. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      collapse(actor, mm, range.start, range.last);
    };
  });
