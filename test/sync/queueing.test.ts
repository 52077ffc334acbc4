import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  complete,
  completeAll,
  completionInit,
  downgradeWrite,
  downRead,
  downReadTrylock,
  downWrite,
  downWriteTrylock,
  HELD,
  LOCK_CLASS,
  type Memory,
  MUTEX,
  mutexInit,
  mutexLock,
  mutexTrylock,
  mutexUnlock,
  RW_SEMAPHORE,
  rwsemInit,
  rwsemReaders,
  rwsemWaiters,
  rwsemWriteLocked,
  SRCU,
  spinLock,
  spinLockInit,
  spinUnlock,
  srcuInit,
  srcuReadLock,
  srcuReadUnlock,
  srcuWords,
  type Task,
  upRead,
  upWrite,
  WAIT,
  waitQueueInit,
  wakeUp,
} from '../../src/sync/index.ts';
import { waitNodePending } from '../../src/sync/task.ts';
import { AT, holdsOf, MAX_THREADS, newMemory, taskFor, until, waitOf } from './fixture.ts';

/** Thread 0 is this one. It must never sleep: it takes only what is known to be free. */
let mem: Memory;
let main: Task;
let workers: Worker[];
let given: number[];
let failures: string[];

beforeEach(() => {
  mem = newMemory();
  main = taskFor(mem, 0);
  mutexInit(mem, AT.mutex, LOCK_CLASS.umem_mutex);
  rwsemInit(mem, AT.rwsem, LOCK_CLASS.mmap_lock);
  spinLockInit(mem, AT.spin, LOCK_CLASS.ptl);
  completionInit(mem, AT.completion);
  waitQueueInit(mem, AT.queue);
  srcuInit(mem, AT.srcu, MAX_THREADS, LOCK_CLASS.mr_srcu);
  workers = [];
  given = [];
  failures = [];
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker?.terminate()));
  expect(failures).toEqual([]);
});

/** Gives thread `tid` (1 or more) a command; it may sleep in it. */
function tell(tid: number, command: string): void {
  if (workers[tid] === undefined) {
    workers[tid] = new Worker(new URL('./queue-worker.js', import.meta.url), { workerData: { mem, tid } });
    workers[tid].on('error', (error) => failures.push(`thread ${tid}: ${error.stack}`));
    given[tid] = 0;
  }
  given[tid]++;
  workers[tid].postMessage(command);
}

const idle = (tid: number): boolean => Atomics.load(mem, AT.control(tid) + 1) === given[tid];
const done = (tid: number): Promise<void> => until(`thread ${tid} is done`, () => idle(tid));
const sleeps = (tid: number, kind: number): Promise<void> =>
  until(`thread ${tid} sleeps`, () => waitOf(mem, tid).kind === kind);
/** Gives a command and waits until the thread sleeps in it. */
async function tellAndSleep(tid: number, command: string, kind: number): Promise<void> {
  tell(tid, command);
  await sleeps(tid, kind);
}
const log = (): number[] => Array.from(mem.subarray(AT.data + 33, AT.data + 33 + mem[AT.data + 32]));

