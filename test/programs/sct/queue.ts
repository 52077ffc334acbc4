import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * queue: one thread puts in, one takes out, in turns, and what comes out is compared with what was stored under the same number. The
 * second thread numbers its rounds, not the elements: a round without an element puts it out of step.
 *
 * Published with 3 threads: these two and the one that makes them.
 */
const SIZE = 20;

export const { memory, setup, names, ...words } = layout(['m'], {
  mayPut: 1,
  mayTake: 0,
  head: 0,
  tail: 0,
  amount: 0,
  elements: [SIZE],
  stored: [SIZE],
});
const { at, item } = words;
const M = at('m');
const MAY_PUT = at('mayPut');
const MAY_TAKE = at('mayTake');
const HEAD = at('head');
const TAIL = at('tail');
const AMOUNT = at('amount');

function enqueue(task: Task, value: number): void {
  const tail = load(task, TAIL);
  store(task, item('elements', tail), value);
  store(task, AMOUNT, load(task, AMOUNT) + 1);
  store(task, TAIL, (tail + 1) % SIZE);
}

function dequeue(task: Task): number {
  const head = load(task, HEAD);
  const value = load(task, item('elements', head));
  store(task, AMOUNT, load(task, AMOUNT) - 1);
  store(task, HEAD, (head + 1) % SIZE);
  return value;
}

/** Any values will do; these differ from each other and from 0. */
const numberOf = (i: number): number => i + 100;

function puts(task: Task): void {
  mutexLock(task, M);
  enqueue(task, numberOf(0));
  store(task, item('stored', 0), numberOf(0));
  if (load(task, AMOUNT) === 0) throw new Error('empty after an element was put in');
  mutexUnlock(task, M);
  for (let i = 1; i < SIZE; i++) {
    mutexLock(task, M);
    if (load(task, MAY_PUT) !== 0) {
      enqueue(task, numberOf(i));
      store(task, item('stored', i), numberOf(i));
      store(task, MAY_PUT, 0);
      store(task, MAY_TAKE, 1);
    }
    mutexUnlock(task, M);
  }
}

function takes(task: Task): void {
  for (let i = 0; i < SIZE; i++) {
    mutexLock(task, M);
    if (load(task, MAY_TAKE) !== 0) {
      const value = dequeue(task);
      const expected = load(task, item('stored', i));
      if (value !== expected) throw new Error(`took ${value}, expected ${expected}`);
      store(task, MAY_TAKE, 0);
      store(task, MAY_PUT, 1);
    }
    mutexUnlock(task, M);
  }
}

export const threads = [puts, takes];
