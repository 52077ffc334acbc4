import { describe, expect, it } from 'vitest';
import { contender, initLock } from '../../src/bench/contenders.ts';
import { DEFAULT_STRATEGIES, SUITES } from '../../src/bench/defaults.ts';
import { heatOf, histogramBetween } from '../../src/bench/distribution.ts';
import { runLoadCell } from '../../src/bench/load-cell.ts';
import { type LoadConfig, unfit } from '../../src/bench/load-plan.ts';
import { runLockCell } from '../../src/bench/lock-cell.ts';
import { LOCKS, lockLayout } from '../../src/bench/lock-plan.ts';
import { GROUP_METRICS } from '../../src/bench/metrics.ts';
import { hasPeer } from '../../src/bench/peers.ts';
import { runPrimitiveCell } from '../../src/bench/primitive-cell.ts';
import { PRIMITIVES, preparePrimitive } from '../../src/bench/primitives.ts';
import type { CellRun, CellTime } from '../../src/bench/run-types.ts';
import { benchCells } from '../../src/bench/suites.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { createTask } from '../../src/sync/task.ts';
import { HISTOGRAM_DOUBLES, histogramAdd, sumHistograms } from '../../src/trace/histogram.ts';

const TIME = { practiceMs: 0, warmupMs: 2, cellMs: 12, slices: 4, seed: 9 };

/** Runs a cell until it comes to something: a busy machine may give its threads no turn in so short a time. */
async function untilIt(run: (time: CellTime) => Promise<CellRun>, works: (run: CellRun) => boolean): Promise<CellRun> {
  for (let cellMs = TIME.cellMs; ; cellMs *= 4) {
    const result = await run({ ...TIME, cellMs });
    if (works(result) || cellMs > 5000) return result;
  }
}
const all = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe('the cells of a bench', () => {
  const options = {
    suites: SUITES,
    strategies: [{ strategy: 'interval-notifier' }, { strategy: 'pinned' }],
    threads: [1, 2],
    quick: false,
    filter: null,
  };

  it('have names of their own, and references that are cells', () => {
    const { cells } = benchCells(options);
    const ids = new Set(cells.map(({ id }) => id));
    expect(ids.size).toBe(cells.length);
    // A design that pins has groups in which the one that it is held against has cells, and none of its own.
    for (const { reference, group, subject } of cells) expect(ids.has(reference!), `${group}/${subject}`).toBe(true);
    expect(new Set(cells.map(({ suite }) => suite))).toEqual(new Set(SUITES));
    for (const { group } of cells) expect(GROUP_METRICS[group], group).toBeDefined();
  });

  it('that a filter leaves keep their references', () => {
    const { cells } = benchCells({ ...options, filter: ['locks/rwsem read=90 threads=2', 'primitives/spin'] });
    expect(cells.map(({ id }) => id)).toEqual([
      'primitives/inline-futex',
      'primitives/spin',
      'locks/inline-futex read=90 threads=2',
      'locks/rwsem read=90 threads=2',
    ]);
  });

  it('are fewer for a first look', () => {
    const quick = benchCells({ ...options, quick: true }).cells;
    const full = new Set(benchCells(options).cells.map(({ id }) => id));
    expect(quick.length).toBeLessThan(full.size);
  });

  it('leave out what a design has not, and say so', () => {
    const { notes } = benchCells(options);
    expect(notes).toContain('load/pinned: pinned has no page faults');
    expect(notes).toContain('register/pinned: pinned pins a frame for each page, and there are 65536');
    expect(unfit({ ...BASE, strategy: 'interval-notifier', umems: 100_000 })).toBeNull();
  });

  it('are, when nobody asks for others, of designs that exist', () => {
    for (const name of DEFAULT_STRATEGIES) expect(STRATEGIES.map((one) => one.name)).toContain(name);
  });
});

describe('a contended lock', () => {
  it.each(
    LOCKS.map(({ name, peer }) => [name, peer] as const),
  )('%s excludes, and its threads are counted', async (name, peer) => {
    if (peer && !hasPeer('multithreading')) return;
    const { metrics, perThread, histogram } = await untilIt(
      (time) => runLockCell(name, { threads: 2, read: 50 }, time),
      (run) => all(run.perThread) > 0,
    );
    expect(perThread).toHaveLength(2);
    expect(metrics.opsPerSec).toBeCloseTo(metrics.readsPerSec! + metrics.writesPerSec!, 3);
    expect(all(perThread)).toBeGreaterThan(0);
    // One time in sixteen.
    expect(histogram!.count).toBeLessThan(all(perThread) / 4 + 50);
  });

  it('reads as often as it was told to', async () => {
    const only = (read: number): Promise<CellRun> =>
      untilIt(
        (time) => runLockCell('mutex', { threads: 1, read }, time),
        (run) => all(run.perThread) > 0,
      );
    expect((await only(100)).metrics.writesPerSec).toBe(0);
    expect((await only(0)).metrics.readsPerSec).toBe(0);
  });

  it.each(LOCKS.map(({ name }) => name))('%s: a reader tells when a writer was inside', async (name) => {
    if (name.startsWith('multithreading') && !hasPeer('multithreading')) return;
    const layout = lockLayout(1);
    const mem = new Int32Array(new SharedArrayBuffer(layout.words * 4));
    initLock(name, mem, layout);
    const one = await contender(name, createTask(mem, 0, layout.regions.task.base), mem, layout);
    one.write(() => {});
    one.read(() => {});
    mem[layout.regions.data.base + 2] = 7;
    expect(() => one.read(() => {})).toThrow(/does not exclude|mixed snapshot/);
  });
});

