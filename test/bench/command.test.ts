import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BenchResult, validateBench } from '../../src/bench/result.ts';
import { main } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { recordedBench } from './recorded.ts';
import { syntheticBench } from './synthetic.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'odptorture-bench-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    cwd: root,
    outIsTty: false,
    errIsTty: false,
    width: 110,
    stderr: process.stderr,
  };
  return { code: await main(argv, terminal), out: out.join('\n'), err: err.join('\n') };
}

const SHORT = ['--rounds', '2', '-d', '10ms', '--threads', '1', '--seed', '3'];

describe('odptorture bench', () => {
  it('measures, and writes a folder that says all of it', async () => {
    const dir = join(root, 'one');
    const { code, out, err } = await run('bench', 'locks', ...SHORT, '--filter', 'locks/mutex read=90 ', '-o', dir);
    expect(err).toMatch(/bench seed=3 cells=2 rounds=2/);
    expect(code).toBe(0);
    for (const name of ['bench.json', 'bench.csv', 'bench.md', 'report.html', 'run.json'])
      expect(existsSync(join(dir, name)), name).toBe(true);
    const result = validateBench(JSON.parse(readFileSync(join(dir, 'bench.json'), 'utf8')));
    expect(result.cells.map(({ id }) => id)).toEqual([
      'locks/inline-futex read=90 threads=1',
      'locks/mutex read=90 threads=1',
    ]);
    expect(result.rounds).toHaveLength(2);
    expect(out).toMatch(/lock +read +threads/);
    expect(out.split('\n').at(-1)).toBe(`2 cells, 2 rounds; seed 3; ${dir}`);
    expect(JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8'))).toMatchObject({ status: 'finished', seed: 3 });
  });

  it('does not write over a bench, and finds its folder without -o', async () => {
    const dir = join(root, 'one');
    expect((await run('bench', 'locks', ...SHORT, '--filter', 'mutex read=0 ', '-o', dir)).code).toBe(7);
    const { code, out } = await run('bench', 'locks', ...SHORT, '--filter', 'locks/inline-futex read=0 ', '--json');
    expect(code).toBe(0);
    expect(validateBench(JSON.parse(out)).cells).toHaveLength(1);
    expect(existsSync(join(root, 'results', 'bench', 'latest', 'report.html'))).toBe(true);
  });

  it('prints the page for docs, and compares with a baseline on the other stream', async () => {
    const { code, out, err } = await run(
      ...['bench', 'locks', ...SHORT, '--filter', 'locks/mutex read=90 ', '--markdown'],
      ...['--baseline', join(root, 'one'), '-o', join(root, 'two')],
    );
    expect(code).toBe(0);
    expect(out.startsWith('# Benchmarks\n')).toBe(true);
    expect(err).toContain('fewer than 6 rounds');
  });

  it.each([
    [['bench', 'lokcs'], "no bench 'lokcs'; did you mean 'locks'?"],
    [['bench', '--strategy', 'nobody'], "no strategy 'nobody'"],
    [['bench', '--filter', 'nothing-has-this'], "nothing to measure: no cell's name contains 'nothing-has-this'"],
    [['bench', '--rounds', '0'], "argument '0' is invalid"],
    [['bench', '--threads', '1,x'], "argument '1,x' is invalid"],
    [['bench', '--baseline', 'gone'], 'cannot read a bench: ENOENT'],
  ])('%j: says what is wrong', async (argv, words) => {
    const { code, err, out } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(words);
    expect(out).toBe('');
  });
});

describe('odptorture compare', () => {
  beforeAll(async () => {
    writeFileSync(join(root, 'a.json'), JSON.stringify(await syntheticBench({ suites: ['locks', 'strategies'] })));
    writeFileSync(join(root, 'b.json'), JSON.stringify(await syntheticBench({ suites: ['locks'], factor: 2 })));
    writeFileSync(join(root, 'bad.json'), '{}');
  });

  it('of a run with itself: no difference', async () => {
    const { code, out } = await run('compare', 'a.json', 'a.json');
    expect(code).toBe(0);
    expect(out).toMatch(/^no difference in \d+ figures$/);
  });

  it('of two runs: what differs, with its interval', async () => {
    const { code, out } = await run('compare', 'a.json', 'b.json');
    expect(code).toBe(0);
    expect(out).toMatch(/locks\/mutex read=90 threads=2 +opsPerSec +x2\.00 \d\.\d\d\.\.\d\.\d\d +better/);
    expect(out).toMatch(/\d+ of \d+ figures differ; about \d+ would by chance alone$/);
  });

  it('of two strategies in a run; as JSON too', async () => {
    const { code, out } = await run('compare', 'a.json', '--strategy', 'context-count,interval-notifier', '--all');
    expect(code).toBe(0);
    expect(out).toContain('interval-notifier to context-count');
    const json = JSON.parse((await run('compare', 'a.json', '-s', 'mutex,spin', '--json')).out);
    expect(json.ratios[0]).toMatchObject({ reference: expect.stringContaining('mutex'), differs: expect.any(Boolean) });
  });

  it('of context-count with interval-notifier in recorded rounds: the difference that they have, and no other', async () => {
    const json = JSON.stringify(await recordedBench());
    writeFileSync(join(root, 'recorded.json'), json);
    const compare = (pair: string, ...more: string[]) => run('compare', 'recorded.json', '--strategy', pair, ...more);
    const { code, out } = await compare('context-count,interval-notifier');
    expect(code).toBe(0);
    const [head, line, ...rest] = out.split('\n');
    expect(head).toMatch(/^cell +figure +interval-notifier to context-count$/);
    expect(line).toMatch(/^refault\/interval-notifier umems=10 +refaultNs +x1\.25 1\.2[345]\.\.1\.2[567] +worse$/);
    expect(rest).toEqual([
      'note: other processes used up to 57 % of the CPU time in a round',
      'only in context-count: 1 cells, such as register/context-count umems=10',
      '1 of 2 figures differ; about 0 would by chance alone',
    ]);
    // The other way round; and the figure without a difference, when all are asked for.
    const back = (await compare('interval-notifier,context-count', '--all')).out.split('\n');
    expect(back[1]).toMatch(/^refault\/context-count umems=10 +refaultNs +x0\.80 0\.\d\d\.\.0\.8\d +better$/);
    expect(back[2]).toMatch(/^load\/context-count umems=10 +faultsPerSec +x1\.00 0\.9\d\.\.1\.0\d +=$/);
    // The rounds themselves lie so far apart that only their pairs tell it.
    const { cells } = JSON.parse(json) as BenchResult;
    const [a, b] = cells.map(({ metrics }) => metrics.refaultNs!);
    expect(a!.hi!).toBeGreaterThan(b!.lo!);
  });

  it.each([
    [['compare', 'a.json'], 'give two runs, or one run and --strategy a,b'],
    [['compare', 'a.json', 'b.json', '-s', 'a,b'], 'give two runs, or one run and --strategy a,b'],
    [['compare', 'a.json', '-s', 'mutex'], '--strategy needs two names, found 1'],
    [['compare', 'a.json', '-s', 'mutex,spim'], "the run has no 'spim'; did you mean 'spin'?"],
    [['compare', 'a.json', 'bad.json'], 'it is no bench.json of this version'],
    [['compare', 'a.json', 'gone'], 'cannot read a bench: ENOENT'],
  ])('%j: says what is wrong', async (argv, words) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});

it('odptorture schema bench prints the schema', async () => {
  const { code, out } = await run('schema', 'bench');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ title: 'odptorture bench.json' });
});
