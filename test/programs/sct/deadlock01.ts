import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * deadlock01: two threads take two locks in opposite orders.
 *
 * Published with 3 threads: these two and the one that makes them.
 */
export const { memory, setup, names, ...words } = layout(['a', 'b'], { counter: 1 });
const { at } = words;
const A = at('a');
const B = at('b');
const COUNTER = at('counter');

function up(task: Task): void {
  mutexLock(task, A);
  mutexLock(task, B);
  store(task, COUNTER, load(task, COUNTER) + 1);
  mutexUnlock(task, B);
  mutexUnlock(task, A);
}

function down(task: Task): void {
  mutexLock(task, B);
  mutexLock(task, A);
  store(task, COUNTER, load(task, COUNTER) - 1);
  mutexUnlock(task, A);
  mutexUnlock(task, B);
}

export const threads = [up, down];
