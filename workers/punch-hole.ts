import { punchHole } from '../src/mm/fallocate.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { randomBelow } from '../src/trace/random.ts';

/** Punches holes of `minPages` .. `maxPages` pages into random files: i_size stays, the pages go. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world, thread }) => {
    const { files } = world.mm;
    return () => {
      const file = files[randomBelow(actor, files.length)]!;
      const most = Math.min(thread.maxPages, file.maxPages);
      const least = Math.min(thread.minPages, most);
      const pages = least + randomBelow(actor, most - least + 1);
      const first = randomBelow(actor, file.maxPages - pages + 1);
      punchHole(actor, world.mm, file, first, first + pages - 1);
    };
  });
