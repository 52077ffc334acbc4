import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from './atomics.ts';
import * as controlModule from './control.ts';
import * as dataRaceModule from './data-race.ts';
import type { StatTask } from './lock-stat.ts';
import * as lockStatModule from './lock-stat.ts';
import * as spinLockModule from './spin-lock.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';
import * as waitListModule from './wait-list.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;
const { compareExchange, cpuRelax, exchange, load, store } = atomicsModule;
const { lockStep, OP } = controlModule;
const { dataRace } = dataRaceModule;
const { statAcquired: acquired } = lockStatModule;
const { rawSpinLock, spinLimit, spinUnlock } = spinLockModule;
const { HELD, popHeld, pushHeld, pushHeldAtOnce, WAIT, WAIT_NODE, waitNodeOf } = taskModule;
const {
  HANDOFF_AFTER,
  nodePrepare,
  nodeSleep,
  nodeWake,
  WAIT_LIST,
  waitListAdd,
  waitListHead,
  waitListInit,
  waitListRemove,
} = waitListModule;

/**
 * `state`: 0 free, 1 held, 2 held and a release must wake. `handoff`: 1 when the first in the queue was overtaken too often; a
 * word of its own, because the release is a plain exchange of `state` (1 ns cheaper than a fetch-and-add) and would wipe a bit.
 */
export const MUTEX = defineStruct('mutex', { state: 1, cls: 1, owner: 1, handoff: 1, list: WAIT_LIST.$words });

// Private constants fold into the compiled code; imported ones are loaded and checked at each use (3 ns a pair).
const cas = compareExchange;
const swap = exchange;
const push = pushHeld;
const pushAtOnce = pushHeldAtOnce;
const pop = popHeld;
const MODE = HELD.mutex;

const FREE = 0;
const LOCKED = 1;
const CONTENDED = 2;

const HANDOFF = MUTEX.handoff;
const LIST = MUTEX.list;

export function mutexInit(mem: Memory, lock: Addr, cls: number): void {
  mem[lock + MUTEX.state] = FREE;
  mem[lock + MUTEX.cls] = cls;
  mem[lock + MUTEX.owner] = 0;
  mem[lock + HANDOFF] = 0;
  waitListInit(mem, at(lock, LIST));
}

/**
 * `mutex_lock`. As there, running threads may overtake sleepers, with a bound: see `HANDOFF_AFTER`. The plain look at `handoff`
 * may be late by the time a store takes to arrive, so each running thread may slip through once.
 */
export const mutexLock = lockStep(OP.mutexLock, (task: StatTask, lock: Addr): void => {
  if (dataRace(task.mem, (lock + HANDOFF) as Addr) !== 0 || cas(task, lock, FREE, LOCKED) !== FREE)
    mutexLockSlow(task, lock);
  push(task, lock, MODE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, lock, MODE);
});

/** `mutex_lock_nested`: see `spinLockNested`. */
export function mutexLockNested(task: Task, lock: Addr, subclass: number): void {
  if (task.lockDep !== null) task.lockDep.subclass = subclass;
  mutexLock(task, lock);
}

/** `mutex_trylock`. */
export const mutexTrylock = lockStep(OP.mutexTrylock, (task: StatTask, lock: Addr): boolean => {
  if (dataRace(task.mem, (lock + HANDOFF) as Addr) !== 0 || cas(task, lock, FREE, LOCKED) !== FREE) return false;
  pushAtOnce(task, lock, MODE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, lock, MODE);
  return true;
});

/** `mutex_unlock`. */
export const mutexUnlock = lockStep(OP.mutexUnlock, (task: StatTask, lock: Addr): void => {
  // Off the list first: once the word is free another thread may hold the lock, and no two may be seen holding it.
  if (!pop(task, lock, MODE)) return;
  if (task.lockHold !== undefined) task.lockHold.released(task, lock, MODE);
  if (swap(task, lock, FREE) === CONTENDED) wakeFirst(task, lock);
});

function wakeFirst(task: Task, lock: Addr): void {
  const list = at(lock, LIST);
  rawSpinLock(task, list);
  const first = waitListHead(task.mem, list);
  if (first !== 0) nodeWake(task, first);
  spinUnlock(task, list);
}

function mutexLockSlow(task: Task, lock: Addr): void {
  const { hooks, lockDep } = task;
  if (lockDep !== null) lockDep.acquiring(task, lock, HELD.mutex);
  const since = hooks === null ? 0 : hooks.contended(task, lock, HELD.mutex);
  if (!overtake(task, lock)) queueForLock(task, lock);
  if (hooks !== null) hooks.acquired(task, lock, HELD.mutex, since);
}

/** Spins for a bounded time and takes the lock, past the sleepers, if it becomes free. */
function overtake(task: Task, lock: Addr): boolean {
  for (let i = spinLimit(task); i > 0; i--) {
    if (load(task, at(lock, HANDOFF)) !== 0) return false;
    // Taken as LOCKED even with sleepers: the release that freed it has woken the first of them, which marks it again.
    if (load(task, lock) === FREE && compareExchange(task, lock, FREE, LOCKED) === FREE) return true;
    cpuRelax();
  }
  return false;
}

function queueForLock(task: Task, lock: Addr): void {
  const { mem } = task;
  const list = at(lock, LIST);
  const node = waitNodeOf(task.addr);
  rawSpinLock(task, list);
  waitListAdd(mem, list, node, HELD.mutex);
  while (!tryAsWaiter(task, lock, node)) {
    nodePrepare(task, node);
    spinUnlock(task, list);
    nodeSleep(task, node, WAIT.mutex, lock);
    for (let i = spinLimit(task); i > 0 && load(task, lock) !== FREE; i--) cpuRelax();
    rawSpinLock(task, list);
    mem[node + WAIT_NODE.misses]++;
  }
  spinUnlock(task, list);
}

/** With the queue's lock held: takes the lock and leaves the queue, or has made sure that the release will wake the first. */
function tryAsWaiter(task: Task, lock: Addr, node: Addr): boolean {
  const { mem } = task;
  const list = at(lock, LIST);
  if (waitListHead(mem, list) !== node) return false;
  const alone = mem[list + WAIT_LIST.waiters] === 1;
  const starved = mem[node + WAIT_NODE.misses] >= HANDOFF_AFTER;
  if (starved) store(task, at(lock, HANDOFF), 1);
  // Marked in one step with the look, so no release can come between: it is before (the lock is ours) or it will wake.
  // With others behind, the mark stays when the lock is taken: they sleep on the strength of it.
  const free = alone && compareExchange(task, lock, FREE, LOCKED) === FREE;
  if (!free && exchange(task, lock, CONTENDED) !== FREE) return false;
  waitListRemove(mem, list, node);
  if (starved) store(task, at(lock, HANDOFF), 0);
  return true;
}
