import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Pool } from '../../src/explore/pipeline/coordinator.ts';
import { Pipeline, type PipelineOptions, type PipelineState, startState } from '../../src/explore/pipeline/pipeline.ts';
import { allowedCores, parseCores } from '../../src/explore/pipeline/process.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { model, writeProgram } from '../cli/explore-programs.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'odp-pool-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const pools: Pool[] = [];
const notes: string[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  notes.length = 0;
});

async function open(file: string, processes: number): Promise<Pool> {
  const cores = allowedCores();
  const pool = await Pool.open({
    request: {
      spec: { kind: 'program', url: pathToFileURL(file).href },
      options: { granularity: 'lock', maxSteps: 1000, timeouts: 0, hangMs: 2000 },
    },
    cores: Array.from({ length: processes }, (_, i) => cores[i % cores.length]!),
    note: (text) => notes.push(text),
  });
  pools.push(pool);
  return pool;
}

const OPTIONS: PipelineOptions = {
  policy: 'default',
  bound: null,
  schedules: null,
  durationMs: 20_000,
  seed: 11,
  stopAtFirst: true,
  maxSteps: 1000,
};

function run(
  pool: Pool,
  options: Partial<PipelineOptions>,
  from = startState(),
  signal = new AbortController().signal,
) {
  const hooks = { signal, progress: () => {}, checkpoint: () => {}, note: () => {} };
  return new Pipeline(pool, { ...OPTIONS, ...options }, hooks, from).run();
}
const executions = (state: PipelineState): number[] => [...state.coverage!.snapshot.executions].sort();

describe('cores', () => {
  it('are read from what the system says', () => {
    expect(parseCores('0')).toEqual([0]);
    expect(parseCores('0-3,8')).toEqual([0, 1, 2, 3, 8]);
    expect(parseCores('2,5-6')).toEqual([2, 5, 6]);
    expect(allowedCores().length).toBeGreaterThan(0);
  });
});

describe('processes that explore one program', () => {
  it('say what it is, and run the schedules that were asked for, to the last one', async () => {
    const pool = await open(model('model-b-fix'), 2);
    expect(pool.facts).toMatchObject({ name: 'model-b-fix', unseen: [] });
    expect(pool.facts.names).toHaveLength(3);
    const state = await run(pool, { policy: 'mix', schedules: 3001 });
    expect(state.tally).toMatchObject({ schedules: 3001, cut: 0, redundant: 0 });
    expect(state.coverage!.snapshot.schedules).toBe(3001);
    expect(notes).toEqual([]);
  });

  it('see the same executions, one or two of them, in one run or in two', async () => {
    const file = writeProgram(dir, 'wide');
    const one = await run(await open(file, 1), { policy: 'mix', schedules: 1500 });
    const two = await open(file, 2);
    const half = await run(two, { policy: 'mix', schedules: 700 });
    // What a checkpoint holds is plain data.
    const whole = await run(two, { policy: 'mix', schedules: 1500 }, JSON.parse(JSON.stringify(half)));
    expect(half.tally.schedules).toBe(700);
    expect(whole.tally.schedules).toBe(1500);
    expect(executions(whole)).toEqual(executions(one));
  });

  it('a search that came to its end is not repeated when another run goes on', async () => {
    const pool = await open(model('model-b-fix'), 1);
    const bounded = await run(pool, { policy: 'bound', bound: 2 });
    expect(bounded).toMatchObject({ guarantee: 'all schedules with at most 2 preemptions', proved: false });
    const state = await run(pool, {}, bounded);
    expect(state).toMatchObject({ guarantee: 'exhaustive: 112 executions', proved: true });
    expect(state.phases.map(({ name }) => name)).toEqual(['bound', 'dpor']);
  });

  it('novelty runs until it finds something', async () => {
    const state = await run(await open(model('model-a'), 2), { policy: 'novelty' });
    expect(state.found.map(({ finding }) => finding.text)).toEqual(['count of -1']);
  });

  it.runIf(process.platform === 'linux')('lose nothing and count nothing twice when one is killed', async () => {
    const pool = await open(writeProgram(dir, 'wide'), 2);
    const ended = run(pool, { policy: 'pos', schedules: 8000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(pool.pids()[0]!, 'SIGKILL');
    const state = await ended;
    expect(state.tally.schedules).toBe(8000);
    expect(pool.restarts).toBe(1);
    expect(notes).toEqual([expect.stringMatching(/^process \d+ ended: SIGKILL; another one does its work again$/)]);
  });

  it('share the search of a tree, and begin it again when one of them is killed', async () => {
    const pool = await open(writeProgram(dir, 'wide'), 2);
    const ended = run(pool, { policy: 'dpor', durationMs: 3000 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.kill(pool.pids()[1]!, 'SIGKILL');
    const state = await ended;
    expect(state.tally.schedules).toBeGreaterThan(0);
    expect(state).toMatchObject({ proved: false, guarantee: null });
    expect(pool.restarts).toBe(1);
    const proof = await run(await open(model('model-b-fix'), 2), { policy: 'dpor' });
    expect(proof).toMatchObject({ proved: true });
    expect(proof.guarantee).toMatch(/^exhaustive: 11\d executions$/);
  });

  it('end between two stretches when they are told to', async () => {
    const pool = await open(writeProgram(dir, 'wide'), 2);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 400);
    const state = await run(pool, { policy: 'random', durationMs: 60_000 }, startState(), controller.signal);
    expect(state.tally.schedules).toBeGreaterThan(0);
    const { next, left } = state.sampler!;
    // Every number was run, or is named as left.
    expect(next - left.reduce((sum, [, count]) => sum + count, 0)).toBe(state.tally.schedules);
  });

  it('make a finding small, and it repeats', async () => {
    const pool = await open(model('model-b'), 1);
    const { found } = await run(pool, { policy: 'pos' });
    const how = { search: 'pos', seed: OPTIONS.seed, schedules: 1 };
    const small = await pool.shrink({ kind: 'shrink', found: found[0]!, boundKept: -1, how, budgetMs: 10_000 });
    expect(small!.replay.preemptions).toBeLessThanOrEqual(found[0]!.preemptions);
    expect(small!.picture.finding).toEqual(small!.replay.finding);
    expect(small!.race).toBeNull();
    // A schedule that does not show it is no finding.
    const wrong = { ...found[0]!, finding: { oracle: 'deadlock', object: 'no such', text: '' } };
    expect(await pool.shrink({ kind: 'shrink', found: wrong, boundKept: -1, how, budgetMs: 1000 })).toBeNull();
  });

  it('refuse a program that cannot be explored, with the code', async () => {
    const error = await open(writeProgram(dir, 'no-threads'), 2).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OdpError);
    expect((error as OdpError).code).toBe('ODP_E_PROGRAM_INVALID');
  });
});
