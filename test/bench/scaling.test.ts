import { afterEach, describe, expect, it, vi } from 'vitest';
import { claimsOf, logGrowth, perTenfold } from '../../src/bench/claims.ts';
import { withDerived } from '../../src/bench/derived.ts';
import { limitOf } from '../../src/bench/limit.ts';
import { runScalingCell } from '../../src/bench/load-cell.ts';
import { type LoadConfig, loadPlan } from '../../src/bench/load-plan.ts';
import { countOperation, sharedTakes, takesBytes, takesOf, takesRecorder } from '../../src/bench/lock-takes.ts';
import type { BenchCell, BenchResult, BenchRound } from '../../src/bench/result.ts';
import { measureRounds } from '../../src/bench/run.ts';
import type { CellSpec } from '../../src/bench/run-types.ts';
import { speedupOf } from '../../src/bench/speedup.ts';
import type { Addr, Memory } from '../../src/memory/address.ts';
import { groupNotes } from '../../src/report/bench-claims.ts';
import { CLS_OFFSET, LOCK_CLASS } from '../../src/sync/lock-class.ts';
import { HELD, type Task } from '../../src/sync/task.ts';

/** What the machine did in each round. */
const SPEEDS = [1, 0.2, 1, 0.5, 1, 0.1, 1, 0.7];
const ROUNDS = { seed: 3, rounds: SPEEDS.length, cellMs: 1, warmupMs: 0, cores: 2 };

/** A scaling cell that does `perSec`, slowed as the machine is. */
function scalingSpec(threads: number, mms: number, perSec: number): CellSpec {
  let round = 0;
  const id = (t: number, m: number): string => `scaling/a threads=${t} mms=${m}`;
  return {
    id: id(threads, mms),
    suite: 'strategies',
    group: 'scaling',
    subject: 'a',
    params: { threads, mms },
    threads,
    reference: id(threads, mms),
    run: async () => {
      const refaultsPerSec = perSec * SPEEDS[round++]!;
      const shared = mms === 1 ? { 'mmap_lock R': { taken: 2, moved: 1.5 } } : {};
      return {
        metrics: { refaultsPerSec, ...(threads === 1 ? {} : { speedup: perSec / 1000 }) },
        perThread: [],
        lockWait: {},
        ...(threads === 1 ? {} : { sharedLocks: shared }),
        histogram: null,
        heat: null,
      };
    },
  };
}

const config = (mms: number): LoadConfig => ({
  strategy: 'interval-notifier',
  roles: ['refault', 'refault'],
  mms,
  umems: 20,
  overlap: 0,
  vmas: 1,
  observing: 'none',
  seed: 1,
});
const time = { practiceMs: 200, warmupMs: 5, cellMs: 20, slices: 2, seed: 9 };

const measured = (inOneMm: number, inTwo: number): ReturnType<typeof measureRounds> =>
  measureRounds([scalingSpec(1, 1, 1000), scalingSpec(2, 1, inOneMm), scalingSpec(2, 2, inTwo)], ROUNDS);

