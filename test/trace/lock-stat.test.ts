import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { exploringPlan } from '../../src/explore/subject/litmus-plan.ts';
import { at } from '../../src/memory/address.ts';
import { ptlOf } from '../../src/mm/page-table.ts';
import { rawLoad } from '../../src/sync/atomics.ts';
import { CLS_OFFSET, OWNER_OFFSET } from '../../src/sync/lock-class.ts';
import { mutexLock, mutexTrylock, mutexUnlock } from '../../src/sync/mutex.ts';
import {
  downgradeWrite,
  downRead,
  downReadTrylock,
  downWrite,
  downWriteTrylock,
  upRead,
  upWrite,
} from '../../src/sync/rw-semaphore.ts';
import { spinLock, spinTrylock, spinUnlock } from '../../src/sync/spin-lock.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import { lockStatView } from '../../src/torture/lock-figures.ts';
import { hrtimeMs } from '../../src/trace/clock.ts';
import { LOCK_STAT_DOUBLES, LOCK_STAT_FULL_DOUBLES, type LockStatLevel, WAITING } from '../../src/trace/lock-stat.ts';
import { sumLockWaits } from '../../src/trace/lock-stat-sums.ts';
import { until } from '../sync/fixture.ts';
import { shippedPlan } from '../torture/cells.ts';
import { type LockStatTask, type Locks, openLocks, rowsOf } from './lock-stat-world.ts';

/** A script of two threads on this one thread, in which nobody ever waits. */
function script({ actor, mutex, sem, world }: Locks): void {
  const [a, b] = [actor(0), actor(1)];
  const ptl = ptlOf(world.mm.mms[0]!, 0 as never);
  for (const task of [a, a, b, a]) {
    mutexLock(task, mutex);
    expect(mutexTrylock(b, mutex)).toBe(false);
    mutexUnlock(task, mutex);
  }
  expect(mutexTrylock(a, mutex)).toBe(true);
  mutexUnlock(a, mutex);
  spinLock(b, ptl);
  expect(spinTrylock(a, ptl)).toBe(false);
  spinUnlock(b, ptl);
  // Released in the order in which they were taken.
  downRead(a, sem);
  mutexLock(a, mutex);
  expect(downReadTrylock(b, sem)).toBe(true);
  expect(downWriteTrylock(b, sem)).toBe(false);
  upRead(a, sem);
  mutexUnlock(a, mutex);
  upRead(b, sem);
  downWrite(b, sem);
  downgradeWrite(b, sem);
  upRead(b, sem);
  downWrite(a, sem);
  upWrite(a, sem);
}

describe('the levels of lock statistics', () => {
  it('counts: acquisitions of readers and writers apart, and those of a lock that another thread had last', () => {
    const locks = openLocks('counts');
    script(locks);
    const rows = rowsOf(locks);
    expect(Object.keys(rows).sort()).toEqual(['mm_all_locks_mutex-W', 'mmap_lock-R', 'mmap_lock-W', 'ptl-W']);
    const none = { conBounces: 0, contentions: 0, waitNs: { min: 0, max: 0, total: 0, mean: 0 } };
    expect(rows['mm_all_locks_mutex-W']).toMatchObject({ acquisitions: 6, acqBounces: 2, ...none });
    expect(rows['ptl-W']).toMatchObject({ acquisitions: 1, acqBounces: 0, ...none });
    // The first taker of all bounces nothing; b's trylock does, a downgrade is an acquisition by the same thread.
    expect(rows['mmap_lock-R']).toMatchObject({ acquisitions: 3, acqBounces: 1, ...none });
    expect(rows['mmap_lock-W']).toMatchObject({ acquisitions: 2, acqBounces: 1, ...none });
    for (const row of Object.values(rows))
      for (const absent of ['holdNs', 'waiters', 'holders']) expect(row).not.toHaveProperty(absent);
  });

  it('full: also the time of each hold, in whatever order holds end', () => {
    const locks = openLocks('full');
    script(locks);
    for (const row of Object.values(rowsOf(locks))) {
      const { holdNs, hold, acquisitions } = row;
      expect(holdNs!.count).toBe(acquisitions);
      expect(hold!.count).toBe(acquisitions);
      expect(holdNs!.min).toBeGreaterThan(0);
      expect(holdNs!.mean).toBeCloseTo(holdNs!.total / acquisitions!, 3);
      expect(holdNs!.min).toBeLessThanOrEqual(holdNs!.mean);
      expect(holdNs!.mean).toBeLessThanOrEqual(holdNs!.max);
      expect(holdNs!.p50).toBeLessThanOrEqual(holdNs!.p999!);
      expect(row).toMatchObject({ waiters: [], holders: [] });
    }
  });

  it('off: nothing of a lock that nobody waited for, and no memory', () => {
    const locks = openLocks('off');
    script(locks);
    expect(rowsOf(locks)).toEqual({});
    const { world, actor, mutex } = locks;
    expect([world.mem[at(mutex, OWNER_OFFSET)], world.lockFull]).toEqual([0, []]);
    expect([actor(0).lockStat, actor(0).lockHold]).toEqual([undefined, undefined]);
  });

  it('a lock whose class is none is counted as unclassified, in nobody else’s words', () => {
    const locks = openLocks('counts');
    const { world, actor, mutex } = locks;
    const before = world.f64.slice(world.contention[1]! + LOCK_STAT_DOUBLES);
    for (const cls of [-1, 4711, 2 ** 31 - 1]) {
      world.mem[at(mutex, CLS_OFFSET)] = cls;
      mutexLock(actor(1), mutex);
      mutexUnlock(actor(1), mutex);
    }
    expect(rowsOf(locks)).toMatchObject({ 'unclassified-W': { acquisitions: 3 } });
    expect(Object.keys(rowsOf(locks))).toHaveLength(1);
    const after = world.f64.slice(world.contention[1]! + LOCK_STAT_DOUBLES);
    expect([...after.keys()].filter((i) => !Object.is(after[i], before[i]))).toEqual([]);
    expect(world.mem[at(mutex, OWNER_OFFSET)]).toBe(2);
  });

  it('none where schedules are explored: what is counted is no step', () => {
    const plan = shippedPlan('litmus/seed-madvise-around-register', 'context-count', { lockStat: 'full' });
    expect(plan.lockStat).toBe('full');
    expect(exploringPlan(plan)).toEqual(
      exploringPlan(shippedPlan('litmus/seed-madvise-around-register', 'context-count')),
    );
  });

  it('each thread has lines of its own', () => {
    const { world } = openLocks('full');
    for (const [bases, size] of [
      [world.contention, LOCK_STAT_DOUBLES],
      [world.lockFull, LOCK_STAT_FULL_DOUBLES],
    ] as const)
      for (const [tid, base] of bases.entries()) {
        expect(base % 8).toBe(0);
        if (tid > 0) expect(base - bases[tid - 1]!).toBeGreaterThanOrEqual(size);
      }
  });
});

