import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareRuns } from '../../src/bench/compare.ts';
import { CrewHung } from '../../src/bench/crew.ts';
import { runLoadCell } from '../../src/bench/load-cell.ts';
import { loadPlan, unfit } from '../../src/bench/load-plan.ts';
import { prepared } from '../../src/bench/prepare.ts';
import { type BenchResult, validateBench } from '../../src/bench/result.ts';
import { packageRoot } from '../../src/cli/package-root.ts';
import { loadStrategy } from '../../src/torture/strategy-file.ts';
import { arenaWords } from '../../src/world/size.ts';
import { type OwnFolder, ownFolder } from '../cli/own-folder.ts';
import { MAIN, spawned } from '../cli/spawned.ts';
import { syntheticBench } from './synthetic.ts';

let own: OwnFolder;
beforeAll(() => {
  own = ownFolder();
  const file = 'idle-birth.mjs';
  own.write(file, readFileSync(join(packageRoot(), 'examples/strategies', file), 'utf8'));
  own.write(
    'pins.mjs',
    "import base from './idle-birth.mjs';\nexport default { ...base, name: 'own-pins', pins: true };\n",
  );
});
afterAll(() => own.remove());

const SHORT = ['--quick', '--rounds', '1', '-d', '20ms', '--seed', '3', '--json'];
const bench = (...args: string[]) => spawned(MAIN, ['bench', 'strategies', ...args], { cwd: own.dir, boundMs: 50_000 });
const TIME = { practiceMs: 0, warmupMs: 1, cellMs: 2, slices: 1, seed: 1 };
const CONFIG = {
  roles: ['refault'],
  mms: 1,
  umems: 20,
  overlap: 0,
  vmas: 1,
  observing: 'none',
  seed: 1,
} as const;

describe('bench --strategy', () => {
  it("takes a user's file, which every thread loads, and holds it against the first", async () => {
    const args = ['-s', 'interval-notifier,./idle-birth.mjs', '--filter', 'observing/idle-birth observer=none'];
    const { code, stdout, stderr } = await bench(...args, ...SHORT);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
    const { cells, ratios, options } = validateBench(JSON.parse(stdout));
    expect(cells.map(({ id }) => id)).toEqual([
      'observing/interval-notifier observer=none',
      'observing/idle-birth observer=none',
    ]);
    for (const { rounds, failures } of cells) expect([rounds.length, failures]).toEqual([1, []]);
    expect(ratios.map(({ cell, reference }) => [cell, reference])).toContainEqual([cells[1]!.id, cells[0]!.id]);
    expect(options.strategyFiles).toEqual({ 'idle-birth': expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it('takes known bugs by name', async () => {
    const { code, stdout } = await bench('-s', 'late-sample', '--filter', 'observer=none', ...SHORT);
    expect(code).toBe(0);
    const { cells, options } = validateBench(JSON.parse(stdout));
    expect(cells.map(({ id, rounds }) => [id, rounds.length])).toEqual([['observing/late-sample observer=none', 1]]);
    expect(options.strategyFiles).toBeUndefined();
  });

  it.each([
    ['late-smaple', "no strategy 'late-smaple'"],
    ['./nowhere.mjs', 'ODP_E_STRATEGY_FILE ./nowhere.mjs: there is no such file'],
  ])('%s: says what is wrong', async (name, words) => {
    const { code, stdout, stderr } = await bench('-s', name, ...SHORT);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });
});

describe("a user's strategy in a cell", () => {
  it('is refused by the threads when its file is not the one that was loaded first', async () => {
    const { strategy, file } = await loadStrategy('./idle-birth.mjs', own.dir);
    const config = { ...CONFIG, strategy: strategy.name, strategyFile: { ...file, sha256: '0'.repeat(64) } };
    await expect(runLoadCell(config, TIME)).rejects.toThrow(/it has changed since it was loaded first/);
  });

  it('that never returns from a registration is ended', async () => {
    own.write(
      'stuck.mjs',
      "import base from './idle-birth.mjs';\nexport default { ...base, name: 'stuck', insert() { for (;;); } };\n",
    );
    const { strategy, file } = await loadStrategy('./stuck.mjs', own.dir);
    const config = { ...CONFIG, strategy: strategy.name, strategyFile: file };
    const plan = loadPlan(config);
    const job = { plan, config, buffer: new SharedArrayBuffer(arenaWords(plan) * 4) };
    await expect(prepared(job, 500)).rejects.toThrow(CrewHung);
  });

  it('that throws fails its cell with its words', async () => {
    own.write(
      'throws.mjs',
      "import base from './idle-birth.mjs';\nexport default { ...base, name: 'throws', rangeStart() { throw new Error('no start'); } };\n",
    );
    const { strategy, file } = await loadStrategy('./throws.mjs', own.dir);
    const config = { ...CONFIG, strategy: strategy.name, strategyFile: file };
    await expect(runLoadCell(config, { ...TIME, practiceMs: 5000 })).rejects.toThrow(
      /strategy 'throws', hook 'rangeStart': no start/,
    );
  });

  it('is asked what it can do, as a built-in one is', async () => {
    const { strategy, file } = await loadStrategy('./pins.mjs', own.dir);
    expect(unfit({ ...CONFIG, strategy: strategy.name, strategyFile: file })).toBe('own-pins has no page faults');
    expect(loadPlan({ ...CONFIG, strategy: strategy.name, strategyFile: file }).strategyFile).toEqual(file);
    expect(() => loadPlan({ ...CONFIG, strategy: strategy.name })).toThrow("no strategy 'own-pins'");
  });

  it('that was changed between two runs is named when they are compared', async () => {
    const run = await syntheticBench({ suites: ['locks'], rounds: 2 });
    const of = (runId: string, sha: string): BenchResult => ({
      ...run,
      runId,
      options: { ...run.options, strategyFiles: { mine: sha, other: 'same' } },
    });
    const notes = compareRuns(of('a', '1'), of('b', '2')).notes.join('\n');
    expect(notes).toContain('mine: its file has changed between the two');
    expect(notes).not.toContain('other: its file');
  });
});
