import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { addRunOptions } from '../../src/cli/options.ts';
import { cellSchema, validateSummary } from '../../src/results/summary.ts';
import { runCell } from '../../src/torture/cell.ts';
import type { Histogram } from '../../src/trace/histogram.ts';
import { LOCK_STAT_LEVELS } from '../../src/trace/lock-stat.ts';
import { MAIN, spawned } from '../cli/spawned.ts';
import { closePool, collectingSink, forever, SMALL, smallPlan } from '../torture/cells.ts';

const dir = mkdtempSync(join(tmpdir(), 'odp-lock-stat-'));
afterAll(async () => {
  await closePool();
  rmSync(dir, { recursive: true, force: true });
});

describe('a cell', () => {
  // One pool: the same threads at each level in turn.
  it.each(LOCK_STAT_LEVELS)('with %s has the figures of that level, and they agree', async (lockStat) => {
    const plan = smallPlan({ lockStat });
    expect(plan.lockStat).toBe(lockStat === 'off' ? undefined : lockStat);
    const histograms = new Map<string, Histogram>();
    const sink = { ...collectingSink(), histogram: (name: string, h: Histogram) => void histograms.set(name, h) };
    const cell = await runCell(plan, sink, forever());
    expect(cellSchema.safeParse(cell).error).toBeUndefined();
    const { locks, latencyNs } = cell;
    expect(latencyNs.lockWait.count).toBe(locks.reduce((sum, { contentions }) => sum + contentions, 0));
    for (const { name, mode, contentions, conBounces, acquisitions, acqBounces, holdNs, waiters, holders } of locks) {
      expect(
        [acquisitions, acqBounces, conBounces].every((figure) => (figure !== undefined) === (lockStat !== 'off')),
      ).toBe(true);
      expect([holdNs, waiters, holders].every((figure) => (figure !== undefined) === (lockStat === 'full'))).toBe(true);
      if (lockStat !== 'off') {
        expect(acquisitions).toBeGreaterThanOrEqual(contentions);
        expect(acquisitions).toBeGreaterThanOrEqual(acqBounces!);
        expect(contentions).toBeGreaterThanOrEqual(conBounces!);
      }
      if (lockStat !== 'full') continue;
      expect(holdNs!.count).toBe(acquisitions);
      expect(histograms.get(`lock-hold-${name}-${mode}`)!.count).toBe(acquisitions);
      expect(histograms.get(`lock-wait-${name}-${mode}`)?.count ?? 0).toBe(contentions);
    }
    for (const name of ['fault', 'section', 'register', 'deregister'] as const) {
      const { count, max } = latencyNs[name];
      expect([histograms.get(name)?.count ?? 0, histograms.get(name)?.max ?? 0]).toEqual([count, max]);
    }
    // Each of these takes mmap_lock, whatever the design.
    const taken = locks
      .filter(({ name }) => name === 'mmap_lock')
      .reduce((sum, row) => sum + (row.acquisitions ?? 0), 0);
    const { madvise, munmap } = cell.operations;
    if (lockStat !== 'off') expect(taken).toBeGreaterThanOrEqual(madvise!.count + munmap!.count);
  });
});

describe('the command', () => {
  const run = async (out: string, ...args: string[]) => {
    writeFileSync(join(dir, 'small.yaml'), JSON.stringify({ ...SMALL, lockStat: 'counts' }));
    const given = ['run', 'small.yaml', '-s', 'context-count', '--seed', '1', '--no-progress', '-o', out, ...args];
    return spawned(MAIN, given, { cwd: dir });
  };
  const summaryOf = (out: string) => validateSummary(JSON.parse(readFileSync(join(dir, out, 'summary.json'), 'utf8')));

  it('takes the scenario’s level, and a flag before it; writes lock_stat.txt and distributions', async () => {
    await run('scenario');
    expect(summaryOf('scenario').cells[0]!.locks[0]).toHaveProperty('acquisitions');
    expect(summaryOf('scenario').cells[0]!.locks[0]).not.toHaveProperty('holdNs');
    expect(readFileSync(join(dir, 'scenario/lock_stat.txt'), 'utf8')).toMatch(/^lock_stat version 0\.4\n/);
    for (const [name, { count }] of Object.entries(summaryOf('scenario').cells[0]!.latencyNs))
      if (count > 0 && name !== 'lockWait')
        expect(readdirSync(join(dir, 'scenario/latency'))).toContain(`small-context-count-v5.5-${name}.hgrm`);
    await run('flag', '--lock-stat', 'full');
    expect(summaryOf('flag').cells[0]!.locks[0]).toHaveProperty('holdNs');
    expect(readdirSync(join(dir, 'flag/latency'))).toContain('small-context-count-v5.5-lock-hold-mmap_lock-W.hgrm');
  });

  it('refuses a level that is none', () => {
    const command = addRunOptions(new Command('run'))
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    expect(() => command.parse(['--lock-stat', 'some'], { from: 'user' })).toThrow(
      /--lock-stat.*expected one of off, counts, full/,
    );
  });
});