const THREADS = 2;
const ROUNDS = 2000;

function start(task: LockStatTask): Worker {
  return new Worker(new URL('./lock-stat-worker.js', import.meta.url), { workerData: task });
}

describe('real threads', () => {
  it.each([
    'off',
    'counts',
    'full',
  ] as const)('%s: the figures are what the threads did', async (level: LockStatLevel) => {
    const locks = openLocks(level);
    const { world } = locks;
    const buffer = world.mem.buffer;
    const workers = Array.from({ length: THREADS }, (_, tid) => start({ buffer, level, tid, rounds: ROUNDS }));
    try {
      await Promise.all(workers.map((worker) => once(worker, 'message', { signal: AbortSignal.timeout(20_000) })));
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
    const rows = rowsOf(locks);
    const expected: Record<string, number> = {
      'mm_all_locks_mutex-W': THREADS * (ROUNDS + 1),
      'mmap_lock-R': THREADS * ROUNDS,
      'mmap_lock-W': (THREADS * ROUNDS) / 4,
    };
    if (level !== 'off')
      for (const [name, acquisitions] of Object.entries(expected)) expect(rows[name]).toMatchObject({ acquisitions });
    expect(rows['mm_all_locks_mutex-W']!.contentions).toBeGreaterThan(0);
    for (const [name, row] of Object.entries(rows)) {
      const { contentions, waitNs, acqBounces = 0, conBounces = 0 } = row;
      expect(contentions).toBeLessThanOrEqual(expected[name]!);
      expect(acqBounces).toBeLessThan(expected[name]!);
      expect(conBounces).toBeLessThanOrEqual(contentions);
      expect(waitNs.min).toBeLessThanOrEqual(waitNs.mean);
      expect(waitNs.mean).toBeLessThanOrEqual(waitNs.max);
      if (level !== 'full') continue;
      expect(row.wait!.count).toBe(contentions);
      expect(row.hold!.count).toBe(expected[name]);
      for (const places of [row.waiters!, row.holders!])
        expect(places.reduce((sum, { count }) => sum + count, 0)).toBe(contentions);
    }
    const waits = sumLockWaits(lockStatView(world, 0));
    expect(waits.count).toBe(Object.values(rows).reduce((sum, { contentions }) => sum + contentions, 0));
    expect(waits.sum).toBe(Object.values(rows).reduce((sum, { waitNs }) => sum + waitNs.total, 0));
    if (level !== 'off') expect(rows['mm_all_locks_mutex-W']!.acqBounces).toBeGreaterThan(0);
  });

  it('a thread that is killed in a wait has waited until the end, once', async () => {
    const locks = openLocks('full');
    const { world, actor, mutex } = locks;
    const holder = actor(0);
    mutexLock(holder, mutex);
    const worker = start({ buffer: world.mem.buffer, level: 'full', tid: 1, rounds: 0 });
    const waitKind = at(world.taskAddr(1), TASK.waitKind);
    try {
      await until('it sleeps', () => rawLoad(world.mem, waitKind) === WAIT.mutex);
    } finally {
      await worker.terminate();
    }
    mutexUnlock(holder, mutex);
    const untilMs = hrtimeMs() + 3_600_000;
    const row = rowsOf(locks, untilMs)['mm_all_locks_mutex-W']!;
    expect(row).toMatchObject({ acquisitions: 1, contentions: 1, conBounces: 1 });
    const since = world.f64[world.contention[1]! + WAITING.since]!;
    expect(since).toBeGreaterThan(0);
    expect(row.waitNs.total).toBe(Math.round((untilMs - since) * 1e6));
    expect(row.waitNs.max).toBe(row.waitNs.total);
    expect(row.wait!.count).toBe(1);
    const role = (tid: number) => world.oracles.roles[tid];
    expect(row.waiters).toEqual([{ role: role(1), point: -1, count: 1 }]);
    expect(row.holders).toEqual([{ role: role(0), point: -1, count: 1 }]);
    expect(sumLockWaits(lockStatView(world, untilMs)).count).toBe(1);
  });
});
