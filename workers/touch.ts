import type { Vpn } from '../src/memory/address.ts';
import { cpuAccess } from '../src/mm/fault.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { nextRandom } from '../src/trace/random.ts';

/** The process itself: reads and writes random pages, and faults them in. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const mm = world.mm.mms[thread.mm]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      const write = range.area.writable && (nextRandom(actor) & 1) !== 0;
      for (let vpn: number = range.start; vpn <= range.last; vpn++) cpuAccess(actor, mm, vpn as Vpn, write);
    };
  });
