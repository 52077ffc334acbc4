import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateSummary } from '../../src/results/summary.ts';
import { MAIN, spawned, untilPrinted } from './spawned.ts';

// The whole way, with real threads: short cells, two seeds of a litmus that cannot miss.

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-e2e-'));
  writeFileSync(
    join(cwd, 'calm.yaml'),
    // Sections without a gap may starve context-count: true, known, and not what these tests are about.
    'kind: load\ndescription: d\nmemory: { pages: 32 }\nthreads: { madvise: 1, register: 1, touch: 1 }\nduration: 300ms\nbounds: { starvationAttempts: 100000000 }\n',
  );
  writeFileSync(
    join(cwd, 'huge.yaml'),
    'kind: load\ndescription: d\nmemory: { pages: 1000000, mms: 64 }\nhca: { mrs: 60000, mrPages: 100000 }\nthreads: { madvise: 1, register: 1 }\n',
  );
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const cli = (args: readonly string[], more: Partial<Parameters<typeof spawned>[2]> = {}) =>
  spawned(MAIN, args, { cwd, boundMs: 50_000, ...more });

describe('odptorture, from the command line to the results', () => {
  it("finds the seed's race: exit code 1, a race log, a timeline", async () => {
    const run = await cli(['run', 'seed-madvise-around-register', '-s', 'private-count', '-o', 'found', '--seed', '7']);
    expect(run.code, run.stderr).toBe(1);
    expect(run.stdout).toMatch(
      /odptorture: seed-madvise-around-register private-count seed=7 .*counter-underflow=\d+.* FAILURE\n/,
    );
    const records = readFileSync(join(cwd, 'found/races-1.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { oracle: string; seed: number; window: unknown[] });
    const underflow = records.find((record) => record.oracle === 'counter-underflow');
    expect(underflow).toMatchObject({ seed: 7 });
    expect(underflow!.window.length).toBeGreaterThan(4);
    const drawn = readFileSync(join(cwd, 'found/timelines.txt'), 'utf8');
    for (const point of ['madvise.enter', 'section.started', 'umem.inserted']) expect(drawn).toContain(point);
  });

  it('does not find it where there is none, and with --json prints only JSON', async () => {
    const run = await cli(['run', 'calm.yaml', '-s', 'context-count', '--json', '--seed', '3']);
    const summary = validateSummary(JSON.parse(run.stdout));
    expect(summary.seed).toBe(3);
    expect(summary.cells[0]).toMatchObject({ strategy: 'context-count', violations: {}, interrupted: false });
    expect(summary.cells[0]!.operations.madvise!.count).toBeGreaterThan(0);
    expect(run.code, run.stderr).toBe(0);
  });

  it('a matrix is judged by what is expected: a found race is a success', async () => {
    const run = await cli([
      'matrix',
      'seed-madvise-around-register',
      '-s',
      'private-count,context-count',
      '--no-progress',
    ]);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toMatch(/2 cells: 2 as expected; SUCCESS; seed 1; /);
    expect(run.stderr).toBe('');
  });

  it('a threshold that cannot be met: exit code 3', async () => {
    const run = await cli(['run', 'calm.yaml', '-s', 'context-count', '-q', '--threshold', 'sections_per_s>1000M']);
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(run.stdout).toMatch(/^threshold sections_per_s>1000M missed/);
  });

  it('Ctrl-C in the middle of a cell: exit code 130 after a whole summary', async () => {
    const run = await cli(['run', 'calm.yaml', '-s', 'context-count,pinned', '-d', '60s', '-o', 'stopped'], {
      during: (child) =>
        void untilPrinted(child, 'odptorture: run').then(() => setTimeout(() => child.kill('SIGINT'), 700)),
    });
    expect(run.code, run.stderr).toBe(130);
    const summary = validateSummary(JSON.parse(readFileSync(join(cwd, 'stopped/summary.json'), 'utf8')));
    expect(summary.cells).toHaveLength(1);
    expect(summary.cells[0]!.interrupted).toBe(true);
    expect(summary.cells[0]!.durationMs).toBeLessThan(30_000);
  });

  it('memory that does not fit: exit code 2, one line, nothing written', async () => {
    const run = await cli(['run', 'huge.yaml', '-s', 'pinned', '-o', 'huge']);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^ODP_E_MEMORY: scenario 'huge' with pinned does not fit: .*\n$/);
    expect(run.stdout).toBe('');
  });

  it('an output folder that cannot be made: exit code 7, one line', async () => {
    const run = await cli(['run', 'calm.yaml', '-s', 'pinned', '-o', '/dev/null/x']);
    expect(run.code).toBe(7);
    expect(run.stderr).toBe('ODP_E_OUTPUT /dev/null/x: cannot write results: ENOTDIR\n');
    expect(run.stdout).toBe('');
  });

  it('doctor finds this machine fit, or says what is missing', async () => {
    const run = await cli(['doctor', '--json']);
    const { ok, checks } = JSON.parse(run.stdout) as {
      ok: boolean;
      checks: { name: string; ok: boolean; detail: string }[];
    };
    expect(checks.map((check) => check.name)).toEqual([
      'node',
      'cores',
      'shared memory',
      'worker threads and Atomics.wait',
      'clock',
      'results folder',
      'scenarios',
    ]);
    expect(run.code).toBe(ok ? 0 : 1);
    for (const name of ['node', 'shared memory', 'worker threads and Atomics.wait', 'results folder', 'scenarios'])
      expect(checks.find((check) => check.name === name)).toMatchObject({ ok: true });
  });
});
