import type { ThreadExit, ThreadTask } from './thread.ts';
import { userModule } from './user-module.ts';

interface Entry {
  default(task: ThreadTask): ThreadExit | Promise<ThreadExit>;
}

/** Runs the module that the task names, under the user's own strategy where the plan has one. */
export async function runEntry(task: ThreadTask): Promise<ThreadExit> {
  if (task.plan.strategyFile !== undefined) {
    const { loadStrategyOf } = await import('./strategy-file.ts');
    await loadStrategyOf(task.plan);
  }
  const entry = (await import(userModule(task.entry))) as Entry;
  return entry.default(task);
}
