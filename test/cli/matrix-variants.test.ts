import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateSummary } from '../../src/results/summary.ts';
import { MAIN, spawned } from './spawned.ts';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-variants-'));
  writeFileSync(
    join(cwd, 'small.yaml'),
    'kind: load\ndescription: d\nmemory: { pages: 8 }\nthreads: { madvise: 1, register: 1, fault-engine: 1, dma: 1 }\nduration: 300ms\n',
  );
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const matrix = (...args: readonly string[]) =>
  spawned(MAIN, ['matrix', '--variants', '--no-progress', ...args], { cwd, boundMs: 50_000 });

describe('odptorture matrix --variants', () => {
  it('finds known bugs in their own litmus, and says when and how often', async () => {
    // Neither depends on how the threads meet: one replaces a page untold, the other waits for itself.
    const names = ['reclaim-under-mutex', 'collapse-untold'];
    const run = await matrix('-s', names.join(), '--load', 'off', '--first', '--json');
    expect(run.code, run.stderr).toBe(0);
    const summary = validateSummary(JSON.parse(run.stdout));
    expect(summary.variants!.map(({ variant, own, found, cells }) => [variant, own, found, cells])).toEqual(
      names.map((name) => [name, true, 1, 1]),
    );
    for (const { oracles, oracle, firstMs, violations, perIteration } of summary.variants!) {
      expect(oracles).toContain(oracle);
      expect(firstMs!.min).toBeLessThanOrEqual(firstMs!.median);
      expect(violations).toBeGreaterThan(0);
      expect(perIteration).toBeGreaterThan(0);
    }
    // A deadlock is how the bug was found, not how the harness broke; and a cell that was ended early was not interrupted.
    for (const cell of summary.cells) expect(cell).toMatchObject({ asExpected: true, interrupted: false });
    expect(summary.cells.every(({ fault }) => fault === undefined)).toBe(true);
  });

  it('has a table for each place, and the load of the bug or the one that is given', async () => {
    const run = await matrix('small.yaml', '-s', 'zap-after-end', '--first', '--color', 'never');
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/own litmus, run freely\n.*\n {2}zap-after-end +14 +1\/1 .* fault-against-madvise\n/);
    expect(run.stdout).toMatch(/under load\n.*\n {2}zap-after-end +14 +\d\/1 .* small\n/);
    expect(run.stdout).toMatch(/^known bugs: 1 of 1 found in their own litmus, \d of 1 found under load/m);
  });

  it('knows its bugs by name', async () => {
    const run = await matrix('-s', 'late-simple');
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/ODP_E_STRATEGY_UNKNOWN: no known bug 'late-simple'.*late-sample/);
  });
});
