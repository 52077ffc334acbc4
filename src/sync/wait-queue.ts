import type { Addr, Memory } from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as clockModule from './clock.ts';
import * as completionModule from './completion.ts';
import * as controlModule from './control.ts';
import type { Task, WaitKind } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { defineStruct } = structModule;
const { add, load, loadAfterAtomic, notify, wait } = atomicsModule;
const { nowMs } = clockModule;
const { ARRIVAL, PRESENT } = completionModule;
const { CONTROL } = controlModule;
const { clearWait, publishWait, WAIT } = taskModule;

/** `seq` moves at each wake-up; `waiters` counts the threads that sleep or are about to, as in a completion. */
export const WAIT_QUEUE = defineStruct('wait_queue', { seq: 1, cls: 1, waiters: 1 });

/**
 * A queue of those who wait until one of `size` slots is free (`WAIT.slot`). Whoever has a slot holds the queue's address as
 * `HELD.slot`, only while the slot is really his: taken before it is published, given back after.
 */
export const SLOT_QUEUE = defineStruct('slot_queue', { queue: WAIT_QUEUE.$words, size: 1 });

const WAITERS = WAIT_QUEUE.waiters;
/** Under control with `--granularity lock`, a wait is one step that waits for the count to move, and a wake-up moves it. */
const locks = CONTROL.current?.granularity === 'lock' ? CONTROL.current : null;

export function waitQueueInit(mem: Memory, q: Addr, cls = 0): void {
  mem[q + WAIT_QUEUE.seq] = 0;
  mem[q + WAIT_QUEUE.cls] = cls;
  mem[q + WAIT_QUEUE.waiters] = 0;
}

/**
 * `prepare_to_wait`, without a list: the ticket is the count of wake-ups so far. Take it BEFORE testing the condition; a
 * wake-up between the test and the sleep has then moved the count, and the sleep does not start.
 */
export const waitPrepare = (task: Task, q: Addr): number => load(task, q);

/**
 * Sleeps until a wake-up that is newer than `ticket`; false when `timeoutMs` passed first. Test the condition again after it:
 * a wake-up says only that something may have changed, and `wakeUp` may wake more than it was asked to.
 */
export function waitOn(
  task: Task,
  q: Addr,
  ticket: number,
  timeoutMs: number = Number.POSITIVE_INFINITY,
  kind: WaitKind = WAIT.waitQueue,
): boolean {
  if (locks !== null) return locks.until(task, q, ticket, timeoutMs !== Number.POSITIVE_INFINITY);
  if (load(task, q) !== ticket) return true;
  const timed = timeoutMs !== Number.POSITIVE_INFINITY;
  const deadline = timed ? nowMs() + timeoutMs : timeoutMs;
  add(task, (q + WAITERS) as Addr, ARRIVAL);
  publishWait(task, kind, q, ticket, timed);
  let left = timeoutMs;
  for (;;) {
    const result = wait(task, q, ticket, left);
    if (result === 'timed-out' || load(task, q) !== ticket) break;
    if (timed) left = Math.max(0, deadline - nowMs());
  }
  const woken = load(task, q) !== ticket;
  clearWait(task);
  add(task, (q + WAITERS) as Addr, -1);
  return woken;
}

/** `wake_up_nr`: wakes at least `count` waiters, if there are so many. */
export function wakeUp(task: Task, q: Addr, count: number): void {
  // The count moves before the look for waiters, and a waiter counts itself before its sleep looks at the count: one of the
  // two sees the other.
  add(task, q, 1);
  if (locks !== null) return;
  if ((loadAfterAtomic(task, (q + WAITERS) as Addr) & PRESENT) !== 0) notify(task, q, count);
}

/** `wake_up_all`. */
export const wakeUpAll = (task: Task, q: Addr): void => wakeUp(task, q, Number.POSITIVE_INFINITY);