describe('two threads beside one', () => {
  afterEach(() => vi.restoreAllMocks());

  it('are told in turn with one of them, so that a machine that is slow for a while slows both', async () => {
    // One thread does 8 a millisecond, two do 14, each of them for 1.5 times the CPU time; the machine is slower with each slice.
    let [now, done, cpu, slices] = [0, 0, 0, 0];
    let two = true;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    vi.spyOn(process, 'cpuUsage').mockImplementation((since) => ({ user: cpu - (since?.user ?? 0), system: 0 }));
    const crew = {
      alone(alone: boolean) {
        two = !alone;
        slices++;
      },
      async sleep(ms: number) {
        const operations = (ms * (two ? 14 : 8)) / (1 + 0.01 * slices);
        now += ms;
        done += operations;
        cpu += operations * (1 + 0.01 * slices) * (two ? 150 : 100);
      },
    };
    const { speedup, cpuGrowth } = await speedupOf(crew, { cellMs: 300 }, () => done);
    expect(slices).toBeGreaterThan(30);
    expect(speedup).toBeCloseTo(1.75, 3);
    expect(cpuGrowth).toBeCloseTo(1.5, 6);
    expect(two).toBe(false);
  });

  it('are compared with themselves on real threads, which all end', async () => {
    const { metrics } = await runScalingCell(config(2), time);
    expect(metrics.speedup).toBeGreaterThan(0.1);
    expect(metrics.speedup).toBeLessThan(10);
    expect(metrics.cpuGrowth).toBeGreaterThan(0);
    expect((await runScalingCell({ ...config(1), roles: ['refault'] }, time)).metrics.speedup).toBeUndefined();
  });

  it('have no multiple of another cell in a round in which one of the two has no figure', () => {
    const round = (n: number, refaultsPerSec?: number): BenchRound => ({
      round: n,
      metrics: refaultsPerSec === undefined ? {} : { refaultsPerSec },
      perThread: [],
      lockWait: {},
    });
    const own = [round(0, 20), round(1, 20), round(2), round(3, 20)];
    const base = [round(0, 10), round(2, 10), round(3, 0)];
    const derived = withDerived(own, base, { growth: 'refaultsPerSec' });
    expect(derived.map(({ metrics }) => metrics.growth)).toEqual([2, undefined, undefined, undefined]);
  });

  it('are asked for 1.6 with an mm each, and only there', async () => {
    const { claims } = await measured(500, 1650);
    expect(claims).toMatchObject([
      { cell: 'scaling/a threads=2 mms=2', base: 'scaling/a threads=2 mms=2', asked: 'at least', bound: 1.6 },
    ]);
  });

  it('are asked in vain where the machine was theirs, and where it was not nobody knows', async () => {
    const { cells } = await measured(500, 1500);
    const judged = (others: number | null): boolean | null =>
      claimsOf(cells, [{ order: [], steal: null, others }], 1)[0]!.holds;
    expect([judged(0.01), judged(null), judged(0.4)]).toEqual([false, false, null]);
    const fast = (await measured(500, 1700)).cells;
    expect(claimsOf(fast, [{ order: [], steal: null, others: 0.4 }], 1)[0]!.holds).toBe(true);
  });
});

const cellOf = (group: string, params: BenchCell['params'], metrics: BenchCell['metrics']): BenchCell => ({
  id: `${group}/a ${JSON.stringify(params)}`,
  suite: 'strategies',
  group,
  subject: 'a',
  params,
  threads: 1,
  oversubscribed: false,
  failures: [],
  rounds: [],
  metrics,
  fairness: null,
  histogram: null,
  heat: null,
});

describe('growth with the umems', () => {
  const claim = (lo: number, hi: number, n = 9): boolean | null =>
    claimsOf(
      [
        cellOf('refault', { umems: 100_000 }, { growth: { median: (lo + hi) / 2, lo, hi, n } }),
        cellOf('refault', { umems: 10 }, {}),
        cellOf('refault', { umems: 100 }, { growth: { median: 1, lo: 1, hi: 1, n } }),
      ],
      [],
      1,
    )[0]!.holds;

  it('is held against the logarithm, from the fewest to the most', () => {
    expect(logGrowth(10, 100_000)).toBeCloseTo(5, 12);
    expect([claim(1.2, 1.9), claim(4.5, 5.5), claim(5.1, 7), claim(1.2, 1.9, 5)]).toEqual([true, null, false, null]);
  });

  it('of a tenfold is the root of the whole', () => {
    const whole = { median: 16, lo: 1, hi: 81, n: 9 };
    const { median, lo, hi, n } = perTenfold(whole, 10, 100_000);
    expect([median, lo, hi, n].map((value) => Math.round(value! * 1e9) / 1e9)).toEqual([2, 1, 3, 9]);
  });

  it('is told in a sentence', () => {
    const cells = [
      cellOf('refault', { umems: 10 }, {}),
      cellOf('refault', { umems: 1000 }, { growth: { median: 1.21, lo: 1.0, hi: 1.44, n: 9 } }),
    ];
    const run = { cells, claims: claimsOf(cells, [], 1), rounds: [] } as unknown as BenchResult;
    expect(groupNotes(run, 'refault')).toEqual([
      'a: from 10 to 1,000 umems x1.21 1.00..1.44, for each tenfold x1.10 1.00..1.20; log n grows x3.00: at most proportional to log n.',
    ]);
    const withCpu = { ...cells[1]!.metrics, cpuGrowth: { median: 1.5, lo: 1.4, hi: 1.6, n: 9 } };
    const timed = { ...run, cells: [cells[0]!, { ...cells[1]!, metrics: withCpu }] };
    expect(groupNotes(timed, 'refault')[0]).toContain(' x1.21 1.00..1.44 (by CPU time x1.50 1.40..1.60), for each ');
    expect(groupNotes(run, 'load')).toEqual([]);
  });
});

