import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isSafety, type OracleName } from '../../src/oracles/names.ts';
import { type Summary, validateSummary } from '../../src/results/summary.ts';
import { MAIN, type SpawnOptions, spawned, untilPrinted } from '../cli/spawned.ts';

// What test/cli leaves to real threads: how a process ends while they run.

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-real-'));
  // Sections without a gap may starve context-count: true, known, and not what these tests are about.
  const load =
    'kind: load\ndescription: d\nmemory: { pages: 32 }\nthreads: { madvise: 1, register: 1, touch: 1 }\nbounds: { starvationAttempts: 100000000 }\n';
  writeFileSync(join(cwd, 'endless.yaml'), `${load}duration: 10m\n`);
  writeFileSync(join(cwd, 'thin.yaml'), `${load}duration: 200ms\nevidence: { register-in-section: 1000000000 }\n`);
  writeFileSync(
    join(cwd, 'rounds.yaml'),
    [
      'kind: litmus',
      'description: d',
      'memory: { pages: 8 }',
      'ranges: { A: { at: 0, pages: 4 } }',
      'iterations: 1000000000',
      'duration: 10m',
      'threads: { T1: [madvise A], T2: [register A, fault A, deregister A] }',
    ].join('\n'),
  );
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const cli = (args: readonly string[], during?: SpawnOptions['during']) =>
  spawned(MAIN, args, { cwd, boundMs: 60_000, ...(during === undefined ? {} : { during }) });
const summaryIn = (dir: string): Summary =>
  validateSummary(JSON.parse(readFileSync(join(cwd, dir, 'summary.json'), 'utf8')));

describe('a run on real threads', () => {
  it('says nothing when the evidence is too thin: exit code 4', async () => {
    const run = await cli(['run', 'thin.yaml', '-s', 'context-count', '-o', 'thin', '--seed', '2']);
    expect(run.code, run.stdout + run.stderr).toBe(4);
    expect(summaryIn('thin')).toMatchObject({ verdict: 'UNKNOWN', exitCode: 4 });
    expect(summaryIn('thin').cells[0]!.why).toMatch(/^register-in-section \d+, at least 1000000000 needed$/);
  });

  it.each([
    ['SIGINT', 130, 'endless.yaml'],
    ['SIGTERM', 143, 'endless.yaml'],
    ['SIGINT', 130, 'rounds.yaml'],
  ] as const)('%s ends it with exit code %i and a whole summary (%s)', async (signal, code, scenario) => {
    const dir = `stopped-${signal}-${scenario}`;
    const run = await cli(['run', scenario, '-s', 'context-count,pinned', '-o', dir, '--no-progress'], (child) => {
      void untilPrinted(child, 'odptorture: run').then(() => setTimeout(() => child.kill(signal), 3500));
    });
    expect(run.code, run.stderr).toBe(code);
    const summary = summaryIn(dir);
    expect(summary).toMatchObject({ interrupted: true, exitCode: code, records: { lost: 0 } });
    expect(summary.cells).toHaveLength(1);
    const [cell] = summary.cells;
    expect(cell!.fault).toBeUndefined();
    expect(cell!.interrupted).toBe(true);
    expect((Object.keys(cell!.violations) as OracleName[]).filter(isSafety)).toEqual([]);
    expect(cell!.notes).toEqual([]);
    expect(cell!.operations.madvise!.count).toBeGreaterThan(0);
    expect(readFileSync(join(cwd, dir, 'junit.xml'), 'utf8')).toMatch(/<\/testsuites>\n$/);
    expect(JSON.parse(readFileSync(join(cwd, dir, 'run.json'), 'utf8'))).toMatchObject({ status: 'interrupted' });
  });

  it('a signal while the threads still start is no crash', async () => {
    const run = await cli(['run', 'seed', '-s', 'context-count', '-d', '10m', '-o', 'early'], (child) => {
      void untilPrinted(child, 'odptorture: run').then(() => child.kill('SIGINT'));
    });
    expect(run.code, run.stderr).toBe(130);
    expect(summaryIn('early').cells.every((cell) => cell.fault === undefined)).toBe(true);
  });

  it('a reader that goes away does not end it', async () => {
    const run = await cli(['run', 'thin.yaml', '-s', 'context-count,pinned', '-o', 'unread'], (child) => {
      void untilPrinted(child, 'odptorture: run').then(() => child.stdout.destroy());
    });
    expect(run.code, run.stderr).toBe(4);
    expect(summaryIn('unread').cells).toHaveLength(2);
  });
});
