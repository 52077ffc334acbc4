import type { Addr, Memory } from '../memory/address.ts';
import * as controlModule from './control.ts';
import type { Task } from './task.ts';

/**
 * The only file of the model that calls `Atomics.*`. Two name spaces:
 *
 * - `load, store, add, ...` take the task: steps of the protocol, which a controlled run may schedule;
 * - `rawLoad, rawStore, ...` take the memory: trace, statistics, allocation and supervision, which no schedule may depend on.
 *
 * All are sequentially consistent, as everything in `Atomics` is.
 */

const { atomicStep1, atomicStep2, atomicStep3, CONTROL, OP } = controlModule;

// Private constants: without the two look-ups of `Atomics.load` a function here is small enough to be inlined everywhere.
const {
  load: atomicLoad,
  store: atomicStore,
  add: atomicAdd,
  or: atomicOr,
  and: atomicAnd,
  exchange: atomicExchange,
  compareExchange: atomicCompareExchange,
  wait: atomicWait,
  notify: atomicNotify,
} = CONTROL.current?.atomics ?? Atomics;

const control = CONTROL.current;

/** The operations of `Atomics` that are used here: what a controlled run may put in their place. */
export type AtomicTable = Pick<
  typeof Atomics,
  'load' | 'store' | 'add' | 'or' | 'and' | 'exchange' | 'compareExchange' | 'wait' | 'notify'
>;

export const load = atomicStep1(OP.load, (task: Task, a: Addr): number => atomicLoad(task.mem, a));
export const store = atomicStep2(OP.store, (task: Task, a: Addr, v: number): void => {
  atomicStore(task.mem, a, v);
});
/** READ_ONCE of a word that others may be writing: a plain read, and a step only of a controlled run. */
export const readOnce = control === null ? (task: Task, a: Addr): number => task.mem[a] : load;
/**
 * WRITE_ONCE of a word that others may be reading: a plain write. Others see it at the latest with the writer's next atomic operation; say
 * at each use which that is.
 */
export const writeOnce: (task: Task, a: Addr, v: number) => void =
  control === null
    ? (task, a, v) => {
        task.mem[a] = v;
      }
    : store;
/**
 * x86 keeps loads in the order of the program, and stores, and lets no load pass an atomic operation that writes: Atomics.load and a plain
 * read are the same instruction there, and a plain write is a release. V8 moves neither over a call of `Atomics`, but it calls for each of
 * them, and a load in such a call takes three times as long as outside. Elsewhere, and under control, the two below are atomic.
 */
const plain = control === null && (process.arch === 'x64' || process.arch === 'ia32');
/**
 * READ_ONCE after smp_mb__after_atomic: ordered after the thread's last atomic operation and before its next. Two with none between are not
 * ordered, and a loop that looks again and again must use `load`.
 */
export const loadAfterAtomic = plain ? readOnce : load;
/** smp_store_release: ordered after everything that the thread did before, but not before what it loads next. */
export const storeRelease = plain ? writeOnce : store;
/** Returns the value before the addition. */
export const add = atomicStep2(OP.add, (task: Task, a: Addr, v: number): number => atomicAdd(task.mem, a, v));
/** Returns the value before the or. */
export const or = atomicStep2(OP.or, (task: Task, a: Addr, v: number): number => atomicOr(task.mem, a, v));
/** Returns the value before the and. */
export const and = atomicStep2(OP.and, (task: Task, a: Addr, v: number): number => atomicAnd(task.mem, a, v));
/** Returns the value before the exchange. */
export const exchange = atomicStep2(OP.exchange, (task: Task, a: Addr, v: number): number =>
  atomicExchange(task.mem, a, v),
);
/** Returns the value found; it was replaced when that equals `expected`. */
export const compareExchange = atomicStep3(
  OP.compareExchange,
  (task: Task, a: Addr, expected: number, v: number): number => atomicCompareExchange(task.mem, a, expected, v),
);

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';
/** Sleeps while `a` holds `expected`, at most `timeoutMs` (Infinity: for ever). Publish what is waited for first: see task.ts. */
export const wait: (task: Task, a: Addr, expected: number, timeoutMs: number) => WaitResult =
  control === null
    ? (task, a, expected, timeoutMs) => atomicWait(task.mem, a, expected, timeoutMs)
    : (task, a, expected, timeoutMs) => control.wait(task, a, expected, timeoutMs !== Number.POSITIVE_INFINITY);
/** Wakes at most `count` sleepers on `a`; returns how many. An empty call costs 50 ns: call it only when a waiter bit was seen. */
export const notify: (task: Task, a: Addr, count: number) => number =
  control === null
    ? (task, a, count) => atomicNotify(task.mem, a, count)
    : (task, a, count) => control.notify(task, a, count);

export const rawLoad = (mem: Memory, a: Addr): number => atomicLoad(mem, a);
/** As `loadAfterAtomic`. */
export const rawLoadAfterAtomic = plain ? (mem: Memory, a: Addr): number => mem[a] : rawLoad;
export const rawStore = (mem: Memory, a: Addr, v: number): void => {
  atomicStore(mem, a, v);
};
export const rawAdd = (mem: Memory, a: Addr, v: number): number => atomicAdd(mem, a, v);
export const rawOr = (mem: Memory, a: Addr, v: number): number => atomicOr(mem, a, v);
export const rawExchange = (mem: Memory, a: Addr, v: number): number => atomicExchange(mem, a, v);
export const rawCompareExchange = (mem: Memory, a: Addr, expected: number, v: number): number =>
  atomicCompareExchange(mem, a, expected, v);
export const rawWait = (mem: Memory, a: Addr, expected: number, timeoutMs: number): WaitResult =>
  atomicWait(mem, a, expected, timeoutMs);
export const rawNotify = (mem: Memory, a: Addr, count: number): number => atomicNotify(mem, a, count);

/** A word of the arena that nobody writes except to say "stop sleeping": used as a place to sleep for a time. */
export const sleepMs = (mem: Memory, a: Addr, ms: number): void => {
  atomicWait(mem, a, atomicLoad(mem, a), ms);
};

const nativePause = (Atomics as { pause?: (iterations?: number) => void }).pause;
/** Tells the core that this is a spin loop, where the engine can (Node 24 on). */
export const cpuRelax: () => void = nativePause === undefined ? () => {} : () => nativePause();
