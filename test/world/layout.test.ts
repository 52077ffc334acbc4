import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import { LINE_WORDS } from '../../src/memory/address.ts';
import type { CellPlan, ThreadPlan } from '../../src/scenario/plan.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { TASK } from '../../src/sync/task.ts';
import { COUNTER_COUNT, HISTOGRAM_NAMES } from '../../src/trace/counters.ts';
import { HISTOGRAM_DOUBLES } from '../../src/trace/histogram.ts';
import { PARK_TASK } from '../../src/trace/park.ts';
import { RECORD, RING_HEAD } from '../../src/trace/ring.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld, initWorld, layoutWorld, type World } from '../../src/world/world.ts';
import { shippedPlan, smallPlan } from '../torture/cells.ts';
import { addressesOf } from './addresses.ts';

const strategies = STRATEGIES.map(({ name }) => name);
const plans = ['seed', 'litmus/seed-madvise-around-register', 'litmus/truncate-around-register'].flatMap((file) =>
  strategies.map((strategy) => [file, strategy] as const),
);
const arenaFor = (plan: CellPlan): SharedArrayBuffer => new SharedArrayBuffer(arenaWords(plan) * 4);

describe('the arena of a cell', () => {
  it.each(plans)('%s, %s: no region overlaps another or leaves it', (file, strategy) => {
    const { words, regions } = layoutWorld(shippedPlan(file, strategy));
    const sorted = Object.values(regions).sort((a, b) => a.base - b.base);
    expect(sorted.length).toBeGreaterThan(20);
    let end = 1;
    for (const { name, base, stride, count } of sorted) {
      expect(base, name).toBeGreaterThanOrEqual(end);
      expect(base % LINE_WORDS, name).toBe(0);
      end = base + stride * count;
    }
    expect(end).toBeLessThanOrEqual(words);
  });

  it('gives each thread words that no other thread has', () => {
    const plan = shippedPlan('seed', 'interval-notifier');
    const world = attachWorld(plan, arenaFor(plan));
    const ranges: { readonly at: number; readonly words: number; readonly what: string }[] = [];
    const own = (what: string, tid: number, at: Addr | number, words: number): void => {
      ranges.push({ at, words, what: `${what} of thread ${tid}` });
    };
    for (let tid = 0; tid < world.threads; tid++) {
      own('task', tid, world.taskAddr(tid), TASK.$words);
      own('park words', tid, world.parkWords[tid]!, PARK_TASK.$words);
      own('ring head', tid, world.ringHead(tid), RING_HEAD.$words);
      own('ring', tid, world.ring(tid), plan.trace.ring * RECORD.$words);
      own('counters', tid, world.counters[tid]! * 2, COUNTER_COUNT * 2);
      own('histograms', tid, world.histograms[tid]! * 2, HISTOGRAM_NAMES.length * HISTOGRAM_DOUBLES * 2);
    }
    ranges.sort((a, b) => a.at - b.at);
    for (const [i, { at, what }] of ranges.entries()) {
      // Lines of their own: two threads that write into one line slow each other down.
      expect(at % LINE_WORDS, what).toBe(0);
      const before = ranges[i - 1];
      if (before !== undefined)
        expect(at, `${what} after ${before.what}`).toBeGreaterThanOrEqual(before.at + before.words);
    }
  });

  it('lies the same on every thread', async () => {
    const plan = shippedPlan('seed', 'private-count');
    const buffer = arenaFor(plan);
    const world = attachWorld(plan, buffer);
    const worker = new Worker(new URL('./addresses-worker.js', import.meta.url), { workerData: { plan, buffer } });
    const [there] = (await once(worker, 'message')) as [unknown];
    await worker.terminate();
    expect(there).toEqual(addressesOf(world));
    // The worker has left a mark in the same words.
    expect(world.f64[world.counters[3]!]).toBe(42);
  });

  it('is a function of the plan alone', () => {
    for (const [file, strategy] of plans) {
      const plan = shippedPlan(file, strategy);
      expect(layoutWorld(structuredClone(plan))).toEqual(layoutWorld(plan));
      expect(arenaWords({ ...plan, seed: 99, durationMs: 1 })).toBe(arenaWords(plan));
    }
  });

  it('begins the same in every arena', () => {
    const plan = smallPlan();
    const [one, other] = [arenaFor(plan), arenaFor(plan)].map((buffer) => attachWorld(plan, buffer)) as [World, World];
    initWorld(one);
    initWorld(other);
    const different = one.mem.findIndex((word, i) => word !== other.mem[i]);
    expect(different).toBe(-1);
    expect(one.mem.some((word) => word !== 0)).toBe(true);
  });
});

const THREAD: ThreadPlan = { tid: 0, role: 'touch', name: 't', mm: 0, minPages: 1, maxPages: 1, pauseUs: 0 };
const threads = (n: number): ThreadPlan[] =>
  Array.from({ length: n }, (_, tid) => ({ ...THREAD, tid, name: `t-${tid}` }));

describe('a plan that does not fit is refused with the name of what does not', () => {
  const plan = smallPlan();
  const { memory, hca } = plan;
  it.each<[string, CellPlan, RegExp]>([
    ['threads', { ...plan, threads: threads(65) }, /^65 threads, at most 64$/],
    ['frames', { ...plan, memory: { ...memory, frames: 65_536 } }, /^65536 frames, at most 65471$/],
    ['regions', { ...plan, hca: { ...hca, mrs: 2 ** 20 } }, /^1048576 memory regions, at most 1048576$/],
    [
      'device entries',
      { ...plan, hca: { ...hca, mrs: 500_000, mrPages: 1000 } },
      /^arena: region 'hca\.mtt' ends at word \d+, beyond the limit of \d+ words$/,
    ],
    [
      'address spaces',
      { ...plan, memory: { ...memory, mms: 64, pages: 2 ** 23 } },
      /^arena: region '\S+' ends at word \d+, beyond the limit of \d+ words$/,
    ],
    ['trace', { ...plan, trace: { ...plan.trace, ring: 2 ** 26 } }, /^arena: region 'trace\.ring' ends at word \d+/],
    ['a design that is not there', { ...plan, strategy: 'none' }, /^no strategy 'none'$/],
  ])('%s', (_, tooMuch, message) => {
    expect(() => arenaWords(tooMuch)).toThrow(RangeError);
    expect(() => arenaWords(tooMuch)).toThrow(message);
    expect(() => attachWorld(tooMuch, new SharedArrayBuffer(64))).toThrow(message);
  });

  it('64 threads fit', () => {
    expect(arenaWords({ ...plan, threads: threads(64) })).toBeGreaterThan(arenaWords(plan));
  });

  it('attaching refuses a buffer that is a word too small', () => {
    const words = arenaWords(plan);
    expect(() => attachWorld(plan, new SharedArrayBuffer(words * 4 - 4))).toThrow('the arena is smaller than its plan');
    expect(attachWorld(plan, new SharedArrayBuffer(words * 4)).threads).toBe(plan.threads.length);
    // A larger one is fine: arenas are used again.
    expect(attachWorld(plan, new SharedArrayBuffer(words * 8)).threads).toBe(plan.threads.length);
  });
});
