import { notify, store, wait } from '../../../src/sync/atomics.ts';
import type { Task } from '../../../src/sync/task.ts';
import { X } from './words.ts';

export { memory, names } from './words.ts';

/** The wait comes before the store, and is woken; or between store and notify; or behind both: 3 executions. */
export const threads = [
  (task: Task) => {
    wait(task, X, 0, Number.POSITIVE_INFINITY);
  },
  (task: Task) => {
    store(task, X, 1);
    notify(task, X, 1);
  },
];
