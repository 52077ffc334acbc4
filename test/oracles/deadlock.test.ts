import { describe, expect, it } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { checkDeadlock, createDeadlockWatch } from '../../src/oracles/deadlock.ts';
import { complete } from '../../src/sync/completion.ts';
import { WAIT } from '../../src/sync/task.ts';
import { GATE_OUTCOME, gateArm, gateOutcome } from '../../src/trace/gate.ts';
import { POINT } from '../../src/trace/points.ts';
import { cell, chainOf, look, mutexOf, SOME } from './deadlock-cell.ts';
import { fired } from './fixture.ts';
import { FREE_WORD, signal, startThread, until, withThreads } from './threads.ts';

describe('deadlock', () => {
  it('names two threads that take two mutexes in opposite orders', async () => {
    const bed = cell();
    const [a, b] = [mutexOf(bed, 1), mutexOf(bed, 2)];
    const threads = [
      startThread(bed, 0, [
        ['mutexLock', a],
        ['signal', 0],
        ['await', 1],
        ['mutexLock', b],
      ]),
      startThread(bed, 1, [
        ['mutexLock', b],
        ['signal', 1],
        ['await', 0],
        ['mutexLock', a],
      ]),
    ];
    await withThreads(threads, async () => {
      for (const t of threads) await t.sleepsIn(WAIT.mutex);
      const watch = createDeadlockWatch(bed.world.threads);
      const named = [1, 2, 3, 4, 5].map(() => checkDeadlock(bed.supervisor, bed.world.oracles, watch));
      // Believed at the third look, and named once.
      expect(named).toEqual([false, false, true, false, false]);
      expect(fired(bed)).toEqual({ deadlock: 1 });
      expect(chainOf(bed)).toEqual(
        expect.arrayContaining([
          [0, WAIT.mutex, b, 1],
          [1, WAIT.mutex, a, 0],
        ]),
      );
    });
  });

  it('is silent when both take them in the same order, however often it looks', async () => {
    const bed = cell();
    const [a, b] = [mutexOf(bed, 1), mutexOf(bed, 2)];
    const threads = [
      startThread(bed, 0, [
        ['mutexLock', a],
        ['signal', 0],
        ['await', 1],
        ['mutexLock', b],
        ['mutexUnlock', b],
        ['mutexUnlock', a],
      ]),
      startThread(bed, 1, [
        ['await', 0],
        ['mutexLock', a],
        ['mutexLock', b],
        ['mutexUnlock', b],
        ['mutexUnlock', a],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[1]!.sleepsIn(WAIT.mutex);
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 1);
      await Promise.all(threads.map((t) => t.ended));
      expect(fired(bed)).toEqual({});
    });
  });

  it('names a thread that locks a mutex twice', async () => {
    const bed = cell(1);
    const a = mutexOf(bed, 1);
    const thread = startThread(bed, 0, [
      ['mutexLock', a],
      ['mutexLock', a],
    ]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.mutex);
      expect(await look(bed, SOME)).toBe(true);
      expect(chainOf(bed)).toEqual([[0, WAIT.mutex, a, 0]]);
    });
  });

  it('names a nested read behind a queued writer, with the writer in the cycle', async () => {
    const bed = cell();
    const { mmapLock } = bed.world.mm.mms[0]!;
    const threads = [
      startThread(bed, 0, [
        ['downRead', mmapLock],
        ['signal', 0],
        ['await', 1],
        ['downRead', mmapLock],
      ]),
      startThread(bed, 1, [
        ['await', 0],
        ['downWrite', mmapLock],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[1]!.sleepsIn(WAIT.rwsemWrite);
      // So far the reader can go on, and let the writer in.
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 1);
      await threads[0]!.sleepsIn(WAIT.rwsemRead);
      expect(await look(bed, SOME)).toBe(true);
      expect(chainOf(bed)).toEqual(
        expect.arrayContaining([
          [0, WAIT.rwsemRead, mmapLock, 1],
          [1, WAIT.rwsemWrite, mmapLock, 0],
        ]),
      );
    });
  });

  it('is silent over a nested read with no writer, and over a writer that waits for a running reader', async () => {
    const bed = cell();
    const { mmapLock } = bed.world.mm.mms[0]!;
    const threads = [
      startThread(bed, 0, [
        ['downRead', mmapLock],
        ['downRead', mmapLock],
        ['signal', 0],
        ['await', 1],
        ['upRead', mmapLock],
        ['upRead', mmapLock],
      ]),
      startThread(bed, 1, [
        ['await', 0],
        ['downWrite', mmapLock],
        ['upWrite', mmapLock],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[1]!.sleepsIn(WAIT.rwsemWrite);
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 1);
      await Promise.all(threads.map((t) => t.ended));
      expect(fired(bed)).toEqual({});
    });
  });

  it('names a grace period whose reader waits for a lock of the one that waits for it', async () => {
    const bed = cell();
    const { srcu } = bed.world.mm.mms[0]!;
    const a = mutexOf(bed, 1);
    const threads = [
      startThread(bed, 0, [
        ['srcuReadLock', srcu],
        ['signal', 0],
        ['await', 1],
        ['mutexLock', a],
      ]),
      startThread(bed, 1, [
        ['mutexLock', a],
        ['signal', 1],
        ['await', 0],
        ['synchronizeSrcu', srcu],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.mutex);
      await threads[1]!.sleepsIn(WAIT.srcu);
      expect(await look(bed, SOME)).toBe(true);
      expect(chainOf(bed)).toEqual(
        expect.arrayContaining([
          [0, WAIT.mutex, a, 1],
          [1, WAIT.srcu, srcu, 0],
        ]),
      );
    });
  });

  it('is silent over a grace period whose reader runs', async () => {
    const bed = cell();
    const { srcu } = bed.world.mm.mms[0]!;
    const threads = [
      startThread(bed, 0, [
        ['srcuReadLock', srcu],
        ['signal', 0],
        ['await', 1],
        ['srcuReadUnlock', srcu],
      ]),
      startThread(bed, 1, [
        ['await', 0],
        ['synchronizeSrcu', srcu],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[1]!.sleepsIn(WAIT.srcu);
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 1);
      await Promise.all(threads.map((t) => t.ended));
      expect(fired(bed)).toEqual({});
    });
  });

  it('names a zap that waits for an access whose thread waits for the zapper', async () => {
    const bed = cell();
    const a = mutexOf(bed, 1);
    // A valid entry, so that the zap has something to drain.
    const threads = [
      startThread(bed, 0, [
        ['accessBegin', 1],
        ['signal', 0],
        ['await', 1],
        ['mutexLock', a],
      ]),
      startThread(bed, 1, [
        ['mutexLock', a],
        ['signal', 1],
        ['await', 0],
        ['zap', 1, 0, 0],
      ]),
    ];
    bed.world.mem[bed.world.hca.mtt + bed.world.hca.mttPages] = 1;
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.mutex);
      await threads[1]!.sleepsIn(WAIT.drain);
      expect(await look(bed, SOME)).toBe(true);
      expect(chainOf(bed).map(([tid, kind, , on]) => [tid, kind, on])).toEqual(
        expect.arrayContaining([
          [0, WAIT.mutex, 1],
          [1, WAIT.drain, 0],
        ]),
      );
    });
  });

  it('names waiters for completions when nobody is left to complete them, and not before', async () => {
    const bed = cell(3);
    const c = at(bed.world.litmusKeys, FREE_WORD);
    const threads = [0, 1].map((tid) => startThread(bed, tid, [['waitForCompletion', c]]));
    const third = startThread(bed, 2, [['await', 0]]);
    await withThreads([...threads, third], async () => {
      for (const t of threads) await t.sleepsIn(WAIT.completion);
      // The third thread might still complete it.
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 0);
      await third.ended;
      expect(await look(bed, SOME)).toBe(true);
      expect(fired(bed)).toEqual({ deadlock: 1 });
    });
  });

  it('is silent over a wait that ends by itself', async () => {
    const bed = cell(1);
    const c = at(bed.world.litmusKeys, FREE_WORD);
    const thread = startThread(bed, 0, [['waitForCompletionTimeout', c, 10_000]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.completion);
      expect(await look(bed, SOME)).toBe(false);
      complete(bed.supervisor, c);
      expect(await thread.ended).toEqual([true]);
      expect(fired(bed)).toEqual({});
    });
  });

  it('is silent over a sleeper that is always another one: its wait epoch moves', async () => {
    const bed = cell(1);
    const c = at(bed.world.litmusKeys, FREE_WORD);
    const rounds = 30;
    const thread = startThread(
      bed,
      0,
      Array.from({ length: rounds }, () => ['waitForCompletion', c] as const),
    );
    await withThreads([thread], async () => {
      const watch = createDeadlockWatch(bed.world.threads);
      for (let i = 0; i < rounds; i++) {
        await until(() => thread.done() === i, 'the thread did not go on');
        await thread.sleepsIn(WAIT.completion);
        // Alone and asleep each time, so each look by itself finds it stuck.
        expect(checkDeadlock(bed.supervisor, bed.world.oracles, watch)).toBe(false);
        complete(bed.supervisor, c);
      }
      await thread.ended;
      expect(fired(bed)).toEqual({});
    });
  });
});

