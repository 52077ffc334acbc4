import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { slabCheck, slabInUse } from '../../src/memory/slab.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { fileSize } from '../../src/mm/file.ts';
import { framesInUse } from '../../src/mm/frame.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { isSectionActive, mmuNotifierRegister } from '../../src/mm/notifier.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { rawStore } from '../../src/sync/atomics.ts';
import { rwsemReaders, rwsemWaiters, rwsemWriteLocked } from '../../src/sync/rw-semaphore.ts';
import { TASK } from '../../src/sync/task.ts';
import { createWorld, sharedWord, vpn, type World } from './fixture.ts';
import type { HammerData, HammerResult } from './hammer-worker.ts';

const RUN_MS = 1500;
const FINISH_MS = 15_000;

/** Runs four threads for a while; throws when one fails or does not come back. */
async function hammer(w: World, seed: number, perturbed: boolean): Promise<HammerResult[]> {
  const workers: Worker[] = [];
  const results = w.actors.map((_, tid) => {
    const workerData: HammerData = { mem: w.mem, plan: w.options, tid, seed: seed + tid * 7919, perturbed };
    const worker = new Worker(new URL('./hammer-worker.js', import.meta.url), { workerData });
    workers.push(worker);
    return new Promise<HammerResult>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  });
  const run = setTimeout(() => rawStore(w.mem, sharedWord(w.options, 0), 1), RUN_MS);
  let late: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`threads are stuck: ${describeWaits(w)}`)), RUN_MS + FINISH_MS);
  });
  try {
    return await Promise.race([Promise.all(results), timeout]);
  } finally {
    clearTimeout(run);
    clearTimeout(late);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

const describeWaits = (w: World): string =>
  w.actors.map((a) => `${a.tid}: kind ${w.mem[a.addr + TASK.waitKind]} at ${w.mem[a.addr + TASK.waitAddr]}`).join(', ');

describe('four threads on the same pages', () => {
  for (const [seed, perturbed, frames] of [
    [41, false, 256],
    [42, true, 256],
    // Short of memory: every kind of ENOMEM happens, too.
    [43, false, 12],
  ] as const) {
    it(`keep every frame's account straight (seed ${seed}, perturbed ${perturbed}, ${frames} frames)`, async () => {
      const w = createWorld({
        mms: 2,
        pagesPerMm: 40,
        files: [{ pages: 24 }, { pages: 24 }],
        vmas: 100,
        frames,
        threads: 4,
        ptesPerTable: 8,
      });
      for (const mm of w.world.mms) mmuNotifierRegister(w.actor, mm, 0);
      const results = await hammer(w, seed, perturbed);
      expect(results.flatMap((r) => r.complaints)).toEqual([]);
      const { mem, world } = w;
      expect(censusFrames(mem, world)).toEqual([]);
      expect(slabCheck(mem, world.slabs.frame)).toBeNull();
      expect(slabCheck(mem, world.slabs.vma)).toBeNull();
      for (const mm of world.mms) {
        expect(mem[sharedWord(w.options, 1) + mm.id]).toBe(0);
        expect(isSectionActive(w.actor, mm)).toBe(false);
        expect([rwsemReaders(mem, mm.mmapLock), rwsemWriteLocked(mem, mm.mmapLock)]).toEqual([0, false]);
        expect(rwsemWaiters(mem, mm.mmapLock)).toBe(0);
        munmap(w.actor, mm, vpn(0), vpn(mm.pages - 1));
      }
      for (const file of world.files) {
        // Nothing outlives a truncate behind the end of the file.
        for (let i = fileSize(w.actor, file); i < file.maxPages; i++) expect(mem[file.pageCache + i]).toBe(0);
        truncate(w.actor, world, file, 0);
      }
      expect([framesInUse(mem, world.frames), slabInUse(mem, world.slabs.vma)]).toEqual([0, 0]);
      expect(w.actors.map((a) => mem[a.addr + TASK.heldCount])).toEqual([0, 0, 0, 0]);
      // The load was real: some of everything was done, and sections met.
      for (const name of Object.keys(results[0].counters))
        expect(
          results.reduce((sum, r) => sum + r.counters[name], 0),
          name,
        ).toBeGreaterThan(0);
    });
  }
});
