import type { Memory } from '../../../src/memory/address.ts';
import { load, store } from '../../../src/sync/atomics.ts';
import { mutexInit, mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { LOCK, X, Y } from './words.ts';

export { memory, names } from './words.ts';

export const setup = (mem: Memory): void => mutexInit(mem, LOCK, 0);

const section = (task: Task): void => {
  load(task, Y);
  mutexLock(task, LOCK);
  store(task, X, load(task, X) + 1);
  mutexUnlock(task, LOCK);
};

/** Three critical sections, each behind a read that nobody minds: 3! executions. */
export const threads = [section, section, section];
