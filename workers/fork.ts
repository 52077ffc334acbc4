import type { Vpn } from '../src/memory/address.ts';
import { cpuAccess } from '../src/mm/fault.ts';
import { fork } from '../src/mm/fork.ts';
import { munmap } from '../src/mm/munmap.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { areasOf, pickRange } from '../src/torture/areas.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** Forks: a child that shares random ranges writes to some of them, which copies the pages, and is gone again. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const parent = world.mm.mms[thread.mm]!;
    const child = world.mm.mms[thread.child!]!;
    const { areas, range } = areasOf(world, thread.mm);
    return () => {
      pickRange(actor, areas, thread.minPages, thread.maxPages, range);
      if (fork(actor, parent, child, range.start, range.last) !== OUTCOME.ok) return;
      for (let vpn: number = range.start; vpn <= range.last; vpn += 2) cpuAccess(actor, child, vpn as Vpn, true);
      munmap(actor, child, 0 as Vpn, (child.pages - 1) as Vpn);
    };
  });