const BASE: LoadConfig = {
  strategy: 'interval-notifier',
  roles: ['fault', 'invalidate'],
  mms: 1,
  umems: 20,
  overlap: 100,
  vmas: 3,
  observing: 'none',
  seed: 1,
};

describe('a strategy under load', () => {
  it('serves faults while others invalidate', async () => {
    const { metrics, histogram } = await untilIt(
      (time) => runLoadCell(BASE, time),
      (run) => run.metrics.faultsPerSec! > 0 && run.metrics.sectionsPerSec! > 0 && run.histogram!.count > 0,
    );
    expect(metrics.faultsPerSec).toBeGreaterThan(0);
    expect(metrics.sectionsPerSec).toBeGreaterThan(0);
    expect(metrics.lockWait).toBeGreaterThanOrEqual(0);
    expect(metrics.registrationsPerSec).toBeUndefined();
    expect(histogram!.count).toBeGreaterThan(0);
  });

  it('registers while others invalidate', async () => {
    const config: LoadConfig = { ...BASE, strategy: 'context-count', roles: ['register', 'invalidate'] };
    const { metrics } = await untilIt(
      (time) => runLoadCell(config, time),
      (run) => run.metrics.registrationsPerSec! > 0,
    );
    expect(metrics.registrationsPerSec).toBeGreaterThan(0);
    expect(metrics.faultsPerSec).toBeUndefined();
  });

  it.each([
    ['two threads in one mm', { mms: 1, roles: ['refault', 'refault'] }],
    ['two mms', { mms: 2, roles: ['refault', 'refault'] }],
    ['oracles', { roles: ['refault'], observing: 'oracles' }],
    ['tracing', { roles: ['refault'], observing: 'traced' }],
  ] as const)('gives a page back and faults it in again: %s', async (_name, config) => {
    const { metrics, perThread } = await untilIt(
      (time) => runLoadCell({ ...BASE, ...config }, time),
      (run) => all(run.perThread) > 0,
    );
    expect(perThread).toHaveLength(config.roles.length);
    expect(all(perThread)).toBeGreaterThan(0);
    expect(metrics.refaultNs! * metrics.refaultsPerSec!).toBeCloseTo(1e9 * perThread.length, -3);
  });

  it('of a tree with a hundred thousand umems', async () => {
    const { metrics } = await untilIt(
      (time) => runLoadCell({ ...BASE, roles: ['refault'], umems: 100_000 }, time),
      (run) => run.metrics.refaultNs !== undefined,
    );
    expect(metrics.refaultNs).toBeGreaterThan(0);
  });
});

describe('a primitive', () => {
  it.each(
    PRIMITIVES.map((one) => [one.name, 'peer' in one ? one.peer : null] as const),
  )('%s runs', async (name, peer) => {
    if (peer !== null && !hasPeer(peer)) return;
    const run = await preparePrimitive(name);
    run();
    run();
  });

  it('is timed on a thread of its own', async () => {
    if (!hasPeer('tinybench')) return;
    const { metrics } = await runPrimitiveCell('mutex', { ...TIME, cellMs: 3 });
    expect(metrics.nsPerOp).toBeGreaterThan(0);
  });
});

describe('distributions', () => {
  const read = (f64: Float64Array) => sumHistograms(f64, [0]);

  it('hold what came between two readings', () => {
    const f64 = new Float64Array(HISTOGRAM_DOUBLES);
    histogramAdd(f64, 0, 1_000_000);
    const before = read(f64);
    for (const ns of [100, 100, 3000]) histogramAdd(f64, 0, ns);
    const { count, sum, max } = histogramBetween(before, read(f64));
    expect({ count, sum }).toEqual({ count: 3, sum: 3200 });
    expect(max).toBeGreaterThanOrEqual(3000);
    expect(max).toBeLessThan(3000 * 1.07);
  });

  it('over time keep every value, in its slice', () => {
    const f64 = new Float64Array(HISTOGRAM_DOUBLES);
    const readings = [{ atMs: 0, histogram: read(f64) }];
    for (let slice = 1; slice <= 3; slice++) {
      for (let i = 0; i < slice; i++) histogramAdd(f64, 0, 10 ** (slice + 2));
      readings.push({ atMs: slice * 10, histogram: read(f64) });
    }
    const heat = heatOf(readings)!;
    expect(heat.sliceMs).toBe(10);
    expect(heat.counts.map(all)).toEqual([1, 2, 3]);
    heat.counts.forEach((slice, i) => {
      const row = slice.findIndex((n) => n > 0);
      expect(heat.upToNs[row]!).toBeGreaterThanOrEqual(10 ** (i + 3));
      expect(heat.upToNs[row]!).toBeLessThan(2 * 10 ** (i + 3));
    });
    expect(heatOf(readings.slice(0, 1))).toBeNull();
  });
});
