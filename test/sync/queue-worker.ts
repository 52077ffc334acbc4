import { parentPort, workerData } from 'node:worker_threads';
import {
  type Addr,
  downgradeWrite,
  downRead,
  downWrite,
  type Memory,
  mutexLock,
  mutexUnlock,
  rwsemReaders,
  spinLock,
  spinUnlock,
  synchronizeSrcu,
  upRead,
  upWrite,
  waitForCompletion,
  waitForCompletionTimeout,
  waitOn,
  waitPrepare,
} from '../../src/sync/index.ts';
import { AT, taskFor } from './fixture.ts';

/** A thread that does what it is told, one lock operation at a time, so that a test can build one situation exactly. */
const { mem, tid } = workerData as { mem: Memory; tid: number };
/** Mailbox: word 1 counts commands done, 2 and 3 are what the hooks saw, 4 how many readers there were. */
const box: Addr = AT.control(tid);
const events = { contended: 0, acquired: 0 };
const task = taskFor(mem, tid, {
  contended: () => ++events.contended,
  acquired: (_task, _lock, _mode, since) => {
    // What `contended` returned must come back.
    if (since === events.contended) events.acquired++;
  },
});

/** The order in which threads got what they asked for: a count, then task ids. */
const LOG = AT.data + 32;
const log = (): void => {
  Atomics.store(mem, LOG + 1 + Atomics.add(mem, LOG, 1), tid);
};

const COMMANDS: Record<string, () => void> = {
  downRead: () => downRead(task, AT.rwsem),
  upRead: () => upRead(task, AT.rwsem),
  downWrite: () => downWrite(task, AT.rwsem),
  upWrite: () => upWrite(task, AT.rwsem),
  downgradeWrite: () => downgradeWrite(task, AT.rwsem),
  /** Notes how many readers are counted at the moment when this one comes in. */
  downReadAndCount: () => {
    downRead(task, AT.rwsem);
    Atomics.store(mem, box + 4, rwsemReaders(mem, AT.rwsem));
  },
  /** Enters, says so while inside, and leaves. */
  readOnce: () => {
    downRead(task, AT.rwsem);
    log();
    upRead(task, AT.rwsem);
  },
  writeOnce: () => {
    downWrite(task, AT.rwsem);
    log();
    upWrite(task, AT.rwsem);
  },
  /** Frees the lock and takes it again at once, nearly always before a woken thread is there. */
  retakeWrite: () => {
    upWrite(task, AT.rwsem);
    downWrite(task, AT.rwsem);
  },
  retakeMutex: () => {
    mutexUnlock(task, AT.mutex);
    mutexLock(task, AT.mutex);
  },
  mutexLock: () => mutexLock(task, AT.mutex),
  mutexUnlock: () => mutexUnlock(task, AT.mutex),
  mutexOnce: () => {
    mutexLock(task, AT.mutex);
    log();
    mutexUnlock(task, AT.mutex);
  },
  spinOnce: () => {
    spinLock(task, AT.spin);
    spinUnlock(task, AT.spin);
  },
  complete: () => waitForCompletion(task, AT.completion),
  completeTimed: () => {
    if (!waitForCompletionTimeout(task, AT.completion, 20_000)) throw new Error('timed out');
  },
  waitOn: () => {
    if (!waitOn(task, AT.queue, waitPrepare(task, AT.queue), Number.POSITIVE_INFINITY)) throw new Error('timed out');
  },
  synchronize: () => synchronizeSrcu(task, AT.srcu),
};

parentPort?.on('message', (command: string) => {
  COMMANDS[command]();
  Atomics.store(mem, box + 2, events.contended);
  Atomics.store(mem, box + 3, events.acquired);
  Atomics.add(mem, box + 1, 1);
});
