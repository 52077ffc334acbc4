import { describe, expect, it } from 'vitest';
import { CrewHung } from '../../src/bench/crew.ts';
import { othersShare, parseCpuTimes, stealShare } from '../../src/bench/environment.ts';
import { measureRounds, pairedRatios, timeOf } from '../../src/bench/run.ts';
import type { CellRun, CellSpec, CellTime } from '../../src/bench/run-types.ts';

const NOTHING: CellRun = { metrics: {}, perThread: [], lockWait: {}, histogram: null, heat: null };
const OPTIONS = { seed: 5, rounds: 8, cellMs: 10, warmupMs: 1, cores: 2 };

const spec = (subject: string, run: (time: CellTime) => CellRun, threads = 1): CellSpec => ({
  id: `locks/${subject}`,
  suite: 'locks',
  group: 'locks',
  subject,
  params: {},
  threads,
  reference: 'locks/reference',
  run: async (time) => run(time),
});
const speed = (opsPerSec: number): CellRun => ({ ...NOTHING, metrics: { opsPerSec } });

describe('rounds', () => {
  it('run every cell once, in an order of their own that the seed decides', async () => {
    const ran: string[][] = [];
    const cells = ['reference', 'b', 'c', 'd', 'e'].map((name) =>
      spec(name, () => {
        ran.at(-1)!.push(name);
        return speed(1);
      }),
    );
    const run = async (seed: number): Promise<readonly (readonly number[])[]> => {
      ran.push([]);
      return (await measureRounds(cells, { ...OPTIONS, seed })).rounds.map(({ order }) => order);
    };
    const orders = await run(1);
    expect(ran[0]).toHaveLength(5 * OPTIONS.rounds);
    for (const order of orders) expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(orders.map(String)).size).toBeGreaterThan(5);
    expect(await run(1)).toEqual(orders);
    expect(await run(2)).not.toEqual(orders);
  });

  it('give each thread of a crowd as much of a core as one that has it to itself', async () => {
    const times = [1, 2, 3, 16].map((threads) => timeOf({ threads }, { cores: 2, cellMs: 10, warmupMs: 4 }));
    expect(times.map(({ cellMs, warmupMs }) => [cellMs, warmupMs])).toEqual([
      [10, 4],
      [10, 4],
      [15, 6],
      [80, 32],
    ]);
    const seen: number[] = [];
    const note = ({ cellMs }: CellTime): CellRun => {
      seen.push(cellMs);
      return speed(1);
    };
    await measureRounds([spec('reference', note, 8)], { ...OPTIONS, rounds: 1 });
    expect(seen).toEqual([40]);
  });

  it('pair ratios with what was measured beside: a machine that is slow for one cell of a round slows no ratio', async () => {
    const slow = [1, 3, 1, 2, 5, 1, 1, 4, 1, 2, 1, 1, 2, 1, 7, 1, 1, 3, 1, 1, 2, 1, 1, 2];
    let cell = 0;
    const timed = (ns: number) => (): CellRun => {
      const now = slow[cell++ % slow.length]!;
      return { ...NOTHING, metrics: { nsPerOp: ns * now }, beside: { nsPerOp: 20 * now } };
    };
    const cells = (['reference', 'b', 'c'] as const).map((name, i) => ({
      ...spec(name, timed([20, 30, 45][i]!)),
      suite: 'primitives' as const,
      group: 'primitives',
    }));
    const measured = await measureRounds(cells, OPTIONS);
    expect(measured.ratios.map(({ ratio: { median, lo, hi } }) => [median, lo, hi])).toEqual([
      [1.5, 1.5, 1.5],
      [2.25, 2.25, 2.25],
    ]);
    // Also of two neither of which is the reference.
    const [, b, c] = measured.cells;
    expect(pairedRatios(b!, c!, 1)[0]!.ratio.median).toBe(1.5);
  });

  it('pair ratios: a machine that is slow in some rounds slows both', async () => {
    let round = 0;
    const slow = [1, 0.2, 1, 0.5, 1, 0.1, 1, 1];
    const cells = [
      spec('reference', (time) => {
        void time;
        return speed(1000 * slow[round]!);
      }),
      spec('b', () => speed(1500 * slow[round]!)),
    ];
    const counted = cells.map(
      (cell): CellSpec => ({
        ...cell,
        run: async (time) => {
          const result = await cell.run(time);
          if (++done % 2 === 0) round++;
          return result;
        },
      }),
    );
    let done = 0;
    const { ratios, cells: measured } = await measureRounds(counted, OPTIONS);
    expect(ratios).toEqual([
      {
        cell: 'locks/b',
        reference: 'locks/reference',
        metric: 'opsPerSec',
        ratio: { median: 1.5, lo: 1.5, hi: 1.5, n: 8 },
        differs: true,
      },
    ]);
    expect(measured[1]!.metrics.opsPerSec!.lo).toBeLessThan(1000);
  });

  it('go on without a cell that fails, which says so and has no figure of that round', async () => {
    let calls = 0;
    const cells = [
      spec('reference', () => speed(1)),
      spec('b', () => {
        if (++calls === 3) throw new Error('b lost writes\nat somewhere');
        return speed(2);
      }),
    ];
    const { cells: measured, ratios } = await measureRounds(cells, OPTIONS);
    expect(measured[1]!.failures).toEqual(['round 2: b lost writes']);
    expect(measured[1]!.metrics.opsPerSec).toMatchObject({ median: 2, n: 7 });
    expect(ratios[0]!.ratio.n).toBe(7);
  });

  it('do not run a cell again whose threads did not end', async () => {
    let calls = 0;
    const cells = [
      spec('reference', () => speed(1)),
      spec('b', () => {
        if (++calls === 2) throw new CrewHung('1 of 2 threads were not done after 20 s');
        return speed(2);
      }),
    ];
    const { cells: measured } = await measureRounds(cells, OPTIONS);
    expect(calls).toBe(2);
    expect(measured[1]!.failures).toEqual(['round 1: 1 of 2 threads were not done after 20 s; it was not run again']);
    expect(measured.map(({ rounds }) => rounds.length)).toEqual([8, 1]);
  });

  it('keep what was measured when they are interrupted, but not the cell that was cut short', async () => {
    const controller = new AbortController();
    let calls = 0;
    const cells = [
      spec('reference', () => {
        if (++calls === 4) controller.abort();
        return speed(calls);
      }),
    ];
    const result = await measureRounds(cells, { ...OPTIONS, signal: controller.signal });
    expect(result.interrupted).toBe(true);
    expect(result.cells[0]!.rounds.map(({ metrics }) => metrics.opsPerSec)).toEqual([1, 2, 3]);
  });

  it('mark what is unfair as locktorture does, and what has more threads than cores', async () => {
    const shares = (perThread: number[]): CellSpec =>
      spec(String(perThread), () => ({ ...speed(1), perThread }), perThread.length);
    const cells = [shares([100, 200]), shares([100, 201, 150]), shares([7])];
    const { cells: measured } = await measureRounds(cells, { ...OPTIONS, rounds: 2 });
    expect(measured.map(({ fairness }) => fairness)).toEqual([
      { max: 400, min: 200, unfair: false },
      { max: 402, min: 200, unfair: true },
      null,
    ]);
    expect(measured.map(({ oversubscribed }) => oversubscribed)).toEqual([false, true, false]);
  });
});

describe('CPU time', () => {
  const stat = (steal: number, idle = 400): string =>
    `cpu  100 10 50 ${idle} 5 0 2 ${steal} 70 0\ncpu0 50 5 25 200 2 0 1 3 0 0\nintr 1\n`;

  it('is read from /proc/stat; guests are in user time already', () => {
    expect(parseCpuTimes(stat(33))).toEqual({ total: 600, idle: 405, steal: 33 });
    for (const text of [null, '', 'cpu 1 2 3', 'cpu a b c d e f g h']) expect(parseCpuTimes(text)).toBeNull();
  });

  it('gives the part that was stolen, and the part that others used', () => {
    const [before, after] = [parseCpuTimes(stat(33, 400)), parseCpuTimes(stat(43, 490))];
    expect(stealShare(before, after)).toBeCloseTo(0.1);
    expect(stealShare(null, after)).toBeNull();
    expect(stealShare(after, after)).toBeNull();
    const busy = parseCpuTimes('cpu 160 10 50 420 5 0 2 33 0 0');
    // 60 ticks more of user time, of which this process had 150 ms.
    expect(othersShare({ machine: before, own: 0 }, { machine: busy, own: 150_000 })).toBeCloseTo(45 / 80);
  });
});
