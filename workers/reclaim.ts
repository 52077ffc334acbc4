import { shrinkSome } from '../src/mm/reclaim.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** kswapd: frees random frames, through the reverse map, whosever they are. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world }) => () => {
    shrinkSome(actor, world.mm);
  });