describe('the word that limits', () => {
  const round = (sharedLocks: BenchRound['sharedLocks'], lockWait = {}): BenchRound => ({
    round: 0,
    metrics: {},
    perThread: [],
    lockWait,
    ...(sharedLocks === undefined ? {} : { sharedLocks }),
  });
  const three = (one: BenchRound): BenchRound[] => [one, one, one];

  it('is the one that moves most', () => {
    const rounds = three(round({ 'a W': { taken: 3, moved: 0.9 }, 'b R': { taken: 2, moved: 1.9 } }));
    expect(limitOf(rounds, 1)!.shared).toMatchObject({ lock: 'b R', moved: { median: 1.9 }, taken: { median: 2 } });
  });

  it('is told by how often it is taken where the threads hardly ran at the same time', () => {
    const rounds = three(round({ 'b R': { taken: 2, moved: 0.004 }, 'a W': { taken: 3, moved: 0.002 } }));
    expect(limitOf(rounds, 1)!.shared).toMatchObject({ lock: 'a W' });
    const asOften = three(round({ 'b R': { taken: 2.0001, moved: 0.004 }, 'c R': { taken: 2, moved: 0.02 } }));
    expect(limitOf(asOften, 1)!.shared).toMatchObject({ lock: 'c R' });
  });

  it('is none where the threads share none, and unknown where nobody counted', () => {
    expect(limitOf(three(round({}, { 'a W': 0.0001 })), 1)).toEqual({ shared: null, waited: null });
    expect(limitOf(three(round(undefined)), 1)).toBeUndefined();
  });

  it('has beside it the lock that is waited for', () => {
    const waits = [0.2, 0.3, 0.1].map((share) => round({}, { 'a W': share, 'b R': 0.05 }));
    expect(limitOf(waits, 1)!.waited).toMatchObject({ lock: 'a W', share: { median: 0.2 } });
  });
});

describe('locks that threads share', () => {
  it('are those that two of them take, by class and mode', () => {
    const mem: Memory = new Int32Array(new SharedArrayBuffer(64 * 4));
    const [shared, own] = [8 as Addr, 24 as Addr];
    for (const lock of [shared, own]) mem[lock + CLS_OFFSET] = LOCK_CLASS.mmap_lock;
    const takes = takesOf(new SharedArrayBuffer(takesBytes(mem.byteLength, 2)), 2);
    const kept = { full: 7, placeOf: () => 0, acquired() {}, released() {} };
    const recorders = [0, 1].map((tid) => takesRecorder(kept, takes, tid));
    const task = {} as Task;
    for (let turn = 0; turn < 4; turn++)
      recorders.forEach((recorder, tid) => {
        recorder.acquired(task, shared, HELD.read);
        recorder.acquired(task, shared, HELD.read);
        if (turn === 0) recorder.acquired(task, shared, HELD.write);
        if (tid === 0) recorder.acquired(task, own, HELD.write);
        countOperation(takes, tid);
      });
    expect(recorders[0]!.full).toBe(7);
    expect([...sharedTakes(takes, mem)]).toEqual([
      ['mmap_lock R', 2],
      ['mmap_lock W', 0.25],
    ]);
  });

  it('of one mm are its own two, taken as often as a refault needs them', async () => {
    const { sharedLocks } = await runScalingCell(config(1), time);
    expect(Object.keys(sharedLocks!).sort()).toEqual(['mmap_lock R', 'mmu_notifier_lock W']);
    // The stop may fall into a refault.
    expect(sharedLocks!['mmap_lock R']!.taken).toBeCloseTo(2, 1);
    expect(sharedLocks!['mmu_notifier_lock W']!.taken).toBeCloseTo(3, 1);
    for (const { moved } of Object.values(sharedLocks!)) expect(moved).toBeGreaterThanOrEqual(0);
  });

  it('of two mms are none', async () => {
    expect((await runScalingCell(config(2), time)).sharedLocks).toEqual({});
  });

  it('are counted beside what is timed, which counts none', () => {
    expect(loadPlan(config(1)).lockStat).toBeUndefined();
    expect(loadPlan({ ...config(1), counting: true }).lockStat).toBe('full');
  });
});
