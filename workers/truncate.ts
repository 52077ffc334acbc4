import { extend, truncate } from '../src/mm/truncate.ts';
import { pause, runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { randomBelow } from '../src/trace/random.ts';

/** Cuts random files short by `minPages` .. `maxPages` pages, and lets them grow again. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, (cell) => {
    const { actor, world, thread } = cell;
    const { files } = world.mm;
    return () => {
      const file = files[randomBelow(actor, files.length)]!;
      const most = Math.min(thread.maxPages, file.maxPages);
      const least = Math.min(thread.minPages, most);
      const size = file.maxPages - least - randomBelow(actor, most - least + 1);
      truncate(actor, world.mm, file, size);
      if (thread.pauseUs > 0) pause(cell, thread.pauseUs);
      extend(actor, world.mm, file, file.maxPages);
    };
  });
