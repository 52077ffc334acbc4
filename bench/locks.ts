import {
  createArena,
  createTask,
  downRead,
  downWrite,
  LOCK_CLASS,
  layoutArena,
  MUTEX,
  mutexInit,
  mutexLock,
  mutexUnlock,
  RW_SEMAPHORE,
  readSeqBegin,
  readSeqRetry,
  rwsemInit,
  SEQ_COUNT,
  SPIN_LOCK,
  seqCountInit,
  spinLock,
  spinLockInit,
  spinUnlock,
  srcuInit,
  srcuReadLock,
  srcuReadUnlock,
  srcuWords,
  TASK,
  upRead,
  upWrite,
} from '../src/sync/index.ts';
import { BATCH, type Case, measure, type RoundOptions, type Row } from './rounds.ts';

/** Uncontended pairs on one thread, each against the references of the same round. */
export async function locksBench(options: RoundOptions = {}): Promise<Row[]> {
  const layout = layoutArena([
    { name: 'task', words: TASK.$words, count: 1 },
    { name: 'mutex', words: MUTEX.$words, count: 1 },
    { name: 'rwsem', words: RW_SEMAPHORE.$words, count: 1 },
    { name: 'spin', words: SPIN_LOCK.$words, count: 1 },
    { name: 'seq', words: SEQ_COUNT.$words + 1, count: 1 },
    { name: 'srcu', words: srcuWords(1), count: 1 },
  ]);
  const mem = createArena(layout);
  const at = layout.regions;
  const task = createTask(mem, 0, at.task.base);
  const [mutex, rwsem, spin, seq, srcu] = [at.mutex.base, at.rwsem.base, at.spin.base, at.seq.base, at.srcu.base];
  mutexInit(mem, mutex, LOCK_CLASS.umem_mutex);
  rwsemInit(mem, rwsem, LOCK_CLASS.mmap_lock);
  spinLockInit(mem, spin, LOCK_CLASS.ptl);
  seqCountInit(mem, seq);
  srcuInit(mem, srcu, 1, LOCK_CLASS.mr_srcu);
  const word = seq + SEQ_COUNT.$words;
  let sum = 0;
  const pair = (name: string, run: () => void): Case => ({ name, run });
  const rows = measure(
    'locks',
    [
      pair('mutexLock + mutexUnlock', () => {
        for (let i = 0; i < BATCH; i++) {
          mutexLock(task, mutex);
          mutexUnlock(task, mutex);
        }
      }),
      pair('downRead + upRead', () => {
        for (let i = 0; i < BATCH; i++) {
          downRead(task, rwsem);
          upRead(task, rwsem);
        }
      }),
      pair('downWrite + upWrite', () => {
        for (let i = 0; i < BATCH; i++) {
          downWrite(task, rwsem);
          upWrite(task, rwsem);
        }
      }),
      pair('spinLock + spinUnlock', () => {
        for (let i = 0; i < BATCH; i++) {
          spinLock(task, spin);
          spinUnlock(task, spin);
        }
      }),
      pair('seqcount: begin, one read, retry', () => {
        for (let i = 0; i < BATCH; i++) {
          const begin = readSeqBegin(task, seq);
          sum += mem[word];
          if (readSeqRetry(task, seq, begin)) sum++;
        }
      }),
      pair('srcuReadLock + srcuReadUnlock', () => {
        for (let i = 0; i < BATCH; i++) srcuReadUnlock(task, srcu, srcuReadLock(task, srcu));
      }),
    ],
    options,
  );
  if (sum !== 0) throw new Error('bench: a seqcount reader retried without a writer');
  return rows;
}
