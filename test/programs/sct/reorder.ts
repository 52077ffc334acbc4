import type { Program } from '../../../src/explore/subject/program.ts';
import { load, store } from '../../../src/sync/atomics.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * reorder_N: N - 1 threads write a = 1, then b = -1; one checks that it sees both or neither. It must look after the first write to
 * a and before the first to b: the more threads write, the shorter is that time in most schedules.
 *
 * reorder_3, 4 and 5 are published with 4, 5 and 6 threads: these and the one that makes them.
 */
export function reorder(n: number): Program & Required<Pick<Program, 'setup' | 'names'>> {
  const { memory, setup, names, at } = layout([], { a: 0, b: 0 });
  const A = at('a');
  const B = at('b');
  const sets = (task: Task): void => {
    store(task, A, 1);
    store(task, B, -1);
  };
  const checks = (task: Task): void => {
    if (load(task, A) === 0 && load(task, B) === 0) return;
    if (load(task, A) === 1 && load(task, B) === -1) return;
    throw new Error('one of the two writes is seen without the other');
  };
  return { memory, setup, names, threads: [...Array.from({ length: n - 1 }, () => sets), checks] };
}
