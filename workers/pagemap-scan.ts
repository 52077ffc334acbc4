import { pagemapScan } from '../src/mm/pagemap-scan.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** Write-protects random ranges: ioctl(PAGEMAP_SCAN). */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      pagemapScan(actor, mm, range.start, range.last);
    };
  });
