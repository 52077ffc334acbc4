import { describe, expect, it } from 'vitest';
import { PRESENT } from '../../src/sync/completion.ts';
import {
  COMPLETION,
  complete,
  completeAll,
  completionDone,
  completionInit,
  LOCK_CLASS,
  LOCK_CLASSES,
  lockClassName,
  MUTEX,
  mutexInit,
  RW_SEMAPHORE,
  readSeqBegin,
  readSeqRetry,
  reinitCompletion,
  rwsemInit,
  SEQ_COUNT,
  SPIN_LOCK,
  SRCU,
  seqCountInit,
  spinLockInit,
  srcuInit,
  srcuReadLock,
  srcuReadUnlock,
  srcuWords,
  synchronizeSrcu,
  TASK,
  WAIT,
  WAIT_QUEUE,
  waitForCompletion,
  waitForCompletionTimeout,
  waitOn,
  waitPrepare,
  waitQueueInit,
  wakeUp,
  wakeUpAll,
  writeSeqBegin,
  writeSeqEnd,
} from '../../src/sync/index.ts';
import { AT, MAX_THREADS, newMemory, taskFor, waitOf } from './fixture.ts';

const mem = newMemory();
const task = taskFor(mem, 0);

describe('lock classes', () => {
  it('every struct keeps its class where a lock can be named from its address alone', () => {
    for (const struct of [SPIN_LOCK, MUTEX, RW_SEMAPHORE, SEQ_COUNT, COMPLETION, WAIT_QUEUE, SRCU])
      expect(struct.cls).toBe(1);
    spinLockInit(mem, AT.spin, LOCK_CLASS.ptl);
    mutexInit(mem, AT.mutex, LOCK_CLASS.umem_mutex);
    rwsemInit(mem, AT.rwsem, LOCK_CLASS.mmap_lock);
    seqCountInit(mem, AT.seq, LOCK_CLASS.strategy);
    completionInit(mem, AT.completion, LOCK_CLASS.strategy);
    waitQueueInit(mem, AT.queue, LOCK_CLASS.request_queue);
    srcuInit(mem, AT.srcu, MAX_THREADS, LOCK_CLASS.mr_srcu);
    const names = [AT.spin, AT.mutex, AT.rwsem, AT.seq, AT.completion, AT.queue, AT.srcu].map((a) =>
      lockClassName(mem, a),
    );
    expect(names).toEqual(['ptl', 'umem_mutex', 'mmap_lock', 'strategy', 'strategy', 'request_queue', 'mr_srcu']);
  });

  it('a word that is no class has the name unclassified', () => {
    mem[AT.mutex + MUTEX.cls] = LOCK_CLASSES.length;
    expect(lockClassName(mem, AT.mutex)).toBe('unclassified');
  });
});

describe('seqcount', () => {
  it('a reader retries exactly when a writer was inside since it began', () => {
    seqCountInit(mem, AT.seq);
    const before = readSeqBegin(task, AT.seq);
    expect(readSeqRetry(task, AT.seq, before)).toBe(false);
    writeSeqBegin(task, AT.seq);
    expect(readSeqRetry(task, AT.seq, before)).toBe(true);
    writeSeqEnd(task, AT.seq);
    expect(readSeqRetry(task, AT.seq, before)).toBe(true);
    expect(readSeqRetry(task, AT.seq, readSeqBegin(task, AT.seq))).toBe(false);
  });
});

describe('completion', () => {
  it('lets as many pass as were completed, then none', () => {
    completionInit(mem, AT.completion);
    expect(completionDone(task, AT.completion)).toBe(false);
    complete(task, AT.completion);
    complete(task, AT.completion);
    expect(completionDone(task, AT.completion)).toBe(true);
    waitForCompletion(task, AT.completion);
    expect(waitForCompletionTimeout(task, AT.completion, 0)).toBe(true);
    expect(waitForCompletionTimeout(task, AT.completion, 1)).toBe(false);
    expect(completionDone(task, AT.completion)).toBe(false);
    expect(waitOf(mem, 0).kind).toBe(WAIT.none);
    expect(mem[AT.completion + COMPLETION.waiters] & PRESENT).toBe(0);
  });

  it('once completed for all it stays so, also past another complete, until it is armed again', () => {
    completionInit(mem, AT.completion);
    completeAll(task, AT.completion);
    complete(task, AT.completion);
    for (let i = 0; i < 5; i++) waitForCompletion(task, AT.completion);
    expect(completionDone(task, AT.completion)).toBe(true);
    reinitCompletion(task, AT.completion);
    expect(completionDone(task, AT.completion)).toBe(false);
    expect(waitForCompletionTimeout(task, AT.completion, 1)).toBe(false);
  });
});

describe('wait queue', () => {
  it('a wake-up after the ticket, also of none, keeps the sleep from starting', () => {
    waitQueueInit(mem, AT.queue);
    const ticket = waitPrepare(task, AT.queue);
    wakeUp(task, AT.queue, 1);
    expect(waitOn(task, AT.queue, ticket, Number.POSITIVE_INFINITY)).toBe(true);
    const second = waitPrepare(task, AT.queue);
    wakeUpAll(task, AT.queue);
    expect(waitOn(task, AT.queue, second, Number.POSITIVE_INFINITY)).toBe(true);
  });

  it('without one the sleep ends by time, leaves nothing registered, and had another epoch', () => {
    waitQueueInit(mem, AT.queue);
    const epoch = mem[AT.task(0) + TASK.waitEpoch];
    expect(waitOn(task, AT.queue, waitPrepare(task, AT.queue), 2, WAIT.idle)).toBe(false);
    expect(mem[AT.queue + WAIT_QUEUE.waiters] & PRESENT).toBe(0);
    expect(waitOf(mem, 0)).toEqual({ kind: WAIT.none, addr: AT.queue, timed: true });
    expect(mem[AT.task(0) + TASK.waitEpoch]).not.toBe(epoch);
  });
});

describe('srcu', () => {
  it('grace periods pass freely without readers, and readers move to the other index', () => {
    srcuInit(mem, AT.srcu, MAX_THREADS, LOCK_CLASS.notifier_srcu);
    const seen = [0, 1, 2].map(() => {
      const idx = srcuReadLock(task, AT.srcu);
      srcuReadUnlock(task, AT.srcu, idx);
      synchronizeSrcu(task, AT.srcu);
      return idx;
    });
    expect(seen).toEqual([0, 1, 0]);
    expect(mem[AT.task(0) + TASK.heldCount]).toBe(0);
  });

  it('each reader counts on a cache line of its own', () => {
    expect(srcuWords(3) - srcuWords(2)).toBe(16);
    expect(SRCU.$words % 16).toBe(0);
  });
});
