import { mmExited } from '../src/mm/exit.ts';
import { mmput } from '../src/mm/users.ts';
import { deregisterMr } from '../src/odp/memory-region.ts';
import { forEachUmem, ucontextIdle } from '../src/odp/ucontext.ts';
import { reviveMm } from '../src/torture/areas.ts';
import { pause, runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { stopping } from '../src/trace/park.ts';

/** How long the process lives, and how often its end is looked for, microseconds. */
const LIFE_US = 2000;
const LOOK_US = 100;

/** A process that exits with its regions registered, has its files closed after that, and is followed by another. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, (cell) => {
    const { actor, world, thread } = cell;
    const { mem, control } = world;
    const mm = world.mm.mms[thread.mm]!;
    const ctx = world.contexts[thread.mm]!;
    return () => {
      pause(cell, LIFE_US);
      mmput(actor, mm);
      // Whoever has the last reference runs exit_mmap, and that may be a fault handler.
      while (!mmExited(actor, mm)) pause(cell, LOOK_US);
      const keys: number[] = [];
      forEachUmem(mem, ctx, (_umem, _index, key) => keys.push(key));
      for (const key of keys) deregisterMr(actor, ctx, key);
      // Regions that others are taking down.
      while (!ucontextIdle(mem, ctx) && !stopping(mem, control)) pause(cell, LOOK_US);
      if (ucontextIdle(mem, ctx)) reviveMm(actor, world, thread.mm);
    };
  });
