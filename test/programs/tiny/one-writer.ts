import { load, store } from '../../../src/sync/atomics.ts';
import type { Task } from '../../../src/sync/task.ts';
import { X } from './words.ts';

export { memory, names } from './words.ts';

const reads = (task: Task): void => {
  load(task, X);
};

/** One write, two reads: 6 schedules, but each read is before the write or behind it, so 4 executions. */
export const threads = [(task: Task) => store(task, X, 1), reads, reads];
