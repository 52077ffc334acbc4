import type { Addr, Memory } from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as controlModule from './control.ts';
import type { StatTask } from './lock-stat.ts';
import * as lockStatModule from './lock-stat.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { defineStruct } = structModule;
const { compareExchange, cpuRelax, exchange, load, notify, wait } = atomicsModule;
const { CONTROL, lockStep, OP } = controlModule;
const { statAcquired: acquired } = lockStatModule;
const { clearWait, HELD, popHeld, publishWait, pushHeld, pushHeldAtOnce, pushHeldRaw, WAIT } = taskModule;

/** `state`: 0 free, 1 held, 2 held and somebody may sleep on it. */
export const SPIN_LOCK = defineStruct('spin_lock', { state: 1, cls: 1, owner: 1 });

const cas = compareExchange;
const swap = exchange;
const push = pushHeld;
const pushAtOnce = pushHeldAtOnce;
const pushRaw = pushHeldRaw;
const pop = popHeld;
const MODE = HELD.spin;

const FREE = 0;
const LOCKED = 1;
const CONTENDED = 2;

/** Looks at what is waited for before sleeping: none under control, where only the schedule decides what has happened meanwhile. */
export const spinLimit: (task: Task) => number = CONTROL.current === null ? ({ spins }) => spins : () => 0;
/** A sleeper that was woken and lost the lock to a running thread looks twice as long each time, up to this. */
const SPIN_LIMIT_MAX = 6400;

export function spinLockInit(mem: Memory, lock: Addr, cls: number): void {
  mem[lock + SPIN_LOCK.state] = FREE;
  mem[lock + SPIN_LOCK.cls] = cls;
  mem[lock + SPIN_LOCK.owner] = 0;
}

/** `spin_lock`, except that it sleeps after a bounded spin: many threads on few cores must make progress. Still an atomic context. */
export const spinLock = lockStep(OP.spinLock, (task: StatTask, lock: Addr): void => {
  if (cas(task, lock, FREE, LOCKED) !== FREE) spinLockSlow(task, lock);
  push(task, lock, MODE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, lock, MODE);
});

/** `spin_lock_nested`: of several locks of one class the one of the given subclass, in an order that the caller knows to be safe. */
export function spinLockNested(task: Task, lock: Addr, subclass: number): void {
  if (task.lockDep !== null) task.lockDep.subclass = subclass;
  spinLock(task, lock);
}

/** `spin_trylock`. */
export const spinTrylock = lockStep(OP.spinTrylock, (task: StatTask, lock: Addr): boolean => {
  if (cas(task, lock, FREE, LOCKED) !== FREE) return false;
  pushAtOnce(task, lock, MODE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, lock, MODE);
  return true;
});

/** `spin_unlock`. */
export const spinUnlock = lockStep(OP.spinUnlock, (task: StatTask, lock: Addr): void => {
  // Off the list first: once the word is free another thread may hold the lock, and no two may be seen holding it.
  if (!pop(task, lock, MODE)) return;
  if (task.lockHold !== undefined) task.lockHold.released(task, lock, MODE);
  if (swap(task, lock, FREE) === CONTENDED) notify(task, lock, 1);
});

/** `raw_spin_lock` for the queues inside locks: as `spinLock`, but it never reaches the hooks. */
export function rawSpinLock(task: Task, lock: Addr): void {
  if (cas(task, lock, FREE, LOCKED) !== FREE) spinUntilLocked(task, lock);
  pushRaw(task, lock, MODE);
}

function spinLockSlow(task: Task, lock: Addr): void {
  const { hooks, lockDep } = task;
  if (lockDep !== null) lockDep.acquiring(task, lock, HELD.spin);
  const since = hooks === null ? 0 : hooks.contended(task, lock, HELD.spin);
  spinUntilLocked(task, lock);
  if (hooks !== null) hooks.acquired(task, lock, HELD.spin, since);
}

function spinUntilLocked(task: Task, lock: Addr): void {
  let limit = spinLimit(task);
  if (spin(task, lock, limit, LOCKED)) return;
  // From here on the lock is only ever taken as contended: this thread cannot know whether others sleep as well, and a
  // release that found 1 would wake nobody.
  while (exchange(task, lock, CONTENDED) !== FREE) {
    publishWait(task, WAIT.spin, lock, lock, false);
    wait(task, lock, CONTENDED, Number.POSITIVE_INFINITY);
    clearWait(task);
    if (spin(task, lock, limit, CONTENDED)) return;
    if (limit < SPIN_LIMIT_MAX) limit *= 2;
  }
}

function spin(task: Task, lock: Addr, limit: number, as: number): boolean {
  for (let i = 0; i < limit; i++) {
    if (load(task, lock) === FREE && compareExchange(task, lock, FREE, as) === FREE) return true;
    cpuRelax();
  }
  return false;
}
