import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as mutexModule from './mutex.ts';
import * as spinLockModule from './spin-lock.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, LINE_WORDS } = addressModule;
const { defineStruct } = structModule;
const { add, cpuRelax, load, notify, store, wait } = atomicsModule;
const { MUTEX, mutexInit, mutexLock, mutexUnlock } = mutexModule;
const { SPIN_LIMIT } = spinLockModule;
const { clearWait, HELD, popHeld, publishWait, pushHeld, WAIT } = taskModule;

/** Followed by one cache line for each thread, with its count of open read sections for each of the two indices. */
export const SRCU = defineStruct('srcu_struct', {
  idx: { words: 1, line: true },
  cls: 1,
  threads: 1,
  /** 1 while a grace period sleeps: the reader that leaves last wakes it. */
  sleeping: 1,
  /** Moves at each such wake-up. */
  wakes: 1,
  /** One grace period at a time. */
  mutex: MUTEX.$words,
});

const FIRST_READER = SRCU.$words;
const SLEEPING = SRCU.sleeping;
const WAKES = SRCU.wakes;

/** Size in words for readers with task ids 0 .. threads - 1. Starts on a cache line. */
export const srcuWords = (threads: number): number => SRCU.$words + threads * LINE_WORDS;

export function srcuInit(mem: Memory, s: Addr, threads: number, cls: number): void {
  for (let i = 0; i < srcuWords(threads); i++) mem[s + i] = 0;
  mem[s + SRCU.cls] = cls;
  mem[s + SRCU.threads] = threads;
  mutexInit(mem, at(s, SRCU.mutex), cls);
}

const readers = (s: Addr, tid: number, idx: number): Addr => (s + FIRST_READER + tid * LINE_WORDS + idx) as Addr;

/**
 * `srcu_read_lock`: never blocks, may nest. Unlike there, counted by thread, so the section must end on the thread that
 * began it; a thread's count is then exact, and no second pair of counters is needed.
 */
export function srcuReadLock(task: Task, s: Addr): number {
  const idx = load(task, s);
  // A read-modify-write, so that nothing inside the section is read before the section is counted.
  add(task, readers(s, task.tid, idx), 1);
  pushHeld(task, s, HELD.srcu);
  return idx;
}

/** `srcu_read_unlock` with the index that `srcuReadLock` returned. */
export function srcuReadUnlock(task: Task, s: Addr, idx: number): void {
  popHeld(task, s, HELD.srcu);
  // Counted down before the look at `sleeping`; the grace period says that it sleeps before its last look at the counts.
  if (add(task, readers(s, task.tid, idx), -1) === 1 && load(task, at(s, SLEEPING)) !== 0) wakeGracePeriod(task, s);
}

/**
 * `synchronize_srcu`: returns when every read section that was open at the call has ended. Each thread's two counts are
 * seen at zero after the call, which ends all older sections; the index only keeps new readers from holding it up for ever.
 */
export function synchronizeSrcu(task: Task, s: Addr): void {
  const mutex = at(s, SRCU.mutex);
  // The lock is also the barrier between the caller's removal of an object and the first look at the counts.
  mutexLock(task, mutex);
  const idx = load(task, s);
  // Readers that sampled the other index before the last flip and counted themselves after it: few, none new.
  waitForReaders(task, s, idx ^ 1);
  store(task, s, idx ^ 1);
  waitForReaders(task, s, idx);
  mutexUnlock(task, mutex);
}

function waitForReaders(task: Task, s: Addr, idx: number): void {
  const threads = task.mem[s + SRCU.threads];
  for (let tid = 0; tid < threads; tid++) waitForThread(task, s, readers(s, tid, idx));
}

function waitForThread(task: Task, s: Addr, count: Addr): void {
  for (let i = 0; i < SPIN_LIMIT; i++) {
    if (load(task, count) === 0) return;
    cpuRelax();
  }
  const wakes = at(s, WAKES);
  store(task, at(s, SLEEPING), 1);
  publishWait(task, WAIT.srcu, s, wakes, false);
  for (;;) {
    // Sampled before the count: a wake-up after the look has moved it, and the sleep does not start.
    const seen = load(task, wakes);
    if (load(task, count) === 0) break;
    wait(task, wakes, seen, Number.POSITIVE_INFINITY);
  }
  clearWait(task);
  store(task, at(s, SLEEPING), 0);
}

function wakeGracePeriod(task: Task, s: Addr): void {
  add(task, at(s, WAKES), 1);
  notify(task, at(s, WAKES), 1);
}
