import { loadStrategyOf } from '../src/torture/strategy-file.ts';
import type { ThreadExit, ThreadTask } from '../src/torture/thread.ts';
import { userModule } from '../src/torture/user-module.ts';

interface Role {
  default(task: ThreadTask): ThreadExit;
}

/** Any role, under a user's own strategy: loads that into the thread, then runs the role. */
export default async (task: ThreadTask): Promise<ThreadExit> => {
  await loadStrategyOf(task.plan);
  const role = (await import(userModule(task.entry!))) as Role;
  return role.default(task);
};
