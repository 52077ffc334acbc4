import { parentPort, workerData } from 'node:worker_threads';
import { at } from '../../src/memory/address.ts';
import { rawLoad } from '../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import { type LockStatTask, openLocks } from './lock-stat-world.ts';

const { buffer, level, tid, rounds } = workerData as LockStatTask;
const { actor, mutex, sem, world } = openLocks(level, buffer);
const task = actor(tid);
// Thread 0 holds the mutex until thread 1 sleeps for it: one contention is certain.
if (tid === 1) look(() => rawLoad(world.mem, mutex) !== 0);
mutexLock(task, mutex);
if (tid === 0) look(() => rawLoad(world.mem, at(world.taskAddr(1), TASK.waitKind)) === WAIT.mutex);
mutexUnlock(task, mutex);
for (let i = 0; i < rounds; i++) {
  mutexLock(task, mutex);
  // Now and then longer than the others look before they sleep.
  if (i % 64 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.05);
  mutexUnlock(task, mutex);
  downRead(task, sem);
  upRead(task, sem);
  if (i % 4 === 0) {
    downWrite(task, sem);
    upWrite(task, sem);
  }
}
parentPort!.postMessage('done');

function look(condition: () => boolean): void {
  const end = performance.now() + 10_000;
  while (!condition() && performance.now() < end);
}
