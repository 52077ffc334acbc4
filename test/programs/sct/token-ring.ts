import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * token_ring: three threads pass a value round a ring, each under the lock, and say so; a fourth finds all three done and expects all
 * values to be the same, which is so only when they ran in the order of the ring.
 *
 * Published with 5 threads: these four and the one that makes them.
 */
export const { memory, setup, names, ...words } = layout(['m'], { x1: 1, x2: 2, x3: 1, done1: 0, done2: 0, done3: 0 });
const { at } = words;
const M = at('m');
const X1 = at('x1');
const X2 = at('x2');
const X3 = at('x3');
const DONE1 = at('done1');
const DONE2 = at('done2');
const DONE3 = at('done3');

function first(task: Task): void {
  mutexLock(task, M);
  store(task, X1, (load(task, X3) + 1) % 4);
  store(task, DONE1, 1);
  mutexUnlock(task, M);
}

function second(task: Task): void {
  mutexLock(task, M);
  store(task, X2, load(task, X1));
  store(task, DONE2, 1);
  mutexUnlock(task, M);
}

function third(task: Task): void {
  mutexLock(task, M);
  store(task, X3, load(task, X2));
  store(task, DONE3, 1);
  mutexUnlock(task, M);
}

function checks(task: Task): void {
  mutexLock(task, M);
  if (load(task, DONE1) !== 0 && load(task, DONE2) !== 0 && load(task, DONE3) !== 0) {
    const x2 = load(task, X2);
    if (load(task, X1) !== x2 || x2 !== load(task, X3)) throw new Error('the values in the ring differ');
  }
  mutexUnlock(task, M);
}

export const threads = [first, second, third, checks];
