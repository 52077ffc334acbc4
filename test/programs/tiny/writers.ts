import { store } from '../../../src/sync/atomics.ts';
import type { Task } from '../../../src/sync/task.ts';
import { X } from './words.ts';

export { memory, names } from './words.ts';

function stores(task: Task, n: number): void {
  for (let i = 0; i < n; i++) store(task, X, i);
}

/** Two stores to one word, and five: 7! / (2! 5!) = 21 schedules, no two equivalent. */
export const threads = [(task: Task) => stores(task, 2), (task: Task) => stores(task, 5)];
