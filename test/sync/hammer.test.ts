import { describe, expect, it } from 'vitest';
import { PRESENT } from '../../src/sync/completion.ts';
import {
  COMPLETION,
  completionInit,
  LOCK_CLASS,
  type Memory,
  MUTEX,
  mutexInit,
  RW_SEMAPHORE,
  rwsemInit,
  rwsemWaiters,
  SPIN_LOCK,
  seqCountInit,
  spinLockInit,
  srcuInit,
  WAIT_QUEUE,
  waitQueueInit,
} from '../../src/sync/index.ts';
import { DEFAULT_SPINS } from '../../src/sync/task.ts';
import { AT, hammer, holdsOf, MAX_THREADS, newMemory, waitOf } from './fixture.ts';

function world(): Memory {
  const mem = newMemory();
  mutexInit(mem, AT.mutex, LOCK_CLASS.umem_mutex);
  rwsemInit(mem, AT.rwsem, LOCK_CLASS.mmap_lock);
  spinLockInit(mem, AT.spin, LOCK_CLASS.ptl);
  seqCountInit(mem, AT.seq);
  completionInit(mem, AT.completion);
  waitQueueInit(mem, AT.queue);
  srcuInit(mem, AT.srcu, MAX_THREADS, LOCK_CLASS.mr_srcu);
  return mem;
}

const times = (n: number, role: string): string[] => new Array<string>(n).fill(role);

/** After all threads have ended nothing is left held, waited for or queued. */
function expectQuiet(mem: Memory): void {
  for (let tid = 0; tid < MAX_THREADS; tid++) {
    expect(holdsOf(mem, tid)).toEqual([]);
    expect(waitOf(mem, tid).kind).toBe(0);
  }
  expect(mem[AT.mutex + MUTEX.state] & 1).toBe(0);
  expect(mem[AT.mutex + MUTEX.handoff]).toBe(0);
  expect(mem[AT.rwsem + RW_SEMAPHORE.count]).toBe(0);
  expect(rwsemWaiters(mem, AT.rwsem)).toBe(0);
  expect(mem[AT.spin + SPIN_LOCK.state]).toBe(0);
}

describe.each([
  [2, DEFAULT_SPINS],
  [4, DEFAULT_SPINS],
  [12, DEFAULT_SPINS],
  // Each wait is a sleep.
  [4, 0],
  [2, 5000],
])('%i threads, which look %i times before they sleep', (threads, spins) => {
  const rounds = Math.ceil((spins === 0 ? 16_000 : 48_000) / threads);

  it.each(['mutex', 'spin', 'write'])('%s: one thread at a time, and none is left asleep', async (role) => {
    const mem = world();
    await hammer(mem, times(threads, role), rounds, spins);
    expect(mem[AT.data]).toBe(threads * rounds);
    expectQuiet(mem);
  });

  it('rwsem: readers together, writers alone, trylocks and downgrades among them', async () => {
    const mem = world();
    await hammer(mem, times(threads, 'mixed'), rounds, spins);
    let writes = 0;
    for (let tid = 0; tid < threads; tid++) writes += mem[AT.control(tid) + 2];
    expect(writes).toBeGreaterThan(0);
    expect(mem[AT.data]).toBe(writes);
    expectQuiet(mem);
  });

  it('seqcount: no torn snapshot is accepted', async () => {
    const mem = world();
    const writers = threads / 2;
    await hammer(mem, [...times(writers, 'seqWriter'), ...times(threads - writers, 'seqReader')], rounds, spins);
    expect(mem[AT.data + 16]).toBe(writers * rounds);
    expectQuiet(mem);
  });

  it('completion: as many pass as were completed', async () => {
    const mem = world();
    await hammer(
      mem,
      [...times(threads / 2, 'completer'), ...times(threads / 2, 'completionWaiter')],
      rounds / 4,
      spins,
    );
    expect(mem[AT.data]).toBe((threads / 2) * (rounds / 4));
    expect(mem[AT.completion + COMPLETION.done]).toBe(0);
    expect(mem[AT.completion + COMPLETION.waiters] & PRESENT).toBe(0);
  });

  it('wait queue: a token goes around and no wake-up is lost', async () => {
    const mem = world();
    const turns = Math.ceil(1200 / threads);
    await hammer(mem, times(threads, 'tokenRing'), turns, spins);
    expect(mem[AT.data]).toBe(threads * turns);
    expect(mem[AT.queue + WAIT_QUEUE.waiters] & PRESENT).toBe(0);
  });

  it('wait queue: waking one at a time is enough for as many items', async () => {
    const mem = world();
    await hammer(mem, [...times(threads / 2, 'producer'), ...times(threads / 2, 'consumer')], rounds / 4, spins);
    expect(mem[AT.data]).toBe(0);
    expect(mem[AT.queue + WAIT_QUEUE.waiters] & PRESENT).toBe(0);
  });

  it('srcu: nothing is freed under a reader', async () => {
    const mem = world();
    // Slot 0 is published at the start.
    mem[AT.data + 8] = 1;
    const roles = Array.from({ length: threads }, (_, i) => (i % 4 === 0 ? 'srcuUpdater' : 'srcuReader'));
    await hammer(mem, roles, 200, spins);
    expectQuiet(mem);
  });
});

it('a batch of readers is counted before the first of it can leave', async () => {
  const mem = world();
  await hammer(mem, [...times(10, 'readBurst'), ...times(2, 'writeBurst')], 3000);
  expectQuiet(mem);
});

it('a writer gets through a stream of overlapping readers', async () => {
  const mem = world();
  await hammer(mem, [...times(5, 'readStream'), 'writeVictim'], 200);
  expectQuiet(mem);
});

it('a mutex sleeper gets through threads that lock in a loop', async () => {
  const mem = world();
  await hammer(mem, [...times(5, 'mutexStream'), 'mutexVictim'], 200);
  expectQuiet(mem);
});