describe('rwsem', () => {
  it('a queued writer blocks new readers, by lock and by trylock', async () => {
    downRead(main, AT.rwsem);
    await tellAndSleep(1, 'writeOnce', WAIT.rwsemWrite);
    expect(downReadTrylock(main, AT.rwsem)).toBe(false);
    expect(downWriteTrylock(main, AT.rwsem)).toBe(false);
    await tellAndSleep(2, 'readOnce', WAIT.rwsemRead);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(1);
    expect(rwsemWaiters(mem, AT.rwsem)).toBe(2);
    upRead(main, AT.rwsem);
    await Promise.all([done(1), done(2)]);
    expect(log()).toEqual([1, 2]);
    expect(rwsemWaiters(mem, AT.rwsem)).toBe(0);
  });

  it('a nested read behind a queued writer deadlocks, and the published words tell the cycle', async () => {
    tell(1, 'downRead');
    await done(1);
    await tellAndSleep(2, 'downWrite', WAIT.rwsemWrite);
    await tellAndSleep(1, 'downRead', WAIT.rwsemRead);
    expect(holdsOf(mem, 1)).toEqual([{ addr: AT.rwsem, mode: HELD.read }]);
    expect(waitOf(mem, 1)).toEqual({ kind: WAIT.rwsemRead, addr: AT.rwsem, timed: false });
    expect(waitOf(mem, 2)).toEqual({ kind: WAIT.rwsemWrite, addr: AT.rwsem, timed: false });
    expect(waitNodePending(mem, AT.task(1))).toBe(true);
    expect(waitNodePending(mem, AT.task(2))).toBe(true);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(1);
  });

  it('writers get the lock in the order in which they came', async () => {
    downWrite(main, AT.rwsem);
    for (const tid of [3, 1, 4, 2]) await tellAndSleep(tid, 'writeOnce', WAIT.rwsemWrite);
    upWrite(main, AT.rwsem);
    for (const tid of [1, 2, 3, 4]) await done(tid);
    expect(log()).toEqual([3, 1, 4, 2]);
  });

  it('all waiting readers are let in together, also those behind a queued writer', async () => {
    downWrite(main, AT.rwsem);
    await tellAndSleep(1, 'downRead', WAIT.rwsemRead);
    await tellAndSleep(2, 'downWrite', WAIT.rwsemWrite);
    await tellAndSleep(3, 'downRead', WAIT.rwsemRead);
    upWrite(main, AT.rwsem);
    await done(1);
    await done(3);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(2);
    expect(rwsemWaiters(mem, AT.rwsem)).toBe(1);
    expect(waitOf(mem, 2).kind).toBe(WAIT.rwsemWrite);
    tell(1, 'upRead');
    await done(1);
    expect(rwsemWriteLocked(mem, AT.rwsem)).toBe(false);
    tell(3, 'upRead');
    await done(2);
    expect(holdsOf(mem, 2)).toEqual([{ addr: AT.rwsem, mode: HELD.write }]);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(0);
  });

  it('the whole batch is counted before the first of it runs', async () => {
    const batch = Array.from({ length: 10 }, (_, i) => i + 1);
    // A wake-up takes about as long as waking the rest of the batch: in ten rounds a count that comes late is seen.
    for (let round = 0; round < 10; round++) {
      downWrite(main, AT.rwsem);
      for (const tid of batch) tell(tid, 'downReadAndCount');
      await until('all are queued', () => rwsemWaiters(mem, AT.rwsem) === batch.length);
      await Promise.all(batch.map((tid) => sleeps(tid, WAIT.rwsemRead)));
      upWrite(main, AT.rwsem);
      await Promise.all(batch.map(done));
      expect(batch.map((tid) => mem[AT.control(tid) + 4])).toEqual(batch.map(() => batch.length));
      for (const tid of batch) tell(tid, 'upRead');
      await Promise.all(batch.map(done));
    }
    expect(rwsemReaders(mem, AT.rwsem)).toBe(0);
  });

  it('readers behind a first writer wait for it', async () => {
    downWrite(main, AT.rwsem);
    await tellAndSleep(1, 'writeOnce', WAIT.rwsemWrite);
    await tellAndSleep(2, 'readOnce', WAIT.rwsemRead);
    await tellAndSleep(3, 'readOnce', WAIT.rwsemRead);
    upWrite(main, AT.rwsem);
    for (const tid of [1, 2, 3]) await done(tid);
    expect(log()[0]).toBe(1);
    expect(log().sort()).toEqual([1, 2, 3]);
  });

  it('a downgrade lets waiting readers in, and no writer', async () => {
    downWrite(main, AT.rwsem);
    await tellAndSleep(1, 'downRead', WAIT.rwsemRead);
    await tellAndSleep(2, 'downWrite', WAIT.rwsemWrite);
    downgradeWrite(main, AT.rwsem);
    await done(1);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(2);
    expect(waitOf(mem, 2).kind).toBe(WAIT.rwsemWrite);
    expect(holdsOf(mem, 0)).toEqual([{ addr: AT.rwsem, mode: HELD.read }]);
    upRead(main, AT.rwsem);
    tell(1, 'upRead');
    await done(2);
    expect(rwsemWriteLocked(mem, AT.rwsem)).toBe(true);
  });

  it('a reader whose failed count hid the last release enters or wakes in its place', async () => {
    downRead(main, AT.rwsem);
    await tellAndSleep(1, 'downWrite', WAIT.rwsemWrite);
    // The hook runs when the second reader has counted itself and found the writer queued: the last real reader leaves now,
    // sees a count that is not zero and so wakes nobody.
    let left = false;
    const second = taskFor(mem, 2, {
      contended: () => {
        upRead(main, AT.rwsem);
        left = true;
        return 7;
      },
      acquired: (_task, lock, mode, since) => expect([lock, mode, since]).toEqual([AT.rwsem, HELD.read, 7]),
    });
    downRead(second, AT.rwsem);
    expect(left).toBe(true);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(1);
    expect(idle(1)).toBe(false);
    upRead(second, AT.rwsem);
    await done(1);
    expect(rwsemWriteLocked(mem, AT.rwsem)).toBe(true);
    expect(rwsemReaders(mem, AT.rwsem)).toBe(0);
  });

  it('a writer that finds the lock freed before it queues takes it without sleeping', () => {
    downRead(main, AT.rwsem);
    const freeing = (): number => {
      upRead(main, AT.rwsem);
      return 0;
    };
    const writer = taskFor(mem, 1, { contended: freeing, acquired: () => {} });
    downWrite(writer, AT.rwsem);
    expect(rwsemWriteLocked(mem, AT.rwsem)).toBe(true);
    upWrite(writer, AT.rwsem);
    expect(rwsemWaiters(mem, AT.rwsem)).toBe(0);
  });
});

