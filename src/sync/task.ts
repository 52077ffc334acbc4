import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;

/** What a thread sleeps for. The wait-for graph is built from these words: see oracles/deadlock.ts. */
export const WAIT = {
  none: 0,
  mutex: 1,
  spin: 2,
  rwsemRead: 3,
  rwsemWrite: 4,
  completion: 5,
  waitQueue: 6,
  /** An SRCU grace period: waits for the readers of `waitAddr`. */
  srcu: 7,
  /** Device accesses in flight: waits for the thread whose task id is in `waitArg`. */
  drain: 8,
  /** A forced order: waits for its own step, whose number is in `waitArg`. */
  gate: 9,
  /** Parked at a quiescent point by the supervisor, or at a barrier: not stuck, and wakes nobody until released. */
  park: 10,
  /** An idle sleep that ends by itself. */
  idle: 11,
  /** A pool in which no slot is free: waits for any of the holders of its slots (SLOT_QUEUE). */
  slot: 12,
} as const;
export type WaitKind = (typeof WAIT)[keyof typeof WAIT];

/** How a published lock is held; kept in the upper bits of a `held` word. `slot`: one of several of a pool. */
export const HELD = { mutex: 0, spin: 1, read: 2, write: 3, srcu: 4, map: 5, slot: 6 } as const;
export type HeldMode = (typeof HELD)[keyof typeof HELD];
/** A held word is `address | mode << HELD_SHIFT`; arenas end below 2^28 words. */
export const HELD_SHIFT = 28;
export const HELD_MAX = 40;

/**
 * What each thread publishes about itself: plain words that only it writes. A reader that wants to rely on them looks twice and
 * compares `waitEpoch`, which moves at each sleep.
 */
export const TASK = defineStruct('task', {
  waitEpoch: { words: 1, line: true },
  waitKind: 1,
  waitAddr: 1,
  waitArg: 1,
  /** 1 when the sleep ends by itself: such a wait never closes a deadlock. */
  waitTimed: 1,
  heldCount: 1,
  /** Holds that did not fit `held`; while it is not 0 the thread's holds are not known completely. */
  heldOverflow: 1,
  /** 1 inside a section that must not sleep (non_block_start); what it slept for all the same, and where. */
  nonBlockable: 1,
  sleptFor: 1,
  sleptOn: 1,
  held: HELD_MAX,
  /** This thread's place in the queue of the lock it sleeps for; written by the threads that wake it, so on a line of its own. */
  waitNode: { words: 5, line: true },
});

/**
 * A place in a lock's queue. A thread sleeps for one lock at a time, so one node a thread is enough and no lock allocates.
 * `next` and `prev` belong to whoever holds the queue's own lock.
 */
export const WAIT_NODE = defineStruct('wait_node', { state: 1, next: 1, prev: 1, mode: 1, misses: 1 });

/** `WAIT_NODE.state`, the word slept on. */
export const NODE_IDLE = 0;
export const NODE_WAITING = 1;

/** Address of the thread's wait node. */
export const waitNodeOf = (taskAddr: Addr): Addr => at(taskAddr, TASK.waitNode);

/**
 * False once a mutex or rwsem sleeper has been granted the lock, or told to try again, but has not run yet: its published wait
 * is then out of date. Meaningful only while its `waitKind` is one of those.
 */
export const waitNodePending = (mem: Memory, taskAddr: Addr): boolean =>
  mem[taskAddr + TASK.waitNode + WAIT_NODE.state] === NODE_WAITING;

// Constants of this module alone fold into the compiled code; a field of an exported object is loaded each time.
const HELD_COUNT = TASK.heldCount;
const HELD_FIRST = TASK.held;
const CAPACITY = HELD_MAX;
const SHIFT = HELD_SHIFT;

/** Reached from the slow paths of sync/ only: a contended lock is worth a trace record and a clock read, a free one is not. */
export interface SyncHooks {
  /** About to sleep or spin for `lock`. Returns a time stamp that `acquired` gets back. */
  contended(task: Task, lock: Addr, mode: HeldMode): number;
  /** Got `lock` after `contended` returned `since`. */
  acquired(task: Task, lock: Addr, mode: HeldMode, since: number): void;
}

