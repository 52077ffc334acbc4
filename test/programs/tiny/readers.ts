import type { Memory } from '../../../src/memory/address.ts';
import { load } from '../../../src/sync/atomics.ts';
import { downRead, rwsemInit, upRead } from '../../../src/sync/rw-semaphore.ts';
import type { Task } from '../../../src/sync/task.ts';
import { LOCK, X } from './words.ts';

export { memory, names } from './words.ts';

export const setup = (mem: Memory): void => rwsemInit(mem, LOCK, 0);

const reads = (task: Task): void => {
  downRead(task, LOCK);
  load(task, X);
  upRead(task, LOCK);
};

/** Readers of one lock commute in all that they do: 6! / (3! 3!) = 20 schedules, one execution. */
export const threads = [reads, reads];