describe('mutex', () => {
  it('sleepers get it in the order in which they came, and publish what they wait for', async () => {
    mutexLock(main, AT.mutex);
    for (const tid of [2, 3, 1]) await tellAndSleep(tid, 'mutexOnce', WAIT.mutex);
    expect(waitOf(mem, 2)).toEqual({ kind: WAIT.mutex, addr: AT.mutex, timed: false });
    expect(holdsOf(mem, 2)).toEqual([]);
    expect(holdsOf(mem, 0)).toEqual([{ addr: AT.mutex, mode: HELD.mutex }]);
    expect(mutexTrylock(taskFor(mem, 4), AT.mutex)).toBe(false);
    mutexUnlock(main, AT.mutex);
    for (const tid of [1, 2, 3]) await done(tid);
    expect(log()).toEqual([2, 3, 1]);
    for (const tid of [1, 2, 3]) {
      expect(waitOf(mem, tid).kind).toBe(WAIT.none);
      expect([mem[AT.control(tid) + 2], mem[AT.control(tid) + 3]]).toEqual([1, 1]);
    }
  });
});

describe('a sleeper that is overtaken again and again is promised the lock, and then nobody overtakes it', () => {
  interface Overtaking {
    readonly lock: string;
    readonly unlock: string;
    readonly retake: string;
    readonly kind: number;
    readonly promised: () => boolean;
  }

  /** Thread 2 overtakes thread 1 until that is promised the lock; false when thread 1 was quick enough to get it before. */
  async function overtake({ lock, retake, kind, promised }: Overtaking): Promise<boolean> {
    tell(2, lock);
    await done(2);
    await tellAndSleep(1, lock, kind);
    const asleep = (tid: number): boolean => waitOf(mem, tid).kind === kind && waitNodePending(mem, AT.task(tid));
    for (let i = 0; i < 50; i++) {
      if (promised()) return true;
      tell(2, retake);
      await until('one has the lock and the other sleeps', () => (idle(2) && asleep(1)) || (idle(1) && asleep(2)));
      if (idle(1)) return false;
    }
    throw new Error('never promised');
  }

  async function expectPromiseKept(overtaking: Overtaking): Promise<void> {
    let promises = 0;
    // Several times: a promise that is not kept is noticed only when thread 1 loses the race.
    for (let attempt = 0; attempt < 60 && promises < 10; attempt++) {
      if (await overtake(overtaking)) {
        promises++;
        tell(2, overtaking.retake);
      }
      await done(1);
      await sleeps(2, overtaking.kind);
      expect(overtaking.promised()).toBe(false);
      tell(1, overtaking.unlock);
      await Promise.all([done(1), done(2)]);
      tell(2, overtaking.unlock);
      await done(2);
    }
    expect(promises).toBe(10);
  }

  it('mutex', () =>
    expectPromiseKept({
      lock: 'mutexLock',
      unlock: 'mutexUnlock',
      retake: 'retakeMutex',
      kind: WAIT.mutex,
      promised: () => Atomics.load(mem, AT.mutex + MUTEX.handoff) === 1,
    }));

  it('rwsem', () =>
    expectPromiseKept({
      lock: 'downWrite',
      unlock: 'upWrite',
      retake: 'retakeWrite',
      kind: WAIT.rwsemWrite,
      promised: () => (Atomics.load(mem, AT.rwsem + RW_SEMAPHORE.count) & 4) !== 0,
    }));
});

