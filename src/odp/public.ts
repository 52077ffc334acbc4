/**
 * The public `odptorture/strategy`: what a strategy of your own needs, for `--strategy ./mine.mjs`. docs/write-a-strategy.md says how.
 *
 * Addresses (`Addr`) are indices of 32-bit words in `actor.mem`; 0 (`NULL_ADDR`) is none. Ranges are pages, `start` to `last`, both in it.
 * Times are milliseconds. Every function that takes `actor` first is a step that `odptorture explore` schedules, or is made of such.
 */
export { type Addr, at, type Memory, NULL_ADDR, type Vpn } from '../memory/address.ts';
export { type AnyStruct, defineStruct, type FieldSpec, type Struct } from '../memory/struct.ts';
export type { Era } from '../mm/era.ts';
export { OUTCOME, type Outcome } from '../mm/outcome.ts';
export { SECTION } from '../mm/section.ts';
export { add, and, compareExchange, exchange, load, or, store } from '../sync/atomics.ts';
export {
  COMPLETION,
  complete,
  completeAll,
  completionInit,
  reinitCompletion,
  waitForCompletion,
  waitForCompletionTimeout,
} from '../sync/completion.ts';
export { dataRace, dataRaceStore } from '../sync/data-race.ts';
export { LOCK_CLASS, type LockClass } from '../sync/lock-class.ts';
export { MUTEX, mutexInit, mutexLock, mutexUnlock } from '../sync/mutex.ts';
export { relax as cpuRelax } from '../sync/relax.ts';
export {
  downgradeWrite,
  downRead,
  downWrite,
  RW_SEMAPHORE,
  rwsemInit,
  upRead,
  upWrite,
} from '../sync/rw-semaphore.ts';
export { readSeqBegin, readSeqRetry, SEQ_COUNT, seqCountInit, writeSeqBegin, writeSeqEnd } from '../sync/seq-count.ts';
export { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } from '../sync/spin-lock.ts';
export { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUp, wakeUpAll } from '../sync/wait-queue.ts';
export { type Actor, count } from '../trace/actor.ts';
export { COUNTER } from '../trace/counters.ts';
export { point } from '../trace/point.ts';
export { POINT, type PointName } from '../trace/points.ts';
export { downReadTrylock, downWriteTrylock, mutexTrylock, spinTrylock } from '../trace/trylock.ts';
export {
  firstOverlap,
  insertUnderRwsem,
  linkUmem,
  nextOverlap,
  noteOverlap,
  removeUnderRwsem,
  tryNothingOverlaps,
  unlinkUmem,
  zapOverlaps,
  zapUmem,
} from './invalidation.ts';
export type { AuditReport, Expectation, MmLockMode, ParamSpec, Strategy, Traits } from './strategy.ts';
export type { Ucontext } from './ucontext.ts';
export { UMEM, umemExt, umemLast, umemMutex, umemStart } from './umem.ts';
export type { UserStrategy } from './user-strategy.ts';
