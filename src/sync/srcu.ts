import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as dataRaceModule from './data-race.ts';
import * as mutexModule from './mutex.ts';
import * as spinLockModule from './spin-lock.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, LINE_WORDS } = addressModule;
const { defineStruct } = structModule;
const { add, and, cpuRelax, load, notify, or, store, wait } = atomicsModule;
const { dataRace } = dataRaceModule;
const { spinLimit } = spinLockModule;
const { MUTEX, mutexInit, mutexLock, mutexUnlock } = mutexModule;
const { clearWait, HELD, popHeld, publishWait, pushHeld, WAIT } = taskModule;

/** Followed by one cache line for each thread, with its count of open read sections for each of the two indices. */
export const SRCU = defineStruct('srcu_struct', {
  idx: { words: 1, line: true },
  cls: 1,
  threads: 1,
  /** One grace period at a time. */
  mutex: MUTEX.$words,
});

const FIRST_READER = SRCU.$words;
/** In a reader's count: a grace period sleeps on this word, and the reader that leaves last wakes it. */
const SLEEPER = 1 << 30;

/** Size in words for readers with task ids 0 .. threads - 1. Starts on a cache line. */
export const srcuWords = (threads: number): number => SRCU.$words + threads * LINE_WORDS;

export function srcuInit(mem: Memory, s: Addr, threads: number, cls: number): void {
  for (let i = 0; i < srcuWords(threads); i++) mem[s + i] = 0;
  mem[s + SRCU.cls] = cls;
  mem[s + SRCU.threads] = threads;
  mutexInit(mem, at(s, SRCU.mutex), cls);
}

const readers = (s: Addr, tid: number, idx: number): Addr => (s + FIRST_READER + tid * LINE_WORDS + idx) as Addr;

/** The thread whose open sections a grace period waits for that has published `word` as what it sleeps on; -1 when they have ended. */
export const srcuAwaited = (mem: Memory, s: Addr, word: Addr): number =>
  (mem[word] & ~SLEEPER) === 0 ? -1 : Math.floor((word - s - FIRST_READER) / LINE_WORDS);

/**
 * `srcu_read_lock`: never blocks, may nest. Unlike there, counted by thread, so the section must end on the thread that
 * began it; a thread's count is then exact, and no second pair of counters is needed.
 */
export function srcuReadLock(task: Task, s: Addr): number {
  // Plain, as in the kernel: the index is a hint, and a grace period waits for the readers of both.
  const idx = dataRace(task.mem, s);
  // A read-modify-write, so that nothing inside the section is read before the section is counted.
  add(task, readers(s, task.tid, idx), 1);
  pushHeld(task, s, HELD.srcu);
  return idx;
}

/** `srcu_read_unlock` with the index that `srcuReadLock` returned. */
export function srcuReadUnlock(task: Task, s: Addr, idx: number): void {
  if (!popHeld(task, s, HELD.srcu)) return;
  const count = readers(s, task.tid, idx);
  // Count and mark are one word: either this sees the mark, or the grace period marks a word that is 0 already.
  if (add(task, count, -1) === (SLEEPER | 1)) notify(task, count, 1);
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
  for (let i = spinLimit(task); i > 0; i--) {
    if (load(task, count) === 0) return;
    cpuRelax();
  }
  let seen = or(task, count, SLEEPER) | SLEEPER;
  publishWait(task, WAIT.srcu, s, count, false);
  while (seen !== SLEEPER) {
    wait(task, count, seen, Number.POSITIVE_INFINITY);
    seen = load(task, count);
  }
  clearWait(task);
  // Not a store: new readers of the same index may be counted by now.
  and(task, count, ~SLEEPER);
}
