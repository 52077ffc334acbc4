import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * wronglock_3: one thread counts up under the right lock and expects that nobody else did meanwhile; three count up under another lock.
 *
 * Published with 5 threads: these four and the one that makes them.
 */
export const { memory, setup, names, ...words } = layout(['right', 'wrong'], { data: 0 });
const { at } = words;
const RIGHT = at('right');
const WRONG = at('wrong');
const DATA = at('data');

function underRight(task: Task): void {
  mutexLock(task, RIGHT);
  const before = load(task, DATA);
  store(task, DATA, load(task, DATA) + 1);
  const after = load(task, DATA);
  if (after !== before + 1) throw new Error(`${after} after ${before}`);
  mutexUnlock(task, RIGHT);
}

function underWrong(task: Task): void {
  mutexLock(task, WRONG);
  store(task, DATA, load(task, DATA) + 1);
  mutexUnlock(task, WRONG);
}

export const threads = [underRight, underWrong, underWrong, underWrong];
