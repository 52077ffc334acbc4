import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * circular_buffer: a sender puts numbers into a buffer, a receiver takes them out, in turns. In a round in which it is not its turn
 * the receiver takes nothing, but counts the round all the same, and then expects the wrong number.
 *
 * Published with 3 threads: these two and the one that makes them.
 */
const SIZE = 10;
const ROUNDS = 7;

export const { memory, setup, names, ...words } = layout(['m'], {
  send: 1,
  receive: 0,
  first: 0,
  next: 0,
  buffer: [SIZE],
});
const { at, item } = words;
const M = at('m');
const SEND = at('send');
const RECEIVE = at('receive');
const FIRST = at('first');
const NEXT = at('next');

function insert(task: Task, value: number): void {
  const next = load(task, NEXT);
  if (next >= SIZE) return;
  store(task, item('buffer', next), value);
  store(task, NEXT, (next + 1) % SIZE);
}

function remove(task: Task): number {
  const first = load(task, FIRST);
  if (load(task, NEXT) === 0 || first >= SIZE) return -1;
  store(task, FIRST, first + 1);
  return load(task, item('buffer', first));
}

function sender(task: Task): void {
  for (let i = 0; i < ROUNDS; i++) {
    mutexLock(task, M);
    if (load(task, SEND) !== 0) {
      insert(task, i);
      store(task, SEND, 0);
      store(task, RECEIVE, 1);
    }
    mutexUnlock(task, M);
  }
}

function receiver(task: Task): void {
  for (let i = 0; i < ROUNDS; i++) {
    mutexLock(task, M);
    if (load(task, RECEIVE) !== 0) {
      const value = remove(task);
      if (value !== i) throw new Error(`received ${value}, expected ${i}`);
      store(task, RECEIVE, 0);
      store(task, SEND, 1);
    }
    mutexUnlock(task, M);
  }
}

export const threads = [sender, receiver];