/** The dependency checker of one thread, as the locks reach it: see lock-dep.ts. Each of the calls is about the calling thread. */
export interface LockDep {
  /** Subclass of the next lock that is acquired: set by the `...Nested` calls, taken by `acquired`. */
  subclass: number;
  /** The lock that keeps apart all who nest locks of the next lock's class; 0: none. As `subclass`. */
  nest: Addr | 0;
  /** About to wait for `lock`: whatever this wait could close is said before it may never end. */
  acquiring(task: Task, lock: Addr, mode: HeldMode): void;
  /** Has `lock`, as its `n`-th hold. */
  acquired(task: Task, lock: Addr, mode: HeldMode, n: number): void;
  /** As `acquired`, for one that did not wait: nothing held before comes before it in an order. */
  acquiredAtOnce(lock: Addr, n: number): void;
  /** As `acquired`, for a hold that has no class. */
  acquiredRaw(n: number): void;
  /** The `n`-th hold is gone from the middle of the list, of which `count` were there. */
  removed(n: number, count: number): void;
  /** A release of what the thread does not hold; it was not done. */
  notOwner(task: Task, lock: Addr, mode: HeldMode): void;
  /** Address of a pseudo-lock: see `lockMapAcquire`. */
  mapAddr(map: number): Addr;
}

/** A thread as sync/ sees it. One object per thread, of one shape, made at thread start. */
export interface Task {
  readonly mem: Memory;
  /** 0 .. threads - 1. */
  readonly tid: number;
  /** This thread's `TASK` words. */
  readonly addr: Addr;
  readonly hooks: SyncHooks | null;
  /** Null: orders are not checked, which costs a lock one load and one compare. */
  readonly lockDep: LockDep | null;
  /** How often a lock that is held is looked at before its waiter sleeps; under control it sleeps at once. */
  readonly spins: number;
}

/**
 * About a microsecond. A wake-up costs several, but with more threads than cores the holder may not be running at all, and then spinning
 * only keeps it from doing so.
 */
export const DEFAULT_SPINS = 100;

export const createTask = (
  mem: Memory,
  tid: number,
  addr: Addr,
  hooks: SyncHooks | null = null,
  lockDep: LockDep | null = null,
  spins = DEFAULT_SPINS,
): Task => ({
  mem,
  tid,
  addr,
  hooks,
  lockDep,
  spins,
});

/**
 * Publishes a sleep. The locks of sync/ give as `arg` the address of the word they sleep on, a wait queue its ticket. The plain stores are ordered before the sleep by the atomic operation inside `Atomics.wait`; a reader on
 * another thread that sees an unchanged `waitEpoch` twice has seen one and the same sleep.
 */
export function publishWait(task: Task, kind: WaitKind, addr: Addr, arg: number, timed: boolean): void {
  const { mem, addr: t } = task;
  if (mem[t + TASK.nonBlockable] !== 0) noteSleep(task, kind, addr);
  mem[t + TASK.waitAddr] = addr;
  mem[t + TASK.waitArg] = arg;
  mem[t + TASK.waitTimed] = timed ? 1 : 0;
  mem[t + TASK.waitKind] = kind;
  mem[t + TASK.waitEpoch] = (mem[t + TASK.waitEpoch] + 1) | 0;
}

/** non_block_start. Not nested: a callback calls no other. */
export function nonBlockBegin(task: Task): void {
  const { mem, addr: t } = task;
  mem[t + TASK.sleptFor] = WAIT.none;
  mem[t + TASK.nonBlockable] = 1;
}

/** non_block_end. Returns the first sleep since (WAIT), or 0; where it was is in `sleptOn`. */
export function nonBlockEnd(task: Task): number {
  const { mem, addr: t } = task;
  mem[t + TASK.nonBlockable] = 0;
  return mem[t + TASK.sleptFor];
}

/**
 * might_sleep, from the slow paths: a free lock tells nobody that it was not tried. A spin lock does not sleep in the kernel, and gates and
 * parking are not the protocol's.
 */
export function noteSleep(task: Task, kind: WaitKind, addr: Addr): void {
  const { mem, addr: t } = task;
  if (mem[t + TASK.nonBlockable] === 0 || mem[t + TASK.sleptFor] !== WAIT.none) return;
  if (kind === WAIT.spin || kind === WAIT.gate || kind === WAIT.park) return;
  mem[t + TASK.sleptFor] = kind;
  mem[t + TASK.sleptOn] = addr;
}

export function clearWait(task: Task): void {
  const { mem, addr: t } = task;
  mem[t + TASK.waitKind] = WAIT.none;
  mem[t + TASK.waitEpoch] = (mem[t + TASK.waitEpoch] + 1) | 0;
}

