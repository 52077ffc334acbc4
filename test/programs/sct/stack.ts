import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * stack: one thread pushes ten times, one pops ten times, each under the lock. The flag that allows to pop is set by the first push and
 * never cleared, so a thread that pops faster than the other pushes pops from an empty stack.
 *
 * Published with 3 threads: these two and the one that makes them.
 */
const SIZE = 10;

export const { memory, setup, names, ...words } = layout(['m'], { top: 0, mayPop: 0, items: [SIZE] });
const { at, item } = words;
const M = at('m');
const TOP = at('top');
const MAY_POP = at('mayPop');

function push(task: Task, value: number): void {
  const top = load(task, TOP);
  if (top === SIZE) throw new Error('overflow');
  store(task, item('items', top), value);
  store(task, TOP, top + 1);
}

function pop(task: Task): number {
  const top = load(task, TOP);
  if (top === 0) throw new Error('underflow');
  store(task, TOP, top - 1);
  return load(task, item('items', top - 1));
}

function pushes(task: Task): void {
  for (let i = 0; i < SIZE; i++) {
    mutexLock(task, M);
    push(task, i);
    store(task, MAY_POP, 1);
    mutexUnlock(task, M);
  }
}

function pops(task: Task): void {
  for (let i = 0; i < SIZE; i++) {
    mutexLock(task, M);
    if (load(task, MAY_POP) !== 0) pop(task);
    mutexUnlock(task, M);
  }
}

export const threads = [pushes, pops];
