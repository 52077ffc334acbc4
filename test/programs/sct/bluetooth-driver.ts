import { add, load, store } from '../../../src/sync/atomics.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * bluetooth_driver: a request enters a driver while the driver is stopped (Qadeer and Wu, KISS, PLDI 2004). The request looks at the
 * stopping flag and only then counts itself as pending; the stop between the two sees nobody pending and stops the driver under it.
 *
 * Published with 2 threads: the one that makes the other is the request.
 */
export const { memory, setup, names, ...words } = layout([], {
  stoppingFlag: 0,
  stoppingEvent: 0,
  /** One for the driver itself. */
  pending: 1,
  stopped: 0,
});
const { at } = words;
const STOPPING_FLAG = at('stoppingFlag');
const STOPPING_EVENT = at('stoppingEvent');
const PENDING = at('pending');
const STOPPED = at('stopped');

function leave(task: Task): void {
  if (add(task, PENDING, -1) === 1) store(task, STOPPING_EVENT, 1);
}

function request(task: Task): void {
  if (load(task, STOPPING_FLAG) !== 0) return;
  add(task, PENDING, 1);
  if (load(task, STOPPED) !== 0) throw new Error('a request in a driver that is stopped');
  leave(task);
}

function stop(task: Task): void {
  store(task, STOPPING_FLAG, 1);
  leave(task);
  // The original assumes the event here: schedules in which it has not come are none of its concern.
  if (load(task, STOPPING_EVENT) !== 0) store(task, STOPPED, 1);
}

export const threads = [request, stop];
