import { migrateSome } from '../src/mm/migrate.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** kcompactd: moves random pages to other frames, through the reverse map. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world }) => () => {
    migrateSome(actor, world.mm);
  });
