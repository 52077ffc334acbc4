import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Addr, at, type Pfn } from '../../src/memory/address.ts';
import { FRAME, frameAddr } from '../../src/mm/frame.ts';
import { checkLostWakeup, createLostWakeupWatch } from '../../src/oracles/lost-wakeup.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { rawStore } from '../../src/sync/atomics.ts';
import { complete, completeAll } from '../../src/sync/completion.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import { WAIT } from '../../src/sync/task.ts';
import { violationRecord } from '../../src/torture/record.ts';
import { point } from '../../src/trace/point.ts';
import { POINT } from '../../src/trace/points.ts';
import { type Bed, createBed, fired, recordsOf } from './fixture.ts';
import { absent, FREE_WORD, startThread, type Thread, withThreads } from './threads.ts';

const cell = (threads: number): Bed => {
  const bed = createBed(contextCount, { threads: threads + 1 });
  absent(bed, threads);
  return bed;
};
const mutexOf = (bed: Bed): Addr => at(frameAddr(bed.world.mm.frames, 1 as Pfn), FRAME.folioLock);
const rwsemOf = (bed: Bed): Addr => bed.world.mm.mms[0]!.mmapLock;
const completionOf = (bed: Bed): Addr => at(bed.world.litmusKeys, FREE_WORD);

/** Looks as the supervisor does; whether one of the looks found something. */
function looker(bed: Bed): (looks: number) => boolean {
  const watch = createLostWakeupWatch(bed.world.threads);
  return (looks) => {
    let found = false;
    for (let i = 0; i < looks; i++) found = checkLostWakeup(bed.supervisor, bed.world.oracles, watch) || found;
    return found;
  };
}
const detailOf = (bed: Bed): string => violationRecord(bed.world, recordsOf(bed, 'lost-wakeup')[0]!).detail;
const WRITER = 1;
const READER = 256;

interface LockCase {
  readonly name: string;
  readonly lock: (bed: Bed) => Addr;
  readonly take: (bed: Bed) => void;
  readonly release: (bed: Bed) => void;
  /** Makes it free as a release does, and wakes nobody. */
  readonly forget: (bed: Bed) => void;
  readonly step: string;
  readonly kind: (typeof WAIT)[keyof typeof WAIT];
}
/** The first thread is the test's own: it holds the lock for which the second sleeps. */
const LOCKS: readonly LockCase[] = [
  {
    name: 'a mutex',
    lock: mutexOf,
    take: (bed) => mutexLock(bed.actors[0]!, mutexOf(bed)),
    release: (bed) => mutexUnlock(bed.actors[0]!, mutexOf(bed)),
    forget: (bed) => rawStore(bed.world.mem, mutexOf(bed), 0),
    step: 'mutexLock',
    kind: WAIT.mutex,
  },
  {
    name: 'a rwsem, for writing',
    lock: rwsemOf,
    take: (bed) => downRead(bed.actors[0]!, rwsemOf(bed)),
    release: (bed) => upRead(bed.actors[0]!, rwsemOf(bed)),
    forget: (bed) => void Atomics.and(bed.world.mem, rwsemOf(bed), READER - 1),
    step: 'downWrite',
    kind: WAIT.rwsemWrite,
  },
  {
    name: 'a rwsem, for reading',
    lock: rwsemOf,
    take: (bed) => downWrite(bed.actors[0]!, rwsemOf(bed)),
    release: (bed) => upWrite(bed.actors[0]!, rwsemOf(bed)),
    forget: (bed) => void Atomics.and(bed.world.mem, rwsemOf(bed), ~WRITER),
    step: 'downRead',
    kind: WAIT.rwsemRead,
  },
];

