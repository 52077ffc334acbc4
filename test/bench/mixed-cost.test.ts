import { describe, expect, it } from 'vitest';
import { CASES, type MixedRound, mixedCost, mixedPlans, mixedRows, mixedTable } from '../../bench/mixed-cost.ts';
import type { MixedCell } from '../../bench/mixed-cost-process.ts';
import { MIN_ROUNDS } from '../../src/bench/stats.ts';

describe('the cases of what tracing and lock statistics cost', () => {
  it('are the shipped scenario, the same again, and that with one thing changed', () => {
    const [shipped, again, ...others] = mixedPlans('interval-notifier', 7, 1234);
    expect(shipped).toMatchObject({ scenario: 'mixed', seed: 7, durationMs: 1234, trace: { on: true } });
    expect(shipped!.lockStat).toBeUndefined();
    expect(again).toEqual(shipped);
    const { trace, lockStat: _, ...rest } = shipped!;
    for (const { trace: _trace, lockStat: _lockStat, ...other } of others) expect(other).toEqual(rest);
    expect(others.map((plan) => [plan.trace, plan.lockStat])).toEqual([
      [{ ...trace, on: false }, undefined],
      [trace, 'counts'],
      [trace, 'full'],
    ]);
  });

  it('are told round by round, by the clock and by CPU time', () => {
    // A machine that is ever slower, on which the second case does twice as much, at three times the CPU time for each.
    const cell = (operations: number, seconds: number, cpuSeconds: number): MixedCell => ({
      operations,
      seconds,
      cpuSeconds,
      fault: null,
    });
    const rounds = Array.from(
      { length: 3 * (MIN_ROUNDS + 1) },
      (_, n): MixedRound => [
        cell(1000, n + 1, 1),
        cell(1000, n + 1, 1),
        cell(4000, 2 * (n + 1), 12),
        cell(1000, n + 1, 1),
        cell(500, n + 1, 2),
      ],
    );
    const generations = Array.from({ length: MIN_ROUNDS + 1 }, (_, n) => rounds.slice(3 * n, 3 * n + 3));
    const rows = mixedRows('a', generations);
    const one = (value: number) => ({ median: value, lo: value, hi: value, n: MIN_ROUNDS + 1 });
    expect(rows.map(({ perSecondRatio }) => perSecondRatio)).toEqual([1, 1, 2, 1, 0.5].map(one));
    expect(rows.map(({ perCpuSecondRatio }) => perCpuSecondRatio.median)).toEqual([1, 1, 1 / 3, 1, 0.25]);
    expect(rows.map(({ perSecond }) => perSecond)).toEqual([1000, 1000, 2000, 1000, 500].map((n) => n / 11));
    const lines = mixedTable(rows).split('\n');
    expect(lines[0]).toMatch(/^strategy +mixed +ops\/s +x shipped +95 % +ops\/CPU s +x shipped +95 %$/);
    expect(lines[3]).toMatch(/^a +trace off +182 +2\.000 +2\.000\.\.2\.000 +333 +0\.333 +0\.333\.\.0\.333$/);
  });

  it('run on real threads, the same ones for all cases of a generation', async () => {
    const said: string[] = [];
    const rows = await mixedCost({
      strategies: ['context-count'],
      generations: 2,
      rounds: 1,
      durationMs: 100,
      warmUpMs: 0,
      seed: 3,
      say: (line) => said.push(line),
    });
    expect(said).toEqual([1, 2].map((n) => `context-count: generation ${n} of 2`));
    expect(rows.map(({ name }) => name)).toEqual(CASES.map(({ name }) => name));
    for (const { perSecond, perCpuSecond } of rows) {
      expect(perSecond).toBeGreaterThan(0);
      expect(perCpuSecond).toBeGreaterThan(0);
    }
  });
});
