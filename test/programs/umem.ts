import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr, Memory } from '../../src/memory/address.ts';
import { add, load, store } from '../../src/sync/atomics.ts';
import { mutexInit, mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, rwsemInit, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import type { Task } from '../../src/sync/task.ts';

/**
 * The seed thread's two races in a few words of memory. Sections over pages 0 and 1, one umem, and the thread that registers it and
 * faults on it.
 *
 * - model A: one section; the count goes below zero.
 * - model B: two sections and a count that is clamped at zero; a section that was counted ends with a mapping.
 * - fixed: registration under mmap_lock for writing.
 */
const SEM = 0 as Addr;
const LOCK = 16 as Addr;
const IN_TREE = 32 as Addr;
const COUNTER = 33 as Addr;
const SEQ = 34 as Addr;
const MAPPING = 35 as Addr;
const PTE = 36;
export const names = {
  mmap_lock: SEM,
  umem_mutex: LOCK,
  in_tree: IN_TREE,
  count: COUNTER,
  seq: SEQ,
  mapping: MAPPING,
  'pte[0]': PTE,
  'pte[1]': PTE + 1,
};

function setup(mem: Memory): void {
  rwsemInit(mem, SEM, 0);
  mutexInit(mem, LOCK, 0);
  mem[PTE] = 1;
  mem[PTE + 1] = 1;
}

function madvise(task: Task, page: number, clamped: boolean): void {
  downRead(task, SEM);
  let counted = false;
  if (load(task, IN_TREE) !== 0) {
    counted = true;
    mutexLock(task, LOCK);
    add(task, COUNTER, 1);
    if (page === 1 || !clamped) store(task, MAPPING, 0);
    mutexUnlock(task, LOCK);
  }
  store(task, (PTE + page) as Addr, 0);
  if (load(task, IN_TREE) !== 0) {
    mutexLock(task, LOCK);
    add(task, SEQ, 1);
    if (clamped) {
      const count = load(task, COUNTER);
      if (count > 0) store(task, COUNTER, count - 1);
      if (counted && page === 1 && load(task, MAPPING) !== 0)
        throw new Error('a section that was counted ends with a mapping');
    } else if (add(task, COUNTER, -1) <= 0) throw new Error('count of -1');
    mutexUnlock(task, LOCK);
  }
  upRead(task, SEM);
}

function rdma(task: Task, page: number, fixed: boolean): void {
  if (fixed) {
    downWrite(task, SEM);
    store(task, IN_TREE, 1);
    upWrite(task, SEM);
    downRead(task, SEM);
  } else {
    downRead(task, SEM);
    store(task, IN_TREE, 1);
  }
  const seq = load(task, SEQ);
  if (load(task, COUNTER) === 0) {
    const pte = load(task, (PTE + page) as Addr);
    if (pte !== 0) {
      mutexLock(task, LOCK);
      if (load(task, COUNTER) === 0 && load(task, SEQ) === seq) store(task, MAPPING, pte);
      mutexUnlock(task, LOCK);
    }
  }
  upRead(task, SEM);
}

const model = (clamped: boolean, fixed: boolean): Program => ({
  memory: 48,
  setup,
  threads: [
    (task) => madvise(task, 0, clamped),
    ...(clamped ? [(task: Task) => madvise(task, 1, clamped)] : []),
    (task) => rdma(task, clamped ? 1 : 0, fixed),
  ],
  names,
});
export const modelA = model(false, false);
export const modelAFixed = model(false, true);
export const modelB = model(true, false);
export const modelBFixed = model(true, true);
