import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExploreSummary, exploreJsonSchema, validateExplore } from '../../src/explore/pipeline/pipeline-result.ts';
import { exploreHere, model, type SourceName, writeProgram } from './explore-programs.ts';
import { MAIN, spawned } from './spawned.ts';

const SEED = 7;
let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-explore-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

let folders = 0;
/** Runs `explore --json` and checks what it printed against its schema. */
async function explored(
  target: string,
  args: readonly string[],
): Promise<{ code: number | null; summary: ExploreSummary; dir: string }> {
  const dir = join(cwd, `out-${++folders}`);
  const run = await exploreHere([target, '--seed', String(SEED), '--json', '-o', dir, '--no-progress', ...args], {
    cwd,
  });
  expect(run.stdout, run.stderr).not.toBe('');
  const summary = validateExplore(JSON.parse(run.stdout));
  expect(JSON.parse(readFileSync(join(dir, 'explore.json'), 'utf8'))).toEqual(summary);
  expect(summary.exitCode).toBe(run.code);
  return { code: run.code, summary, dir };
}

describe('what explore says of the models', () => {
  it('model A: a violation with one preemption, a folder that replays it, exit code 1', async () => {
    const { code, summary, dir } = await explored(model('model-a'), ['-d', '20s']);
    expect(code).toBe(1);
    expect(summary).toMatchObject({ verdict: 'VIOLATED', seed: SEED, interrupted: false });
    expect(summary.caveat).toContain('sequentially consistent');
    const [one] = summary.explorations;
    expect(one).toMatchObject({ name: 'model-a', kind: 'program', verdict: 'VIOLATED', guarantee: null });
    expect(one!.violations).toHaveLength(1);
    const [violation] = one!.violations;
    expect(violation).toMatchObject({
      oracle: 'assertion',
      text: 'count of -1',
      preemptions: 1,
      // There is none without a preemption: the search by preemptions has been there.
      fewest: true,
      folder: 'violations/1',
    });
    expect(violation!.schedule).toHaveLength(violation!.steps);
    for (const file of ['schedule.replay.json', 'timeline.txt', 'timeline.html'])
      expect(existsSync(join(dir, 'violations/1', file)), file).toBe(true);
    const replayed = await spawned(MAIN, ['replay', join(dir, 'violations/1/schedule.replay.json')], { cwd });
    expect(replayed.code, replayed.stderr).toBe(1);
    expect(replayed.stdout).toContain('count of -1');
  });

  it('model B: found by the default pipeline, with the three preemptions that it needs', async () => {
    const { code, summary } = await explored(model('model-b'), ['-d', '30s']);
    expect(code).toBe(1);
    expect(summary.explorations[0]!.violations[0]).toMatchObject({
      preemptions: 3,
      fewest: true,
      text: 'a section that was counted ends with a mapping',
    });
  });

  it.each([
    ['model-a-fix', 9],
    ['model-b-fix', 112],
  ])('%s: a proof over the %d executions that exist, exit code 0', async (name, executions) => {
    const { code, summary } = await explored(model(name), ['-d', '30s']);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ verdict: 'PROVED' });
    const [one] = summary.explorations;
    // Processes that share the search may see one twice.
    const [, seen] = /^exhaustive: (\d+) executions$/.exec(one!.guarantee!)!;
    expect(Number(seen)).toBeGreaterThanOrEqual(executions);
    expect(Number(seen)).toBeLessThan(executions * 1.1 + 1);
    expect(one!.violations).toEqual([]);
    expect(one!.phases.find((phase) => phase.name === 'dpor')).toMatchObject({ complete: true });
  });

  it('sampling runs the schedules that were asked for, and never calls them exhaustive', async () => {
    const { code, summary } = await explored(model('model-b-fix'), ['--policy', 'mix', '--schedules', '3000']);
    expect(code).toBe(0);
    const [one] = summary.explorations;
    expect(one).toMatchObject({ verdict: 'NO-VIOLATION', schedules: 3000 });
    expect(one!.guarantee).toMatch(/^sampled: 3,000 schedules, \d+ distinct/);
    expect(one!.guarantee).not.toContain('exhaustive');
    expect(one!.coverage!.distinct).toBeGreaterThan(50);
    expect(one!.coverage!.distinct).toBeLessThanOrEqual(112);
  });

  it('a bound is named as what it is', async () => {
    const { code, summary } = await explored(model('model-b-fix'), ['--policy', 'bound', '--bound', '1']);
    expect(code).toBe(0);
    expect(summary.explorations[0]).toMatchObject({
      verdict: 'NO-VIOLATION',
      guarantee: 'all schedules with at most 1 preemptions',
    });
  });

  it('one process and two find the same first violation of a sampler', async () => {
    const runs = await Promise.all(
      ['1', '2'].map((jobs) => explored(model('model-b'), ['--policy', 'pos', '--jobs', jobs, '-d', '30s'])),
    );
    const [a, b] = runs.map(({ summary }) => summary.explorations[0]!);
    expect(a!.violations[0]!.afterSchedules).toBe(b!.violations[0]!.afterSchedules);
    expect(a!.violations[0]!.schedule).toEqual(b!.violations[0]!.schedule);
    expect([a!.processes, b!.processes]).toEqual([1, 2]);
  });

  it('one process and two find the same first violation by preemptions, and say the same of what they tried', async () => {
    const [a, b] = await Promise.all(
      ['1', '2'].map(async (jobs) => {
        const { summary } = await explored(model('model-b'), ['--policy', 'bound', '--jobs', jobs, '-d', '30s']);
        return summary.explorations[0]!;
      }),
    );
    for (const one of [a!, b!])
      expect(one.violations).toMatchObject([{ preemptions: 3, fewest: true, text: a!.violations[0]!.text }]);
    const proved = await Promise.all(
      ['1', '2'].map(async (jobs) => {
        const { summary } = await explored(model('model-a-fix'), ['--policy', 'bound', '--jobs', jobs, '-d', '30s']);
        return summary.explorations[0]!.guarantee;
      }),
    );
    expect(proved[0]).toMatch(/^exhaustive: \d+ schedules/);
    expect(proved[1]).toBe(proved[0]);
  });

  it('several processes find the same first violation by preemptions, however fast they are', async () => {
    const runs = [];
    for (let i = 0; i < 3; i++) {
      const { summary } = await explored(model('model-b'), ['--policy', 'bound', '--jobs', '3', '-d', '30s']);
      const [violation] = summary.explorations[0]!.violations;
      runs.push([violation!.afterSchedules, violation!.schedule.join('')]);
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  it('a violation of a sampler, too, is shown to have the fewest preemptions', async () => {
    const { summary } = await explored(model('model-a'), ['--policy', 'random', '-d', '20s']);
    expect(summary.explorations[0]!.violations[0]).toMatchObject({ preemptions: 1, fewest: true });
  });

  it('a litmus scenario is one exploration a strategy', async () => {
    const { code, summary } = await explored('seed-madvise-around-register', [
      ...['-s', 'private-count,mmap-write', '-d', '20s'],
    ]);
    expect(code).toBe(1);
    expect(summary.explorations.map(({ strategy, verdict }) => [strategy, verdict])).toEqual([
      ['private-count', 'VIOLATED'],
      ['mmap-write', 'PROVED'],
    ]);
    expect(summary.explorations[0]!.violations.map(({ oracle }) => oracle)).toContain('counter-underflow');
  });
});

describe('plain accesses', () => {
  it('are looked at with --races, and without it the result says that they were not', async () => {
    const racy = writeProgram(cwd, 'racy');
    const { code, summary, dir } = await explored(racy, ['--races', '-d', '20s']);
    expect(code).toBe(1);
    expect(summary.explorations[0]!.violations[0]).toMatchObject({ oracle: 'data-race', object: 'word 2' });
    expect(readFileSync(join(dir, 'violations/1/data-race.txt'), 'utf8')).toContain('BUG: KCSAN: data-race in');
    expect(summary.caveat).not.toContain('--races');
    expect(summary.explorations[0]!.notes).toEqual([expect.stringMatching(/^data races: [1-9]\d* accesses looked at/)]);
    const without = await explored(racy, ['-d', '20s']);
    expect(without.code).toBe(0);
    expect(without.summary.explorations[0]!.notes).toEqual([]);
    expect(without.summary.caveat).toContain('--races finds those that race');
  });
});

describe('what a program does that goes on after a violation', () => {
  it('--all collects every distinct finding', async () => {
    const { code, summary } = await explored(writeProgram(cwd, 'two'), ['--all', '-d', '20s']);
    expect(code).toBe(1);
    const [one] = summary.explorations;
    expect(one!.violations.map(({ text }) => text).sort()).toEqual(['one was first', 'two was first']);
    expect(one!.violations.map(({ folder }) => folder)).toEqual(['violations/1', 'violations/2']);
    expect(one!.guarantee).toMatch(/^exhaustive: /);
  });

  it('schedules that reach the step bound are counted, and are no proof', async () => {
    const { code, summary } = await explored(writeProgram(cwd, 'endless'), ['-d', '1s', '--max-steps', '100']);
    expect(code).toBe(4);
    const [one] = summary.explorations;
    expect(one).toMatchObject({ verdict: 'UNKNOWN' });
    expect(one!.cut).toBe(one!.schedules);
    expect(one!.why).toContain('--max-steps');
  });
});

describe('what cannot be explored', () => {
  const refused: readonly [SourceName, number, RegExp][] = [
    ['no-threads', 2, /^ODP_E_PROGRAM_INVALID \S*no-threads\.mjs: 'threads' is undefined/m],
    ['unseen', 2, /^ODP_E_PROGRAM_UNSEEN: .*did it import 'odptorture\/sync' of this installation\?/m],
    ['forgets', 2, /^ODP_E_PROGRAM_NONDETERMINISTIC: step \d+ was T1 load word/m],
    [
      'hangs',
      6,
      /^ODP_E_EXPLORE_HUNG: thread 'spinner' does not come back from step \d+, store word 0: .*raw Atomics\.wait/m,
    ],
    ['blocks', 6, /^ODP_E_EXPLORE_HUNG: thread 'sleeper' does not come to its first step/m],
    ['dies', 6, /^ODP_E_EXPLORE_CRASHED: process \d+ ended twice over the same work: SIGKILL/m],
  ];
  it.each(refused)('%s: exit code %d', async (name, code, message) => {
    const run = await exploreHere([writeProgram(cwd, name), '--seed', '1', '-d', '20s', '--no-progress'], { cwd });
    expect(run.stderr).toMatch(message);
    expect(run.code).toBe(code);
  });

  it.each([
    [['./nothing.js'], /^ODP_E_PROGRAM_INVALID .*nothing\.js: there is no such file/m],
    [['nothing'], /^ODP_E_SCENARIO_UNKNOWN/m],
    [['seed'], /^ODP_E_USAGE .*: 'seed' is a load scenario/m],
    [[], /^ODP_E_USAGE: explore what\?/m],
    [['notes.md'], /^ODP_E_USAGE: 'notes\.md' is neither a program .* nor a scenario/m],
    [['./nothing.js', '--param', 'size=1'], /^ODP_E_USAGE: --param is for litmus scenarios/m],
    [['seed-madvise-around-register', '-s', 'range-pool', '--param', 'depth=1'], /^ODP_E_PARAM/m],
    [['seed-madvise-around-register', '--policy', 'psychic'], /^ODP_E_USAGE: .*psychic/m],
    [['seed-madvise-around-register', '--policy', 'pos', '--bound', '2'], /^ODP_E_USAGE: --bound has no meaning/m],
    [['seed-madvise-around-register', '--schedules', '0'], /^ODP_E_USAGE: .*above 0/m],
  ])('explore %j is refused with exit code 2', async (args, message) => {
    const run = await exploreHere(args, { cwd });
    expect(run.stderr).toMatch(message);
    expect(run.code).toBe(2);
  });

  it("a strategy's parameters reach it", async () => {
    const args = ['seed-fault-in-section', '-s', 'range-alloc', '--json', '--no-progress', '--seed', '1'];
    const safe = await exploreHere(args, { cwd });
    const failing = await exploreHere([...args, '--param', 'failEvery=1'], { cwd });
    expect([safe.code, failing.code], safe.stderr + failing.stderr).toEqual([0, 1]);
  });

  it('every flag is a variable as well', async () => {
    const run = await exploreHere([model('model-b-fix'), '--json', '--no-progress'], {
      cwd,
      env: { ODPTORTURE_POLICY: 'random', ODPTORTURE_SCHEDULES: '500', ODPTORTURE_SEED: '3', ODPTORTURE_JOBS: '1' },
    });
    const { seed, explorations } = validateExplore(JSON.parse(run.stdout));
    expect([seed, explorations[0]!.policy, explorations[0]!.schedules]).toEqual([3, 'random', 500]);
  });

  it('the schema is published', async () => {
    const run = await spawned(MAIN, ['schema', 'explore'], { cwd });
    expect(JSON.parse(run.stdout)).toEqual(exploreJsonSchema());
  });
});
