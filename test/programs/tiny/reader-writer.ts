import type { Memory } from '../../../src/memory/address.ts';
import { load, store } from '../../../src/sync/atomics.ts';
import { downRead, downWrite, rwsemInit, upRead, upWrite } from '../../../src/sync/rw-semaphore.ts';
import type { Task } from '../../../src/sync/task.ts';
import { LOCK, X } from './words.ts';

export { memory, names } from './words.ts';

export const setup = (mem: Memory): void => rwsemInit(mem, LOCK, 0);

const reads = (task: Task): void => {
  downRead(task, LOCK);
  load(task, X);
  upRead(task, LOCK);
};
const writes = (task: Task): void => {
  downWrite(task, LOCK);
  store(task, X, 1);
  upWrite(task, LOCK);
};

/** Each reader is before the writer or behind it: 4 executions. */
export const threads = [writes, reads, reads];
