import type { Addr, Memory } from '../memory/address.ts';
import type { Task } from './task.ts';

/**
 * The only file of the model that calls `Atomics.*`. Two name spaces:
 *
 * - `load, store, add, ...` take the task: steps of the protocol, which a controlled run may schedule;
 * - `rawLoad, rawStore, ...` take the memory: trace, statistics, allocation and supervision, which no schedule may depend on.
 *
 * All are sequentially consistent, as everything in `Atomics` is.
 */

export const load = (task: Task, a: Addr): number => Atomics.load(task.mem, a);
export const store = (task: Task, a: Addr, v: number): void => {
  Atomics.store(task.mem, a, v);
};
/** Returns the value before the addition. */
export const add = (task: Task, a: Addr, v: number): number => Atomics.add(task.mem, a, v);
/** Returns the value before the or. */
export const or = (task: Task, a: Addr, v: number): number => Atomics.or(task.mem, a, v);
/** Returns the value before the and. */
export const and = (task: Task, a: Addr, v: number): number => Atomics.and(task.mem, a, v);
/** Returns the value before the exchange. */
export const exchange = (task: Task, a: Addr, v: number): number => Atomics.exchange(task.mem, a, v);
/** Returns the value found; it was replaced when that equals `expected`. */
export const compareExchange = (task: Task, a: Addr, expected: number, v: number): number =>
  Atomics.compareExchange(task.mem, a, expected, v);

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';
/** Sleeps while `a` holds `expected`, at most `timeoutMs` (Infinity: for ever). Publish what is waited for first: see task.ts. */
export const wait = (task: Task, a: Addr, expected: number, timeoutMs: number): WaitResult =>
  Atomics.wait(task.mem, a, expected, timeoutMs);
/** Wakes at most `count` sleepers on `a`; returns how many. An empty call costs 50 ns: call it only when a waiter bit was seen. */
export const notify = (task: Task, a: Addr, count: number): number => Atomics.notify(task.mem, a, count);

export const rawLoad = (mem: Memory, a: Addr): number => Atomics.load(mem, a);
export const rawStore = (mem: Memory, a: Addr, v: number): void => {
  Atomics.store(mem, a, v);
};
export const rawAdd = (mem: Memory, a: Addr, v: number): number => Atomics.add(mem, a, v);
export const rawOr = (mem: Memory, a: Addr, v: number): number => Atomics.or(mem, a, v);
export const rawExchange = (mem: Memory, a: Addr, v: number): number => Atomics.exchange(mem, a, v);
export const rawCompareExchange = (mem: Memory, a: Addr, expected: number, v: number): number =>
  Atomics.compareExchange(mem, a, expected, v);
export const rawWait = (mem: Memory, a: Addr, expected: number, timeoutMs: number): WaitResult =>
  Atomics.wait(mem, a, expected, timeoutMs);
export const rawNotify = (mem: Memory, a: Addr, count: number): number => Atomics.notify(mem, a, count);

/** A word of the arena that nobody writes except to say "stop sleeping": used as a place to sleep for a time. */
export const sleepMs = (mem: Memory, a: Addr, ms: number): void => {
  Atomics.wait(mem, a, Atomics.load(mem, a), ms);
};

const nativePause = (Atomics as { pause?: (iterations?: number) => void }).pause;
/** Tells the core that this is a spin loop, where the engine can (Node 24 on). */
export const cpuRelax: () => void = nativePause === undefined ? () => {} : () => nativePause();