describe('a forced order that the design makes impossible', () => {
  it('is given up as prevented when a gate closes the cycle, and nothing is reported', async () => {
    const bed = cell();
    const a = mutexOf(bed, 1);
    const { gate } = bed.world;
    // Thread 0 holds what thread 1 needs before it can come to its point.
    gateArm(bed.world.mem, gate, [
      { tid: 1, point: POINT['umem.inserted'] },
      { tid: 0, point: POINT['section.started'] },
    ]);
    const threads = [
      startThread(bed, 0, [
        ['mutexLock', a],
        ['signal', 0],
        ['point', POINT['section.started']],
        ['mutexUnlock', a],
      ]),
      startThread(bed, 1, [
        ['await', 0],
        ['mutexLock', a],
        ['point', POINT['umem.inserted']],
        ['mutexUnlock', a],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.gate);
      await threads[1]!.sleepsIn(WAIT.mutex);
      expect(gateOutcome(bed.world.mem, gate)).toBe(GATE_OUTCOME.running);
      expect(await look(bed, SOME)).toBe(false);
      await Promise.all(threads.map((t) => t.ended));
      expect(gateOutcome(bed.world.mem, gate)).toBe(GATE_OUTCOME.prevented);
      expect(fired(bed)).toEqual({});
    });
  });

  it('stays armed while the awaited thread can still come', async () => {
    const bed = cell();
    const { gate, mem } = bed.world;
    gateArm(mem, gate, [
      { tid: 1, point: POINT['umem.inserted'] },
      { tid: 0, point: POINT['section.started'] },
    ]);
    const threads = [
      startThread(bed, 0, [['point', POINT['section.started']]]),
      startThread(bed, 1, [
        ['await', 0],
        ['point', POINT['umem.inserted']],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.gate);
      expect(await look(bed, SOME)).toBe(false);
      expect(gateOutcome(mem, gate)).toBe(GATE_OUTCOME.running);
      signal(bed, 0);
      await Promise.all(threads.map((t) => t.ended));
      expect(gateOutcome(mem, gate)).toBe(GATE_OUTCOME.complete);
    });
  });
});
