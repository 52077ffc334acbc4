import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAIN, spawned } from './spawned.ts';

let cwd: string;
const SMALL = 'kind: load\ndescription: d\nmemory: { pages: 16 }\nthreads: { madvise: 1, register: 1 }\n';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-bad-'));
  writeFileSync(join(cwd, 'small.yaml'), SMALL);
  writeFileSync(join(cwd, 'key.yaml'), `${SMALL}thread: 1\n`);
  writeFileSync(join(cwd, 'type.yaml'), SMALL.replace('16', 'sixteen'));
  writeFileSync(join(cwd, 'none.yaml'), SMALL.replace('madvise: 1, register: 1', 'madvise: 0'));
  writeFileSync(join(cwd, 'many.yaml'), SMALL.replace('madvise: 1', 'madvise: 63'));
  writeFileSync(join(cwd, 'frames.yaml'), SMALL.replace('pages: 16', 'pages: 16, frames: 4'));
  writeFileSync(join(cwd, 'file'), '');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const cli = (args: readonly string[], env = {}) => spawned(MAIN, args, { cwd, env });

describe('bad input ends in one line and exit code 2', () => {
  it.each<[string, string[], RegExp]>([
    [
      'unknown strategy',
      ['run', 'small.yaml', '-s', 'privat-count'],
      /^ODP_E_STRATEGY_UNKNOWN: no strategy 'privat-count'; did you mean 'private-count'\?\n$/,
    ],
    ['unknown scenario', ['run', 'sed'], /^ODP_E_SCENARIO_UNKNOWN: no scenario 'sed'; did you mean 'seed'\?\n$/],
    [
      'unreadable scenario',
      ['run', './gone.yaml'],
      /^ODP_E_SCENARIO_UNREADABLE \S+gone\.yaml: cannot read the scenario: ENOENT\n$/,
    ],
    ['a folder as scenario', ['run', './'], /^ODP_E_SCENARIO_UNREADABLE \S+: cannot read the scenario: EISDIR\n$/],
    [
      'unknown key',
      ['run', 'key.yaml'],
      /^ODP_E_SCENARIO_INVALID \S+key\.yaml:5:1: unknown key 'thread'; did you mean 'threads'\?\n$/,
    ],
    [
      'wrong type',
      ['run', 'type.yaml'],
      /^ODP_E_SCENARIO_INVALID \S+type\.yaml:3:18: memory\.pages: expected number, received string\n$/,
    ],
    ['no threads', ['run', 'none.yaml'], /^ODP_E_THREADS \S+none\.yaml:4:10: no threads: .*\n$/],
    [
      'too many threads',
      ['run', 'many.yaml'],
      /^ODP_E_THREADS \S+many\.yaml:4:10: 64 threads, at most 63 are possible\n$/,
    ],
    [
      'memory too small',
      ['run', 'frames.yaml'],
      /^ODP_E_FRAMES \S+frames\.yaml:3:30: memory too small: 4 frames, at least \d+ are needed .*\n$/,
    ],
    [
      'unknown flag',
      ['run', 'seed', '--sed', '3'],
      /^ODP_E_USAGE: unknown option '--sed' \(Did you mean --seed\?\)\n$/,
    ],
    ['no scenario', ['run'], /^ODP_E_USAGE: missing required argument 'scenario'\n$/],
    ['unknown command', ['rnu'], /^ODP_E_USAGE: unknown command 'rnu'( \(Did you mean run\?\))?\n$/],
    ['no command', [], /^ODP_E_USAGE: no command; see odptorture --help\n$/],
    ['bad threshold', ['run', 'seed', '--threshold', 'faults<3'], /^ODP_E_USAGE: .*no metric 'faults'.*\n$/],
    [
      'unknown topic',
      ['list', 'strategis'],
      /^ODP_E_USAGE: nothing to list called 'strategis'; did you mean 'strategies'\?\n$/,
    ],
    ['unknown schema', ['schema', 'sumary'], /^ODP_E_USAGE: no schema 'sumary'; did you mean 'summary'\?\n$/],
  ])('%s', async (_, args, line) => {
    const run = await cli(args);
    expect(run.stderr).toMatch(line);
    expect(run.stdout).toBe('');
    expect(run.code).toBe(2);
    // A refused run leaves nothing behind.
    expect(readdirSync(cwd)).not.toContain('results');
  });

  it('a bad variable is named', async () => {
    const run = await cli(['run', 'small.yaml'], { ODPTORTURE_SEED: 'x' });
    expect(run.stderr).toBe("ODP_E_USAGE: ODPTORTURE_SEED='x' is invalid. expected a whole number, 1 to 4294967295\n");
    expect(run.code).toBe(2);
  });
});

describe('commands that run nothing', () => {
  it.each([['--help'], ['--version'], ['run', '--help']])('%s %s exits 0', async (...args) => {
    const run = await cli(args.filter((arg) => arg !== undefined));
    expect(run.code).toBe(0);
    expect(run.stderr).toBe('');
    expect(run.stdout).not.toBe('');
  });

  it('list --json is JSON with every topic', async () => {
    const run = await cli(['list', '--json']);
    const topics = JSON.parse(run.stdout) as Record<string, { name: string }[]>;
    expect(Object.keys(topics)).toEqual([
      'strategies',
      'variants',
      'scenarios',
      'oracles',
      'exposures',
      'points',
      'roles',
      'verbs',
      'metrics',
    ]);
    expect(topics.scenarios!.map((scenario) => scenario.name)).toContain('seed-fault-in-section');
    for (const rows of Object.values(topics)) expect(rows.length).toBeGreaterThan(0);
  });

  it.each(['scenario', 'summary'])('schema %s is JSON Schema', async (name) => {
    const run = await cli(['schema', name]);
    expect(JSON.parse(run.stdout)).toMatchObject({
      title: `odptorture ${name}`,
      $schema: expect.stringContaining('json-schema'),
    });
    expect(run.code).toBe(0);
  });
});
