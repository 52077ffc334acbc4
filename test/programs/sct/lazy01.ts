import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * lazy01: two threads add 1 and 2 under a lock, a third finds that both have: it must come last.
 *
 * Published with 4 threads: these three and the one that makes them.
 */
export const { memory, setup, names, ...words } = layout(['m'], { data: 0 });
const { at } = words;
const M = at('m');
const DATA = at('data');

function addUnderLock(task: Task, n: number): void {
  mutexLock(task, M);
  store(task, DATA, load(task, DATA) + n);
  mutexUnlock(task, M);
}

function addsOne(task: Task): void {
  addUnderLock(task, 1);
}

function addsTwo(task: Task): void {
  addUnderLock(task, 2);
}

function looks(task: Task): void {
  mutexLock(task, M);
  if (load(task, DATA) >= 3) throw new Error('both have been added');
  mutexUnlock(task, M);
}

export const threads = [addsOne, addsTwo, looks];
