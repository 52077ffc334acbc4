import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { type Addr, at } from '../../src/memory/address.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { cpuAccess } from '../../src/mm/fault.ts';
import { FILE, filemapRemoveFolio } from '../../src/mm/file.ts';
import { FRAME, frameAddr, putFrame } from '../../src/mm/frame.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { mmapFile } from '../../src/mm/mmap.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek } from '../../src/mm/page-table.ts';
import { extend } from '../../src/mm/truncate.ts';
import { rawStore } from '../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downWrite, upWrite } from '../../src/sync/rw-semaphore.ts';
import { TASK, WAIT, type WaitKind } from '../../src/sync/task.ts';
import type { FaultData } from './fault-worker.ts';
import { createWorld, vpn, type World } from './fixture.ts';

const PAGE = 5;
const BOUND_MS = 10_000;

/** The file is mapped at 0 with all of its 32 pages; page 5 has been touched, so it is in the cache, but is not mapped. */
function cachedPage(): World {
  const w = createWorld({ threads: 2 });
  extend(w.actor, w.world, w.world.files[0], 32);
  mmapFile(w.actor, w.mm, vpn(0), vpn(31), 0, 0, true);
  expect(cpuAccess(w.actor, w.mm, vpn(PAGE), true)).toBe(OUTCOME.ok);
  madviseDontneed(w.actor, w.mm, vpn(0), vpn(31));
  return w;
}

/** Lets another thread fault on `page` and, as soon as it sleeps on `lock`, runs `body`; returns what the fault came to. */
async function faultBlockedOn(w: World, page: number, kind: WaitKind, lock: Addr, body: () => void): Promise<unknown> {
  const data: FaultData = { mem: w.mem, plan: w.options, tid: 1, page };
  const worker = new Worker(new URL('./fault-worker.js', import.meta.url), { workerData: data });
  try {
    const outcome = new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      setTimeout(() => reject(new Error('the fault did not return')), BOUND_MS).unref();
    });
    const t = w.actors[1].addr;
    const until = Date.now() + BOUND_MS;
    // What the thread waits for is published before it sleeps, so whoever reads it knows where in the fault it stands.
    while (w.mem[t + TASK.waitKind] !== kind || w.mem[t + TASK.waitAddr] !== lock) {
      if (Date.now() > until) throw new Error(`the fault never came to lock ${lock}`);
      await sleep(1);
    }
    body();
    return await outcome;
  } finally {
    await worker.terminate();
  }
}

describe('a fault that is overtaken by a truncate', () => {
  it('looks at i_size again under the folio lock', async () => {
    const w = cachedPage();
    const file = w.world.files[0];
    const pfn = w.mem[file.pageCache + PAGE] as Parameters<typeof frameAddr>[1];
    const lock = at(frameAddr(w.mm.frames, pfn), FRAME.folioLock);
    mutexLock(w.actor, lock);
    const outcome = await faultBlockedOn(w, PAGE, WAIT.mutex, lock, () => {
      rawStore(w.mem, at(file.addr, FILE.size), 3);
      mutexUnlock(w.actor, lock);
    });
    expect(outcome).toBe(OUTCOME.sigbus);
    expect(ptePeek(w.mem, w.mm, vpn(PAGE))).toBe(0);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('does not map a frame that has left the page cache, but looks for the page again', async () => {
    const w = cachedPage();
    const file = w.world.files[0];
    const pfn = w.mem[file.pageCache + PAGE] as Parameters<typeof frameAddr>[1];
    const lock = at(frameAddr(w.mm.frames, pfn), FRAME.folioLock);
    mutexLock(w.actor, lock);
    // Cut off and extended again, all before the fault gets the folio lock: i_size says nothing.
    const outcome = await faultBlockedOn(w, PAGE, WAIT.mutex, lock, () => {
      filemapRemoveFolio(w.actor, file, w.mm.frames, PAGE, pfn);
      mutexUnlock(w.actor, lock);
      putFrame(w.actor, w.mm.frames, pfn);
    });
    expect(outcome).toBe(OUTCOME.ok);
    expect(pteFrame(ptePeek(w.mem, w.mm, vpn(PAGE)))).toBe(w.mem[file.pageCache + PAGE]);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('waits for the invalidate lock to fill the cache, and puts nothing there beyond the new i_size', async () => {
    const w = cachedPage();
    const file = w.world.files[0];
    downWrite(w.actor, file.invalidateLock);
    const outcome = await faultBlockedOn(w, 20, WAIT.rwsemRead, file.invalidateLock, () => {
      rawStore(w.mem, at(file.addr, FILE.size), 20);
      upWrite(w.actor, file.invalidateLock);
    });
    expect(outcome).toBe(OUTCOME.sigbus);
    expect(w.mem[file.pageCache + 20]).toBe(0);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });
});