/** Publishes that the task now holds `lock`. Plain words, each thread its own: an atomic store would double a lock pair's cost. */
export function pushHeld(task: Task, lock: Addr, mode: HeldMode): void {
  const { mem, addr: t } = task;
  const n = mem[t + HELD_COUNT];
  if (n < CAPACITY) {
    mem[t + HELD_FIRST + n] = lock | (mode << SHIFT);
    mem[t + HELD_COUNT] = n + 1;
  } else countOverflow(task);
  if (task.lockDep !== null) task.lockDep.acquired(task, lock, mode, n);
}

/** As `pushHeld`, for a lock that was had without waiting: a trylock, a downgrade. */
export function pushHeldAtOnce(task: Task, lock: Addr, mode: HeldMode): void {
  const { mem, addr: t } = task;
  const n = mem[t + HELD_COUNT];
  if (n < CAPACITY) {
    mem[t + HELD_FIRST + n] = lock | (mode << SHIFT);
    mem[t + HELD_COUNT] = n + 1;
  } else countOverflow(task);
  if (task.lockDep !== null) task.lockDep.acquiredAtOnce(lock, n);
}

/** As `pushHeld`, for what has no class: the queues inside of locks, counts that a deadlock may wait for. */
export function pushHeldRaw(task: Task, lock: Addr, mode: HeldMode): void {
  const { mem, addr: t } = task;
  const n = mem[t + HELD_COUNT];
  if (n < CAPACITY) {
    mem[t + HELD_FIRST + n] = lock | (mode << SHIFT);
    mem[t + HELD_COUNT] = n + 1;
  } else countOverflow(task);
  if (task.lockDep !== null) task.lockDep.acquiredRaw(n);
}

/**
 * Takes the hold off the list; releases are nearly always last-in first-out. False when the task does not hold it: whoever releases
 * a lock leaves it alone then.
 */
export function popHeld(task: Task, lock: Addr, mode: HeldMode): boolean {
  const { mem, addr: t } = task;
  const word = lock | (mode << SHIFT);
  const top = mem[t + HELD_COUNT] - 1;
  if (top >= 0 && mem[t + HELD_FIRST + top] === word) {
    mem[t + HELD_COUNT] = top;
    return true;
  }
  return removeHeld(task, word);
}

/** Takes a slot of `pool` off the list. False when the task holds none: who gives a slot back need not be the one who took it. */
export function dropSlot(task: Task, pool: Addr): boolean {
  return holdsWord(task, pool | (HELD.slot << SHIFT)) && popHeld(task, pool, HELD.slot);
}

/** The newest slot that the task holds of any pool, if it holds one, is nobody's from now on. */
export function forgetSlot(task: Task): void {
  const { mem, addr: t } = task;
  for (let i = mem[t + HELD_COUNT] - 1; i >= 0; i--) {
    const word = mem[t + HELD_FIRST + i];
    if (heldMode(word) !== HELD.slot) continue;
    removeHeld(task, word);
    return;
  }
}

function holdsWord({ mem, addr: t }: Task, word: number): boolean {
  for (let i = mem[t + HELD_COUNT] - 1; i >= 0; i--) if (mem[t + HELD_FIRST + i] === word) return true;
  return false;
}

function countOverflow(task: Task): void {
  task.mem[task.addr + TASK.heldOverflow]++;
}

function removeHeld(task: Task, word: number): boolean {
  const { mem, addr: t, lockDep } = task;
  const n = mem[t + TASK.heldCount];
  for (let i = n - 1; i >= 0; i--) {
    if (mem[t + TASK.held + i] !== word) continue;
    for (let j = i + 1; j < n; j++) mem[t + TASK.held + j - 1] = mem[t + TASK.held + j];
    mem[t + TASK.heldCount] = n - 1;
    if (lockDep !== null) lockDep.removed(i, n);
    return true;
  }
  // A hold that was counted and not listed may be this one.
  if (mem[t + TASK.heldOverflow] > 0) {
    mem[t + TASK.heldOverflow]--;
    return true;
  }
  if (lockDep !== null) lockDep.notOwner(task, heldAddr(word), heldMode(word));
  return false;
}

/** The address in a `held` word. */
export const heldAddr = (word: number): Addr => (word & ((1 << HELD_SHIFT) - 1)) as Addr;
/** The mode in a `held` word. */
export const heldMode = (word: number): HeldMode => (word >>> HELD_SHIFT) as HeldMode;
/** Address of the task's n-th `held` word. */
export const heldWord = (taskAddr: Addr, n: number): Addr => at(taskAddr, TASK.held + n);
