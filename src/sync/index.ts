/**
 * The public `odptorture/sync`: locks and atomic operations over (task, address) in a SharedArrayBuffer. A program that is to be explored
 * uses these and no others: each of them is a step that the scheduler sees, and raw `Atomics` are not. They do the same as `Atomics`
 * in a free run.
 */
export * from '../memory/address.ts';
export {
  type ArenaLayout,
  createArena,
  layoutArena,
  objectAt,
  type Region,
  type RegionRequest,
} from '../memory/arena.ts';
export { defineStruct, type FieldSpec, type Struct } from '../memory/struct.ts';
export {
  add,
  and,
  compareExchange,
  exchange,
  load,
  notify,
  or,
  store,
  type WaitResult,
  wait,
} from './atomics.ts';
export {
  COMPLETION,
  complete,
  completeAll,
  completionDone,
  completionInit,
  reinitCompletion,
  waitForCompletion,
  waitForCompletionTimeout,
} from './completion.ts';
export { dataRace, dataRaceStore } from './data-race.ts';
export { LOCK_CLASS, LOCK_CLASSES, type LockClass, lockClassName } from './lock-class.ts';
export { lockMapAcquire, lockMapRelease, PSEUDO, type Pseudo } from './lock-dep.ts';
export { MUTEX, mutexInit, mutexLock, mutexLockNested, mutexTrylock, mutexUnlock } from './mutex.ts';
export { relax as cpuRelax } from './relax.ts';
export {
  downgradeWrite,
  downRead,
  downReadNested,
  downReadTrylock,
  downWrite,
  downWriteNested,
  downWriteNestLock,
  downWriteTrylock,
  RW_SEMAPHORE,
  rwsemInit,
  rwsemIsLocked,
  rwsemReaders,
  rwsemWaiters,
  rwsemWriteLocked,
  upRead,
  upWrite,
} from './rw-semaphore.ts';
export { readSeqBegin, readSeqRetry, SEQ_COUNT, seqCountInit, writeSeqBegin, writeSeqEnd } from './seq-count.ts';
export { seqIsWhole, seqReadChecked, seqRecordInit, seqRecordWords, seqWordAddr, seqWrite } from './seq-record.ts';
export { SPIN_LOCK, spinLock, spinLockInit, spinLockNested, spinTrylock, spinUnlock } from './spin-lock.ts';
export { SRCU, srcuAwaited, srcuInit, srcuReadLock, srcuReadUnlock, srcuWords, synchronizeSrcu } from './srcu.ts';
export {
  createTask,
  HELD,
  HELD_MAX,
  type HeldMode,
  heldAddr,
  heldMode,
  type LockDep,
  type SyncHooks,
  TASK,
  type Task,
  WAIT,
  type WaitKind,
} from './task.ts';
export { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUp, wakeUpAll } from './wait-queue.ts';
