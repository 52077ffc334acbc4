import { describe, expect, it } from 'vitest';
import { waitOf } from '../../src/strategies/active-ranges.ts';
import { rangePool } from '../../src/strategies/range-pool.ts';
import { WAIT } from '../../src/sync/task.ts';
import { violationRecord } from '../../src/torture/record.ts';
import { look, mutexOf, SOME } from './deadlock-cell.ts';
import { type Bed, createBed, fired, recordsOf } from './fixture.ts';
import { absent, signal, startThread, until, withThreads } from './threads.ts';

describe('a pool of slots', () => {
  /** Threads over a pool of `size` ranges, and the supervisor. */
  function pool(threads: number, size: number): Bed {
    const bed = createBed(rangePool, { threads: threads + 1, params: { size } });
    absent(bed, threads);
    return bed;
  }
  const cycleOf = (bed: Bed) => {
    const raw = recordsOf(bed, 'deadlock')[0]!;
    const chain = raw.chain.map(({ tid, kind, addr, on }) => [tid, kind, addr, on]);
    return { chain, detail: violationRecord(bed.world, raw).detail };
  };

  it('names a section inside a section that waits for its own slot, while another thread runs', async () => {
    const bed = pool(2, 1);
    const threads = [
      startThread(bed, 0, [
        ['rangeStart', 4, 6],
        ['rangeStart', 5, 5],
      ]),
      startThread(bed, 1, [['await', 0]]),
    ];
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.slot);
      expect(await look(bed, SOME)).toBe(true);
      expect(fired(bed)).toEqual({ deadlock: 1 });
    });
  });

  it('names nested sections that have all slots between them, with who has them', async () => {
    const bed = pool(3, 2);
    const nest = (tid: number): ReturnType<typeof startThread> =>
      startThread(bed, tid, [
        ['rangeStart', 4 + 4 * tid, 5 + 4 * tid],
        ['signal', tid],
        ['await', 2],
        ['rangeStart', 4 + 4 * tid, 4 + 4 * tid],
      ]);
    const threads = [nest(0), nest(1)];
    // Neither holds a slot nor has a part in it: the cycle is told although it runs.
    const runs = startThread(bed, 2, [['await', 3]]);
    await withThreads([...threads, runs], async () => {
      await until(() => threads.every((t) => t.done() >= 2), 'the outer sections did not start');
      signal(bed, 2);
      for (const t of threads) await t.sleepsIn(WAIT.slot);
      expect(await look(bed, SOME)).toBe(true);
      const at = waitOf(bed.ctx);
      const { chain, detail } = cycleOf(bed);
      expect(chain).toEqual([[0, WAIT.slot, at, 0]]);
      expect(detail).toBe(
        `wait-for cycle: madvise-0 waits for slot range_pool@${at}, all 2 slots held by madvise-0, register-1, which depends on madvise-0`,
      );
    });
  });

  it('names a slot whose holder waits for a lock of the one that waits for it', async () => {
    const bed = pool(2, 1);
    const a = mutexOf(bed, 1);
    const threads = [
      startThread(bed, 0, [
        ['rangeStart', 4, 6],
        ['signal', 0],
        ['await', 1],
        ['mutexLock', a],
      ]),
      startThread(bed, 1, [
        ['mutexLock', a],
        ['signal', 1],
        ['await', 0],
        ['rangeStart', 8, 9],
      ]),
    ];
    await withThreads(threads, async () => {
      await threads[0]!.sleepsIn(WAIT.mutex);
      await threads[1]!.sleepsIn(WAIT.slot);
      expect(await look(bed, SOME)).toBe(true);
      const { chain, detail } = cycleOf(bed);
      expect(chain).toEqual(
        expect.arrayContaining([
          [0, WAIT.mutex, a, 1],
          [1, WAIT.slot, waitOf(bed.ctx), 0],
        ]),
      );
      expect(detail).toContain('whose only slot is held by madvise-0');
    });
  });

  it('is silent as long as one holder runs, however many wait for themselves', async () => {
    const bed = pool(3, 3);
    const nest = (tid: number): ReturnType<typeof startThread> =>
      startThread(bed, tid, [
        ['rangeStart', 4 + 4 * tid, 5 + 4 * tid],
        ['signal', tid],
        ['await', 2],
        ['rangeStart', 4 + 4 * tid, 4 + 4 * tid],
        ['rangeEnd'],
        ['rangeEnd'],
      ]);
    const threads = [nest(0), nest(1)];
    const holder = startThread(bed, 2, [['rangeStart', 16, 17], ['signal', 3], ['await', 4], ['rangeEnd']]);
    await withThreads([...threads, holder], async () => {
      await until(() => threads.every((t) => t.done() >= 2) && holder.done() >= 2, 'the outer sections did not start');
      signal(bed, 2);
      for (const t of threads) await t.sleepsIn(WAIT.slot);
      expect(await look(bed, SOME)).toBe(false);
      signal(bed, 4);
      await Promise.all([...threads, holder].map((t) => t.ended));
      expect(fired(bed)).toEqual({});
    });
  });
});