describe('other sleeps are published with their kind, address and whether they end by themselves', () => {
  it('spin lock', async () => {
    spinLock(main, AT.spin);
    await tellAndSleep(1, 'spinOnce', WAIT.spin);
    expect(waitOf(mem, 1)).toEqual({ kind: WAIT.spin, addr: AT.spin, timed: false });
    expect(holdsOf(mem, 0)).toEqual([{ addr: AT.spin, mode: HELD.spin }]);
    spinUnlock(main, AT.spin);
    await done(1);
    expect(waitOf(mem, 1).kind).toBe(WAIT.none);
  });

  it('completion, with and without a time limit', async () => {
    await tellAndSleep(1, 'complete', WAIT.completion);
    await tellAndSleep(2, 'completeTimed', WAIT.completion);
    expect(waitOf(mem, 1)).toEqual({ kind: WAIT.completion, addr: AT.completion, timed: false });
    expect(waitOf(mem, 2)).toEqual({ kind: WAIT.completion, addr: AT.completion, timed: true });
    complete(main, AT.completion);
    await until('one of them passes', () => idle(1) || idle(2));
    expect(idle(1) && idle(2)).toBe(false);
    completeAll(main, AT.completion);
    await Promise.all([done(1), done(2)]);
  });

  it('wait queue', async () => {
    await tellAndSleep(1, 'waitOn', WAIT.waitQueue);
    expect(waitOf(mem, 1)).toEqual({ kind: WAIT.waitQueue, addr: AT.queue, timed: false });
    wakeUp(main, AT.queue, 1);
    await done(1);
  });

  it('srcu: a grace period waits for a nested reader to leave entirely, and new readers do not wait', async () => {
    const outer = srcuReadLock(main, AT.srcu);
    const inner = srcuReadLock(main, AT.srcu);
    expect(holdsOf(mem, 0)).toEqual([
      { addr: AT.srcu, mode: HELD.srcu },
      { addr: AT.srcu, mode: HELD.srcu },
    ]);
    await tellAndSleep(1, 'synchronize', WAIT.srcu);
    expect(waitOf(mem, 1)).toEqual({ kind: WAIT.srcu, addr: AT.srcu, timed: false });
    srcuReadUnlock(main, AT.srcu, inner);
    const other = taskFor(mem, 2);
    const late = srcuReadLock(other, AT.srcu);
    expect(late).not.toBe(outer);
    expect(waitOf(mem, 1).kind).toBe(WAIT.srcu);
    srcuReadUnlock(main, AT.srcu, outer);
    // The late reader is still inside: it began after the call and holds nobody up.
    await done(1);
    srcuReadUnlock(other, AT.srcu, late);
    // Nor has the sleeper left its mark in a count: a mark would wake nobody, again and again.
    const counts = mem.slice(AT.srcu + SRCU.$words, AT.srcu + srcuWords(MAX_THREADS));
    expect([...counts].filter((n) => n !== 0)).toEqual([]);
  });
});