describe.each(LOCKS)('$name', ({ lock, take, release, forget, step, kind }) => {
  /** One thread runs (the test's, tid 0), one sleeps for what it holds. */
  async function asleep(body: (bed: Bed, sleeper: Thread) => Promise<void>): Promise<void> {
    const bed = createBed(contextCount, { threads: 3 });
    absent(bed, 2);
    take(bed);
    const sleeper = startThread(bed, 1, [[step, lock(bed)]]);
    await withThreads([sleeper], async () => {
      await sleeper.sleepsIn(kind);
      await body(bed, sleeper);
    });
  }

  it('that was freed without a wake-up is named, once whoever was busy is known to have left, and its sleeper goes on', () =>
    asleep(async (bed, sleeper) => {
      const look = looker(bed);
      expect(look(5)).toBe(false);
      forget(bed);
      // The other thread has left no sign since: it may be just about to wake.
      expect(look(20)).toBe(false);
      point(bed.actors[0]!, POINT['umem.inserted'], 1, 2, 3);
      expect(look(2)).toBe(true);
      expect(fired(bed)).toEqual({ 'lost-wakeup': 1 });
      expect(detailOf(bed)).toContain(`register-1 sleeps in ${Object.entries(WAIT).find(([, k]) => k === kind)![0]}`);
      await sleeper.ended;
      expect(look(5)).toBe(false);
    }));

  it('that is held, or was given back rightly, is not, whatever the others do', () =>
    asleep(async (bed, sleeper) => {
      const look = looker(bed);
      for (let i = 0; i < 10; i++) {
        point(bed.actors[0]!, POINT['umem.inserted'], 1, 2, 3);
        expect(look(2)).toBe(false);
      }
      release(bed);
      point(bed.actors[0]!, POINT['umem.removed'], 1, 2, 3);
      expect(look(20)).toBe(false);
      await sleeper.ended;
      expect(fired(bed)).toEqual({});
    }));
});

describe('a completion', () => {
  it('that was counted without a wake-up is named, and its sleeper goes on', async () => {
    const bed = cell(1);
    const c = completionOf(bed);
    const sleeper = startThread(bed, 0, [['waitForCompletion', c]]);
    await withThreads([sleeper], async () => {
      await sleeper.sleepsIn(WAIT.completion);
      // Published, but perhaps not yet asleep.
      await sleep(50);
      const look = looker(bed);
      expect(look(5)).toBe(false);
      rawStore(bed.world.mem, c, 1);
      expect(look(3)).toBe(true);
      expect(fired(bed)).toEqual({ 'lost-wakeup': 1 });
      await sleeper.ended;
      expect(look(5)).toBe(false);
    });
  });

  it('that lets one of two pass is none, nor is one for all', async () => {
    const bed = cell(2);
    const c = completionOf(bed);
    const threads = [0, 1].map((tid) => startThread(bed, tid, [['waitForCompletion', c]]));
    await withThreads(threads, async () => {
      for (const t of threads) await t.sleepsIn(WAIT.completion);
      await sleep(50);
      const look = looker(bed);
      complete(bed.supervisor, c);
      expect(look(50)).toBe(false);
      await Promise.race(threads.map((t) => t.ended));
      completeAll(bed.supervisor, c);
      expect(look(50)).toBe(false);
      await Promise.all(threads.map((t) => t.ended));
      expect(fired(bed)).toEqual({});
    });
  });

  it('with a time-out is left alone, and so is one that some thread may still wake', async () => {
    const bed = cell(1);
    const c = completionOf(bed);
    const timed = startThread(bed, 0, [['waitForCompletionTimeout', c, 10_000]]);
    await withThreads([timed], async () => {
      await timed.sleepsIn(WAIT.completion);
      rawStore(bed.world.mem, c, 1);
      expect(looker(bed)(10)).toBe(false);
      complete(bed.supervisor, c);
      await timed.ended;
    });
    const busy = cell(2);
    const sleeper = startThread(busy, 0, [['waitForCompletion', completionOf(busy)]]);
    await withThreads([sleeper], async () => {
      await sleeper.sleepsIn(WAIT.completion);
      rawStore(busy.world.mem, completionOf(busy), 1);
      expect(looker(busy)(10)).toBe(false);
      complete(busy.supervisor, completionOf(busy));
      await sleeper.ended;
      expect(fired(busy)).toEqual({});
    });
  });
});
