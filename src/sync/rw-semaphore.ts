import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from './atomics.ts';
import * as controlModule from './control.ts';
import * as dataRaceModule from './data-race.ts';
import type { StatTask } from './lock-stat.ts';
import * as lockStatModule from './lock-stat.ts';
import * as rwSemaphoreSlowModule from './rw-semaphore-slow.ts';
import * as rwsemCountModule from './rwsem-count.ts';
import type { Task } from './task.ts';
import * as taskModule from './task.ts';
import * as waitListModule from './wait-list.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { add, compareExchange, load } = atomicsModule;
const { downReadSlow, downWriteSlow, wakeReadersAfterDowngrade, wakeWaiters } = rwSemaphoreSlowModule;
const { lockStep, OP } = controlModule;
const { dataRace } = dataRaceModule;
const { statAcquired: acquired } = lockStatModule;
const { COUNT } = rwsemCountModule;
const { HELD, popHeld, pushHeld, pushHeldAtOnce } = taskModule;
const { WAIT_LIST, waitListInit } = waitListModule;

/** See rw-semaphore-slow.ts. */
export const { RW_SEMAPHORE } = rwSemaphoreSlowModule;

// Private constants fold into the compiled code; imported ones are loaded and checked at each use (3 ns a pair).
const cas = compareExchange;
const fetchAdd = add;
const push = pushHeld;
const pushAtOnce = pushHeldAtOnce;
const pop = popHeld;
const MODE_READ = HELD.read;
const MODE_WRITE = HELD.write;
const { WRITER, WAITERS, HANDOFF, READER } = COUNT;
const READERS = ~(READER - 1);
/** What keeps a reader from simply entering. */
const READ_BLOCKED = WRITER | WAITERS | HANDOFF;
/** A reader's release has to wake when it finds itself alone, with waiters. */
const WAKE_MASK = READERS | WRITER | WAITERS;
const LAST_READER = READER | WAITERS;

export function rwsemInit(mem: Memory, sem: Addr, cls: number): void {
  mem[sem + RW_SEMAPHORE.count] = 0;
  mem[sem + RW_SEMAPHORE.cls] = cls;
  mem[sem + RW_SEMAPHORE.owner] = 0;
  waitListInit(mem, at(sem, RW_SEMAPHORE.list));
}

/** `down_read`. A queued writer keeps new readers out, so a nested read can deadlock, as in the kernel. */
export const downRead = lockStep(OP.downRead, (task: StatTask, sem: Addr): void => {
  // One fetch-and-add, no loop: a reader that may not enter is undone in the slow path.
  if ((fetchAdd(task, sem, READER) & READ_BLOCKED) !== 0) downReadSlow(task, sem);
  push(task, sem, MODE_READ);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, sem, MODE_READ);
});

/** `down_read_nested`: see `spinLockNested`. */
export function downReadNested(task: Task, sem: Addr, subclass: number): void {
  if (task.lockDep !== null) task.lockDep.subclass = subclass;
  downRead(task, sem);
}

/** `down_read_trylock`: false when a writer holds it or anybody is queued. Never leaves a trace in the count. */
export const downReadTrylock = lockStep(OP.downReadTrylock, (task: StatTask, sem: Addr): boolean => {
  let count = load(task, sem);
  while ((count & READ_BLOCKED) === 0) {
    const found = cas(task, sem, count, count + READER);
    if (found === count) {
      pushAtOnce(task, sem, MODE_READ);
      if (task.lockStat !== undefined) acquired(task, task.lockStat, sem, MODE_READ);
      return true;
    }
    count = found;
  }
  return false;
});

/** `up_read`. */
export const upRead = lockStep(OP.upRead, (task: StatTask, sem: Addr): void => {
  // Off the list first: after the count has dropped a writer may be inside, and is then seen to hold it alone.
  if (!pop(task, sem, MODE_READ)) return;
  if (task.lockHold !== undefined) task.lockHold.released(task, sem, MODE_READ);
  if ((fetchAdd(task, sem, -READER) & WAKE_MASK) === LAST_READER) wakeWaiters(task, sem);
});

/** `down_write`. */
export const downWrite = lockStep(OP.downWrite, (task: StatTask, sem: Addr): void => {
  if (cas(task, sem, 0, WRITER) !== 0) downWriteSlow(task, sem);
  push(task, sem, MODE_WRITE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, sem, MODE_WRITE);
});

/** `down_write_nested`: see `spinLockNested`. */
export function downWriteNested(task: Task, sem: Addr, subclass: number): void {
  if (task.lockDep !== null) task.lockDep.subclass = subclass;
  downWrite(task, sem);
}

/** `down_write_nest_lock`: however many locks of one class, all under `nest`, which the caller holds and every other nester takes first. */
export function downWriteNestLock(task: Task, sem: Addr, nest: Addr): void {
  if (task.lockDep !== null) task.lockDep.nest = nest;
  downWrite(task, sem);
}

/** `down_write_trylock`: false when anybody holds it or is queued; also while a failed reader has yet to undo its count. */
export const downWriteTrylock = lockStep(OP.downWriteTrylock, (task: StatTask, sem: Addr): boolean => {
  if (cas(task, sem, 0, WRITER) !== 0) return false;
  pushAtOnce(task, sem, MODE_WRITE);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, sem, MODE_WRITE);
  return true;
});

/** `up_write`. */
export const upWrite = lockStep(OP.upWrite, (task: StatTask, sem: Addr): void => {
  if (!pop(task, sem, MODE_WRITE)) return;
  if (task.lockHold !== undefined) task.lockHold.released(task, sem, MODE_WRITE);
  // Readers that are counted now have failed and will wake others when they undo that; but one that still spins may enter
  // instead, so the queue is not left to them.
  if ((fetchAdd(task, sem, -WRITER) & WAITERS) !== 0) wakeWaiters(task, sem);
});

/** `downgrade_write`: a writer becomes a reader without letting anybody in between, then lets waiting readers in. */
export const downgradeWrite = lockStep(OP.downgradeWrite, (task: StatTask, sem: Addr): void => {
  if (!pop(task, sem, MODE_WRITE)) return;
  if (task.lockHold !== undefined) task.lockHold.released(task, sem, MODE_WRITE);
  const before = fetchAdd(task, sem, READER - WRITER);
  pushAtOnce(task, sem, MODE_READ);
  if (task.lockStat !== undefined) acquired(task, task.lockStat, sem, MODE_READ);
  if ((before & WAITERS) !== 0) wakeReadersAfterDowngrade(task, sem);
});

// A look from outside at a lock that others may be taking: a statistic, late as soon as it is made.

/** `rwsem_is_locked`. */
export const rwsemIsLocked = (mem: Memory, sem: Addr): boolean => (dataRace(mem, sem) & (READERS | WRITER)) !== 0;
/** How many readers are counted. While threads contend this includes some that will not get in. */
export const rwsemReaders = (mem: Memory, sem: Addr): number => dataRace(mem, sem) >> 8;
export const rwsemWriteLocked = (mem: Memory, sem: Addr): boolean => (dataRace(mem, sem) & WRITER) !== 0;
/** How many threads are queued. */
export const rwsemWaiters = (mem: Memory, sem: Addr): number =>
  dataRace(mem, at(sem, RW_SEMAPHORE.list + WAIT_LIST.waiters));
