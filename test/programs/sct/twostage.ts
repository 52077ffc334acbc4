import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * twostage: one thread sets a first value under one lock and a second that follows from it under another (Eytani et al.). A thread that
 * reads both between the two stages finds that they do not fit.
 *
 * Published with 3 threads: these two and the one that makes them.
 */
export const { memory, setup, names, ...words } = layout(['lock1', 'lock2'], { data1: 0, data2: 0 });
const { at } = words;
const LOCK1 = at('lock1');
const LOCK2 = at('lock2');
const DATA1 = at('data1');
const DATA2 = at('data2');

function writes(task: Task): void {
  mutexLock(task, LOCK1);
  store(task, DATA1, 1);
  mutexUnlock(task, LOCK1);
  mutexLock(task, LOCK2);
  store(task, DATA2, load(task, DATA1) + 1);
  mutexUnlock(task, LOCK2);
}

function reads(task: Task): void {
  mutexLock(task, LOCK1);
  const data1 = load(task, DATA1);
  mutexUnlock(task, LOCK1);
  if (data1 === 0) return;
  mutexLock(task, LOCK2);
  const data2 = load(task, DATA2);
  mutexUnlock(task, LOCK2);
  if (data2 !== data1 + 1) throw new Error(`${data2} does not follow ${data1}`);
}

export const threads = [writes, reads];
