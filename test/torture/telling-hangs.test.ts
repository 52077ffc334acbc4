import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { rawAdd, rawStore } from '../../src/sync/atomics.ts';
import { clearWait, HELD, publishWait, pushHeld, WAIT, type WaitKind } from '../../src/sync/task.ts';
import { allStates, createHangWatch, type HangWatch, missingAtStart } from '../../src/torture/hang.ts';
import { CONTROL, opBegin, PARK_FINISHED, PARK_TASK, WAITING_OP } from '../../src/trace/park.ts';
import { attachThread } from '../../src/world/actor.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld, initWorld } from '../../src/world/world.ts';
import { smallPlan } from './cells.ts';

const HANG_MS = 1000;
const POLL_MS = 50;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** madvise-0, munmap-0, register-0 and the supervisor on one thread, with a clock that the test moves. */
function scene() {
  const plan = smallPlan({ bounds: { hangMs: HANG_MS } });
  const world = attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
  initWorld(world);
  const { mem } = world;
  const actors = plan.threads.map(({ tid }) => attachThread(world, tid, 0).actor);
  const watch: HangWatch = createHangWatch(world);
  const tick = at(world.control, CONTROL.tick);
  /** Lets time pass, look by look: the threads in `alive` come to quiescent points, the supervisor ticks. */
  const pass = (ms: number, alive: readonly number[], more: { ticks?: boolean; stopping?: boolean } = {}) => {
    for (let t = 0; t < ms; t += POLL_MS) {
      vi.advanceTimersByTime(POLL_MS);
      if (more.ticks !== false) rawAdd(mem, tick, 1);
      for (const tid of alive) rawAdd(mem, at(world.parkWords[tid]!, PARK_TASK.serial), 1);
      const found = watch.check(more.stopping === true);
      if (found !== null) return found;
    }
    return null;
  };
  const wait = (tid: number, kind: WaitKind): void =>
    publishWait(actors[tid]!, kind, world.mm.mms[0]!.mmapLock, 0, false);
  return { world, mem, actors, watch, pass, wait };
}

describe('the hang watch', () => {
  it('finds a thread that runs and comes to no quiescent point, and says what it holds', () => {
    const { pass, world, actors } = scene();
    expect(pass(10 * HANG_MS, [0, 1, 2])).toBeNull();
    pushHeld(actors[1]!, world.mm.mms[0]!.mmapLock, HELD.write);
    expect(pass(HANG_MS / 2, [0, 2])).toBeNull();
    expect(pass(HANG_MS, [0, 2])).toEqual({
      kind: 'hang',
      thread: 'munmap-0',
      message: expect.stringMatching(/^no progress: runs, holds mmap_lock@\d+:write$/),
    });
    expect(allStates(world)[1]).toMatch(/^munmap-0: runs, holds mmap_lock/);
  });

  it('blames nobody for a time in which the whole process stood still', () => {
    const { pass, watch } = scene();
    expect(pass(200, [0, 1, 2])).toBeNull();
    vi.advanceTimersByTime(3_600_000);
    expect(watch.check(false)).toBeNull();
    vi.advanceTimersByTime(3_600_000);
    expect(watch.check(false)).toBeNull();
  });

  it('is slow to blame while the supervisor does not get to run either', () => {
    const { pass } = scene();
    expect(pass(200, [0, 1, 2])).toBeNull();
    expect(pass(5 * HANG_MS, [], { ticks: false })).toBeNull();
    expect(pass(10 * HANG_MS, [], { ticks: false })).toMatchObject({ kind: 'hang' });
  });

  it('finds a supervisor that ticks no more, in the end', () => {
    const { pass } = scene();
    expect(pass(200, [0, 1, 2])).toBeNull();
    expect(pass(20 * HANG_MS, [0, 1, 2], { ticks: false })).toMatchObject({ thread: 'supervisor' });
  });

  it('finds the one that keeps the others waiting, not those that wait', () => {
    const { pass, wait } = scene();
    wait(0, WAIT.rwsemWrite);
    expect(pass(3 * HANG_MS, [2])).toMatchObject({ thread: 'munmap-0' });
  });

  it('gives one that waits more time, but not for ever', () => {
    const { pass, wait } = scene();
    wait(0, WAIT.mutex);
    expect(pass(8 * HANG_MS, [1, 2])).toBeNull();
    expect(pass(8 * HANG_MS, [1, 2])).toMatchObject({
      thread: 'madvise-0',
      message: expect.stringMatching(/^no progress: waits for mutex at \d+, holds nothing$/),
    });
  });

  it('takes trace records and waits for signs of life', () => {
    const { pass, mem, world, wait, actors } = scene();
    for (let i = 0; i < 8; i++) {
      mem[world.ringHead(0)]!++;
      wait(1, WAIT.spin);
      clearWait(actors[1]!);
      expect(pass(HANG_MS - 2 * POLL_MS, [2])).toBeNull();
    }
    let found = null;
    for (let i = 0; i < 8 && found === null; i++) {
      mem[world.ringHead(0)]!++;
      mem[world.ringHead(1)]!++;
      found = pass(HANG_MS - 2 * POLL_MS, [2]);
    }
    expect(found).toMatchObject({ thread: 'madvise-0' });
  });

  it('leaves a registration that waits to the starvation oracle, until the cell stops', () => {
    const { pass, mem, world, wait } = scene();
    opBegin(mem, world.parkWords[2]!, WAITING_OP.register, 0, 1, 2);
    wait(2, WAIT.waitQueue);
    expect(pass(100 * HANG_MS, [0, 1])).toBeNull();
    expect(pass(2 * HANG_MS, [0, 1], { stopping: true })).toMatchObject({
      thread: 'register-0',
      message: expect.stringMatching(/waits for waitQueue/),
    });
  });

  it('but not one that runs', () => {
    const { pass, mem, world } = scene();
    opBegin(mem, world.parkWords[2]!, WAITING_OP.deregister, 0, 1, 2);
    expect(pass(2 * HANG_MS, [0, 1])).toMatchObject({ thread: 'register-0' });
  });

  it('does not look at who is parked or has finished', () => {
    const { pass, mem, world, wait } = scene();
    wait(0, WAIT.park);
    rawStore(mem, world.parkWords[1]!, PARK_FINISHED);
    expect(pass(100 * HANG_MS, [2])).toBeNull();
    expect(pass(2 * HANG_MS, [2], { stopping: true })).toBeNull();
    expect(allStates(world).map((line) => line.split(':')[0])).toEqual(['madvise-0', 'register-0', 'supervisor']);
  });

  it('names anybody who has not finished', () => {
    const { mem, world, watch } = scene();
    rawStore(mem, world.parkWords[0]!, PARK_FINISHED);
    expect(watch.anybody().thread).toBe('munmap-0');
    for (const word of world.parkWords) rawStore(mem, word, PARK_FINISHED);
    // Its word says so from the start, so that nobody waits for it.
    expect(watch.anybody().thread).toBe('supervisor');
  });

  it('knows who has not come to the start', () => {
    const { mem, world } = scene();
    rawStore(mem, at(world.parkWords[1]!, PARK_TASK.serial), 1);
    expect(missingAtStart(world)).toEqual(['madvise-0', 'register-0', 'supervisor']);
  });
});
