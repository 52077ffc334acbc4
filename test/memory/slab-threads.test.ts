import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createArena } from '../../src/memory/arena.ts';
import { slabAlloc, slabCheck, slabDropped, slabFree, slabInit, slabInUse } from '../../src/memory/slab.ts';
import { testLock } from './depot-lock.ts';
import { FOREIGN_FREES_MIN, layoutOf, type Plan, type Report, viewsOf } from './slab-threads-plan.ts';

function runThread(plan: Plan): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./slab-worker.js', import.meta.url), { workerData: plan });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`thread ${plan.tid} ended with ${code} and no report`)));
  });
}

async function runThreads(sizes: Omit<Plan, 'buffer' | 'tid'>) {
  const mem = createArena(layoutOf(sizes));
  const plans = Array.from({ length: sizes.threads }, (_, tid): Plan => ({ ...sizes, buffer: mem.buffer, tid }));
  const views = viewsOf(plans[0]);
  slabInit(mem, views.slab);
  const reports = await Promise.all(plans.map(runThread));
  return { ...views, reports };
}

const sum = (reports: readonly Report[], key: Exclude<keyof Report, 'mistakes'>): number =>
  reports.reduce((total, report) => total + report[key], 0);

describe('slab under real threads', () => {
  // Plenty, and so few that threads starve each other; tiny magazines go through the depot all the time.
  it.each([
    { name: 'plenty of objects', count: 400, magazine: 16, mailboxes: 128, rounds: 150_000, starves: false },
    { name: 'tiny magazines', count: 200, magazine: 2, mailboxes: 64, rounds: 60_000, starves: false },
    { name: 'too few objects', count: 40, magazine: 8, mailboxes: 128, rounds: 60_000, starves: true },
  ])('never hands an object out twice: $name', async ({ starves, name: _name, ...sizes }) => {
    const threads = 4;
    const { mem, slab, owners, mailboxes, reports } = await runThreads({ ...sizes, seed: 104, threads });
    expect(reports.flatMap((report) => report.mistakes)).toEqual([]);

    const parked: number[] = [];
    for (let i = 0; i < sizes.mailboxes; i++) if (mem[mailboxes + i] !== 0) parked.push(mem[mailboxes + i]);
    expect(slabInUse(mem, slab)).toBe(parked.length);
    expect(sum(reports, 'allocated') - sum(reports, 'freed')).toBe(parked.length);
    expect(slabCheck(mem, slab)).toBeNull();
    expect(slabDropped(mem, slab)).toBe(0);
    // Objects did change hands, and the scarce case did run dry: else this test shows nothing.
    expect(sum(reports, 'freedForeign')).toBeGreaterThanOrEqual(FOREIGN_FREES_MIN);
    if (starves) expect(sum(reports, 'exhausted')).toBeGreaterThan(0);
    else expect(sum(reports, 'exhausted')).toBe(0);

    for (const index of parked) {
      expect(mem[owners + index]).not.toBe(0);
      expect(slabFree(mem, slab, 0, index, testLock)).toBe(true);
    }
    expect(slabInUse(mem, slab)).toBe(0);
    expect(slabCheck(mem, slab)).toBeNull();
    expect(slabAlloc(mem, slab, 0, testLock)).not.toBe(0);
  });
});
