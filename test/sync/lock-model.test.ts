import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  downgradeWrite,
  downReadTrylock,
  downWriteTrylock,
  HELD,
  HELD_MAX,
  LOCK_CLASS,
  mutexInit,
  mutexTrylock,
  mutexUnlock,
  rwsemInit,
  rwsemIsLocked,
  rwsemReaders,
  rwsemWaiters,
  rwsemWriteLocked,
  spinLockInit,
  spinTrylock,
  spinUnlock,
  TASK,
  upRead,
  upWrite,
} from '../../src/sync/index.ts';
import { AT, type Hold, holdsOf, newMemory, taskFor } from './fixture.ts';

const SEED = 20260101;
const TASKS = 4;
const OPS = [
  'mutexTry',
  'mutexUnlock',
  'spinTry',
  'spinUnlock',
  'readTry',
  'upRead',
  'writeTry',
  'upWrite',
  'downgrade',
] as const;
const step = fc.record({ op: fc.constantFrom(...OPS), tid: fc.nat(TASKS - 1) });

/** Who holds what, kept naively. */
interface Model {
  mutex: number | null;
  spin: number | null;
  writer: number | null;
  readers: number[];
  holds: Hold[][];
}

const remove = (holds: Hold[], addr: number, mode: Hold['mode']): void => {
  holds.splice(
    holds.findLastIndex((hold) => hold.addr === addr && hold.mode === mode),
    1,
  );
};

it('random trylocks, unlocks and downgrades by several tasks agree with a naive model', () => {
  const run = (steps: { op: (typeof OPS)[number]; tid: number }[]): void => {
    const mem = newMemory();
    const tasks = Array.from({ length: TASKS }, (_, tid) => taskFor(mem, tid));
    mutexInit(mem, AT.mutex, LOCK_CLASS.umem_mutex);
    spinLockInit(mem, AT.spin, LOCK_CLASS.ptl);
    rwsemInit(mem, AT.rwsem, LOCK_CLASS.mmap_lock);
    const m: Model = { mutex: null, spin: null, writer: null, readers: [], holds: tasks.map(() => []) };
    const take = (tid: number, addr: number, mode: Hold['mode']): number => m.holds[tid].push({ addr, mode });
    for (const { op, tid } of steps) {
      const task = tasks[tid];
      const mine = m.holds[tid];
      if (op === 'mutexTry') {
        expect(mutexTrylock(task, AT.mutex)).toBe(m.mutex === null);
        if (m.mutex === null) {
          m.mutex = tid;
          take(tid, AT.mutex, HELD.mutex);
        }
      } else if (op === 'mutexUnlock' && m.mutex === tid) {
        mutexUnlock(task, AT.mutex);
        m.mutex = null;
        remove(mine, AT.mutex, HELD.mutex);
      } else if (op === 'spinTry') {
        expect(spinTrylock(task, AT.spin)).toBe(m.spin === null);
        if (m.spin === null) {
          m.spin = tid;
          take(tid, AT.spin, HELD.spin);
        }
      } else if (op === 'spinUnlock' && m.spin === tid) {
        spinUnlock(task, AT.spin);
        m.spin = null;
        remove(mine, AT.spin, HELD.spin);
      } else if (op === 'readTry') {
        expect(downReadTrylock(task, AT.rwsem)).toBe(m.writer === null);
        if (m.writer === null) {
          m.readers.push(tid);
          take(tid, AT.rwsem, HELD.read);
        }
      } else if (op === 'upRead' && m.readers.includes(tid)) {
        upRead(task, AT.rwsem);
        m.readers.splice(m.readers.indexOf(tid), 1);
        remove(mine, AT.rwsem, HELD.read);
      } else if (op === 'writeTry') {
        const free = m.writer === null && m.readers.length === 0;
        expect(downWriteTrylock(task, AT.rwsem)).toBe(free);
        if (free) {
          m.writer = tid;
          take(tid, AT.rwsem, HELD.write);
        }
      } else if (op === 'upWrite' && m.writer === tid) {
        upWrite(task, AT.rwsem);
        m.writer = null;
        remove(mine, AT.rwsem, HELD.write);
      } else if (op === 'downgrade' && m.writer === tid) {
        downgradeWrite(task, AT.rwsem);
        m.writer = null;
        m.readers.push(tid);
        remove(mine, AT.rwsem, HELD.write);
        take(tid, AT.rwsem, HELD.read);
      }
      for (let t = 0; t < TASKS; t++) expectHolds(holdsOf(mem, t), m.holds[t], mem[AT.task(t) + TASK.heldOverflow]);
      expect(rwsemReaders(mem, AT.rwsem)).toBe(m.readers.length);
      expect(rwsemWriteLocked(mem, AT.rwsem)).toBe(m.writer !== null);
      expect(rwsemIsLocked(mem, AT.rwsem)).toBe(m.writer !== null || m.readers.length > 0);
      expect(rwsemWaiters(mem, AT.rwsem)).toBe(0);
    }
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 120 }), run), { seed: SEED, numRuns: 300 });
});

function expectHolds(published: Hold[], model: Hold[], overflow: number): void {
  expect(published.length + overflow).toBe(model.length);
  if (overflow === 0) expect(published).toEqual(model);
}

it('more holds than fit are counted, and the list is right again once they are gone', () => {
  const mem = newMemory();
  const task = taskFor(mem, 0);
  rwsemInit(mem, AT.rwsem, LOCK_CLASS.mmap_lock);
  for (let i = 0; i < HELD_MAX + 3; i++) expect(downReadTrylock(task, AT.rwsem)).toBe(true);
  expect(holdsOf(mem, 0)).toHaveLength(HELD_MAX);
  expect(mem[AT.task(0) + TASK.heldOverflow]).toBe(3);
  mutexInit(mem, AT.mutex, LOCK_CLASS.umem_mutex);
  expect(mutexTrylock(task, AT.mutex)).toBe(true);
  mutexUnlock(task, AT.mutex);
  expect(mem[AT.task(0) + TASK.heldOverflow]).toBe(3);
  for (let i = 0; i < HELD_MAX + 3; i++) upRead(task, AT.rwsem);
  expect(holdsOf(mem, 0)).toEqual([]);
  expect(mem[AT.task(0) + TASK.heldOverflow]).toBe(0);
  expect(rwsemReaders(mem, AT.rwsem)).toBe(0);
});
