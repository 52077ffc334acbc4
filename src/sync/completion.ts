import type { Addr, Memory } from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as clockModule from './clock.ts';
import type { Control } from './control.ts';
import * as controlModule from './control.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { defineStruct } = structModule;
const { add, compareExchange, load, notify, store, wait } = atomicsModule;
const { nowMs } = clockModule;
const { CONTROL } = controlModule;
const { clearWait, publishWait, WAIT } = taskModule;

/**
 * `done`: how many waiters may still pass, or `DONE_ALL`. `waiters` counts those that sleep or are about to, in its lower half; in the upper half,
 * how many ever did, by which the lost-wakeup oracle knows that nobody has come meanwhile.
 */
export const COMPLETION = defineStruct('completion', { done: 1, cls: 1, waiters: 1 });

/** `done` after `completeAll`: every waiter passes until the next `reinitCompletion`. */
export const COMPLETION_DONE_ALL = 0x7fffffff;
const DONE_ALL = COMPLETION_DONE_ALL;

const WAITERS = COMPLETION.waiters;
/** What a waiter adds when it comes; it takes 1 away when it goes. */
export const ARRIVAL = 0x10001;
/** Of `waiters`: those that are there. */
export const PRESENT = 0xffff;
/** Under control with `--granularity lock`, a wait is one step that waits for `done` to move. */
const locks = CONTROL.current?.granularity === 'lock' ? CONTROL.current : null;

export function completionInit(mem: Memory, c: Addr, cls = 0): void {
  mem[c + COMPLETION.done] = 0;
  mem[c + COMPLETION.cls] = cls;
  mem[c + COMPLETION.waiters] = 0;
}

/** `reinit_completion`. As there, threads that wait now go on waiting. */
export const reinitCompletion = (task: Task, c: Addr): void => store(task, c, 0);

/** `wait_for_completion`. */
export function waitForCompletion(task: Task, c: Addr): void {
  if (!consume(task, c)) sleepForCompletion(task, c, Number.POSITIVE_INFINITY);
}

/** `wait_for_completion_timeout`; true when it was completed. */
export const waitForCompletionTimeout = (task: Task, c: Addr, ms: number): boolean =>
  consume(task, c) || sleepForCompletion(task, c, ms);

/** `complete`: lets one waiter pass, now or later. */
export function complete(task: Task, c: Addr): void {
  for (;;) {
    const done = load(task, c);
    if (done === DONE_ALL) return;
    if (compareExchange(task, c, done, done + 1) === done) break;
  }
  wake(task, c, 1);
}

/** `complete_all`. */
export function completeAll(task: Task, c: Addr): void {
  store(task, c, DONE_ALL);
  wake(task, c, Number.POSITIVE_INFINITY);
}

/** `completion_done`: a waiter would pass now. */
export const completionDone = (task: Task, c: Addr): boolean => load(task, c) !== 0;

function wake(task: Task, c: Addr, count: number): void {
  // `done` was written before this look, and a waiter counts itself before its sleep looks at `done`: one sees the other.
  if (locks === null && (load(task, (c + WAITERS) as Addr) & PRESENT) !== 0) notify(task, c, count);
}

function consume(task: Task, c: Addr): boolean {
  for (;;) {
    const done = load(task, c);
    if (done === 0) return false;
    if (done === DONE_ALL || compareExchange(task, c, done, done - 1) === done) return true;
  }
}

function untilCompleted(control: Control, task: Task, c: Addr, timed: boolean): boolean {
  while (control.until(task, c, 0, timed)) if (consume(task, c)) return true;
  return false;
}

function sleepForCompletion(task: Task, c: Addr, ms: number): boolean {
  const timed = ms !== Number.POSITIVE_INFINITY;
  if (locks !== null) return untilCompleted(locks, task, c, timed);
  const deadline = timed ? nowMs() + ms : ms;
  add(task, (c + WAITERS) as Addr, ARRIVAL);
  publishWait(task, WAIT.completion, c, c, timed);
  let left = ms;
  let passed = false;
  for (;;) {
    const result = wait(task, c, 0, left);
    // Looked at once more after a time-out: a completion that came in between is not left behind.
    passed = consume(task, c);
    if (passed || result === 'timed-out') break;
    // Another waiter was faster. Only what is left of the time is slept again.
    if (timed) left = Math.max(0, deadline - nowMs());
  }
  clearWait(task);
  add(task, (c + WAITERS) as Addr, -1);
  return passed;
}
