import { setImmediate } from 'node:timers/promises';
import { nameThread } from './stacks.ts';
import type { ThreadExit, ThreadTask } from './thread.ts';
import { userModule } from './user-module.ts';

interface Entry {
  default(task: ThreadTask): ThreadExit | Promise<ThreadExit>;
}

/** Runs the module that the task names, under the user's own strategy where the plan has one. */
export async function runEntry(task: ThreadTask): Promise<ThreadExit> {
  nameThread(task.plan.threads[task.tid]!.name);
  const entry = async (): Promise<Entry> => (await import(userModule(task.entry))) as Entry;
  if (task.plan.strategyFile === undefined) return (await entry()).default(task);
  const { loadStrategyOf } = await import('./strategy-file.ts');
  await loadStrategyOf(task.plan);
  const before = timers();
  const exit = await (await entry()).default(task);
  // What a hook has put off comes now, in the cell that is to blame for it.
  await setImmediate();
  return timers() > before ? { ...exit, left: true } : exit;
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
