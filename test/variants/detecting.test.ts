import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-code.ts';
import { judgeDetection, watchUntilFound } from '../../src/cli/matrix-variants.ts';
import { detectionLine, detectionReport } from '../../src/report/detection.ts';
import { PLAIN } from '../../src/report/style.ts';
import { detectionOf } from '../../src/results/detection.ts';
import type { CellResult } from '../../src/results/types.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { VARIANTS } from '../../src/variants/index.ts';
import { cellResult, underflow } from '../report/results-fixture.ts';
import { shippedFile } from './shipped-file.ts';

const variant = VARIANTS.find(({ strategy }) => strategy.name === 'tree-before-values')!;
const cell = (more: Partial<CellResult>): CellResult =>
  cellResult({ kind: 'litmus', scenario: variant.litmus, strategy: variant.strategy.name, violations: {}, ...more });
const found = (atMs: number, count = 1): CellResult =>
  cell({
    durationMs: 500,
    orders: { free: 10 },
    violations: { 'counter-underflow': { count, firstAtMs: atMs }, 'stale-dma': { count: 7, firstAtMs: 1 } },
  });
const exitCode = (cells: readonly CellResult[]): number =>
  exitCodeOf({ cells, judgedBy: 'expectations', thresholds: [], lost: 0, stoppedBy: null });

describe('a cell of a known bug', () => {
  it('that was found is as expected, however it ended', () => {
    const hung = {
      ...found(3),
      asExpected: null,
      fault: { kind: 'hang', thread: 'T1', message: 'no progress' },
    } as const;
    const judged = judgeDetection(hung, false);
    expect(judged).toMatchObject({ asExpected: true, why: '', notes: ['ended by hang in T1: no progress'] });
    expect(exitCode([judged])).toBe(0);
  });

  it('that was not found in its litmus is a failure, whatever else was', () => {
    const judged = judgeDetection(cell({ violations: { 'stale-dma': { count: 7, firstAtMs: 1 } } }), false);
    expect(judged).toMatchObject({ asExpected: false });
    expect(judged.why).toContain('none of counter-underflow, counter-leak has fired');
    expect(exitCode([judged, judgeDetection(found(3), false)])).toBe(1);
  });

  it('that chance did not bring about under load is none; one that the user ended is unknown', () => {
    expect(judgeDetection(cell({ kind: 'load', scenario: 'load' }), false).asExpected).toBe(true);
    expect(judgeDetection(cell({}), true).asExpected).toBeNull();
  });

  it('ends early by a violation of its own, not by another', async () => {
    const [plan] = resolveCells(loadScenario(shippedFile(`variants/${variant.litmus}.yaml`)), {
      strategies: [variant.strategy.name],
    });
    const watch = watchUntilFound(plan!, 0);
    watch.violation({ ...underflow({}), oracle: 'stale-dma' });
    await later(5);
    expect(watch.signal.aborted).toBe(false);
    watch.violation(underflow({}));
    await later(5);
    expect(watch.signal.aborted).toBe(true);
    watch.close();
  });
});

describe('the sum over the cells of a known bug', () => {
  it('counts by the oracle that saw it first, and spreads times over the cells that found it', () => {
    const sum = detectionOf(variant, [found(30, 2), cell({ durationMs: 1000, orders: { free: 30 } }), found(10, 4)]);
    expect(sum).toMatchObject({ own: true, cells: 3, found: 2, oracle: 'counter-underflow', violations: 6 });
    expect(sum.firstMs).toEqual({ median: 20, min: 10, max: 30 });
    expect(sum).toMatchObject({ seconds: 2, perSecond: 3, perIteration: 6 / 50, perExposure: null });
  });

  it('has no rate but a word where all cells missed it', () => {
    const missed = detectionOf(variant, [cell({ durationMs: 1000 })]);
    expect(missed).toMatchObject({ found: 0, oracle: null, firstMs: null, violations: 0 });
    const lines = detectionReport([missed], { style: PLAIN, width: 120, verbose: false });
    expect(lines.at(-1)).toMatch(/tree-before-values +15 +0\/1 +MISSED +- +- +- +- /);
    expect(detectionLine([missed])).toBe('known bugs: 0 of 1 found in their own litmus (missed: tree-before-values)');
  });
});
