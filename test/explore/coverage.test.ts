import { afterAll, describe, expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { conflicts, OUTCOME } from '../../src/explore/control/sched.ts';
import { readSchedule, readSteps, type Step } from '../../src/explore/control/steps.ts';
import { createCoverage, mergeCoverage, summarizeCoverage } from '../../src/explore/search/coverage.ts';
import { executionHash } from '../../src/explore/search/hash.ts';
import { createMix, createSampler } from '../../src/explore/search/sampler.ts';
import type { Search } from '../../src/explore/search/search.ts';
import { openTestProgram, runAllSchedules } from '../programs/open.ts';

const hosts = new Map<string, Host>();
afterAll(() => Promise.all([...hosts.values()].map((host) => host.close())));
async function hostOf(file: string): Promise<Host> {
  const host = hosts.get(file) ?? (await openTestProgram(file));
  hosts.set(file, host);
  return host;
}

const dependent = (a: Step, b: Step): boolean => a.tid === b.tid || conflicts(a.addr, a.access, b.addr, b.access);

/** The execution written out, in another way than the hash goes: each step with all earlier steps that it depends on. */
function canonical(steps: readonly Step[]): string {
  const counts = new Map<number, number>();
  const ids = steps.map(({ tid }) => {
    const n = counts.get(tid) ?? 0;
    counts.set(tid, n + 1);
    return `${tid}.${n}`;
  });
  const lines = steps.map((step, i) => {
    const before = ids.filter((_, j) => j < i && (dependent(steps[j]!, step) || step.cause === j));
    return `${ids[i]} ${step.op} ${step.access === 0 ? '' : step.addr} ${step.access}: ${before.sort().join(' ')}`;
  });
  return lines.sort().join('\n');
}

describe('every schedule of a tiny program', () => {
  test.each([
    ['writers', 21, 21],
    ['one-writer', 6, 4],
    ['readers', 20, 1],
    ['reader-writer', null, 4],
    ['critical-sections', null, 6],
    ['sleeper', null, 3],
  ])('%s: counts as many executions as were counted by hand', async (name, schedules, executions) => {
    const host = await hostOf(`tiny/${name}`);
    const hashes = new Set<number>();
    const n = runAllSchedules(host, () => hashes.add(executionHash(host.engine.sched)));
    if (schedules !== null) expect(n).toBe(schedules);
    expect(hashes.size).toBe(executions);
    for (const hash of hashes) expect(Number.isSafeInteger(hash)).toBe(true);
  });
});

describe('the hash of an execution', () => {
  test.each([
    ['model-b', 21],
    ['sct/stringbuffer-jdk1.4', 22],
    ['sct/deadlock01', 23],
  ])('%s: is the same for the same execution and another for another (seed %i)', async (file, seed) => {
    const { engine } = await hostOf(file);
    const search = createMix({ seed });
    const hashOf = new Map<string, number>();
    for (let i = 0; i < 1500; i++) {
      search.learn(engine.sched, engine.run(search.next()!));
      const hash = executionHash(engine.sched);
      const text = canonical(readSteps(engine.sched));
      expect(hashOf.get(text) ?? hash).toBe(hash);
      hashOf.set(text, hash);
    }
    expect(new Set(hashOf.values()).size).toBe(hashOf.size);
  });

  test('stays when neighbours that commute are swapped, and changes when they do not (seed 31)', async () => {
    const { engine } = await hostOf('model-b');
    const search = createSampler('random', { seed: 31 });
    let commuting = 0;
    let conflicting = 0;
    for (let i = 0; i < 600; i++) {
      if (engine.run(search.next()!) !== OUTCOME.complete) continue;
      const before = executionHash(engine.sched);
      const steps = readSteps(engine.sched);
      const schedule = readSchedule(engine.sched);
      const at = (i * 7) % (steps.length - 1);
      const [a, b] = [steps[at]!, steps[at + 1]!];
      if (a.tid === b.tid || (a.enabled & (1 << b.tid)) === 0) continue;
      schedule[at] = b.tid;
      schedule[at + 1] = a.tid;
      if (!dependent(a, b)) {
        expect(engine.run({ prefix: schedule, policy: 0, seed: 1 })).toBe(OUTCOME.complete);
        expect(readSchedule(engine.sched)).toEqual(schedule);
        expect(executionHash(engine.sched)).toBe(before);
        commuting++;
      } else if (engine.run({ prefix: schedule.slice(0, at + 1), policy: 0, seed: 1 }) === OUTCOME.complete) {
        expect(executionHash(engine.sched)).not.toBe(before);
        conflicting++;
      }
    }
    expect(commuting).toBeGreaterThan(20);
    expect(conflicting).toBeGreaterThan(3);
  });
});

describe('coverage', () => {
  const SEED = 41;
  async function cover(file: string, search: Search, n: number, coverage = createCoverage()) {
    const { engine } = await hostOf(file);
    for (let i = 0; i < n; i++) {
      const outcome = engine.run(search.next()!);
      coverage.note(engine.sched, outcome);
      search.learn(engine.sched, outcome);
    }
    return coverage;
  }

  test.each([
    ['model-a-fix', 9, 1500],
    ['model-b-fix', 112, 12_000],
  ])('%s: samples all of its %i executions, and knows that it has', async (file, executions, schedules) => {
    const coverage = await cover(file, createMix({ seed: SEED }), schedules);
    const summary = coverage.summary();
    expect(summary).toMatchObject({ schedules, executions, atLeast: false, tree: null });
    expect(summary.estimate).toBeLessThan(executions + 3);
    expect(coverage.share()).toBeGreaterThan(0.99);
  });

  test('only a small share is seen of a program with many executions', async () => {
    const coverage = await cover('sct/stack', createSampler('random', { seed: SEED }), 300);
    const { executions, estimate } = coverage.summary();
    expect(coverage.share()).toBeLessThan(0.5);
    expect(estimate).toBeGreaterThan(1.5 * executions);
  });

  test('random walks estimate the number of schedules', async () => {
    const host = await hostOf('tiny/critical-sections');
    const schedules = runAllSchedules(host, () => {});
    const coverage = await cover('tiny/critical-sections', createSampler('random', { seed: SEED }), 2000);
    const { tree } = coverage.summary();
    expect(tree).toBeGreaterThan(0.9 * schedules);
    expect(tree).toBeLessThan(1.1 * schedules);
  });

  test('hand-offs are pairs of steps of two threads on one word', async () => {
    const host = await hostOf('tiny/one-writer');
    const coverage = createCoverage();
    runAllSchedules(host, () => coverage.note(host.engine.sched, OUTCOME.complete));
    // The write hands to either read, and either read to the write.
    expect(coverage.summary().handOffs).toBe(4);
  });

  test('parts add up to the whole, whether told at once or bit by bit', async () => {
    const whole = await cover('model-b', createSampler('random', { seed: SEED }), 600);
    const told = createCoverage();
    const parts = [];
    for (const first of [0, 1, 2]) {
      const search = createSampler('random', { seed: SEED, first, stride: 3 });
      const part = createCoverage();
      expect(part.takeDelta()).toBeNull();
      for (let stretch = 0; stretch < 4; stretch++) {
        await cover('model-b', search, 50, part);
        told.add(structuredClone(part.takeDelta()!));
        expect(part.takeDelta()).toBeNull();
      }
      parts.push(part.snapshot());
    }
    const expected = whole.summary();
    for (const { tree, ...rest } of [summarizeCoverage(mergeCoverage(parts)), told.summary()]) {
      const { tree: wholeTree, ...wholeRest } = expected;
      expect(rest).toEqual(wholeRest);
      expect(tree! / wholeTree!).toBeCloseTo(1, 9);
    }
  });

  test('says "at least" when there are more executions than it keeps', async () => {
    const exact = await cover('model-b', createSampler('random', { seed: SEED }), 400);
    const coverage = createCoverage({ keepMax: 50 });
    await cover('model-b', createSampler('random', { seed: SEED }), 400, coverage);
    expect(exact.summary().executions).toBeGreaterThan(50);
    expect(coverage.summary()).toMatchObject({ schedules: 400, executions: 50, atLeast: true });
    expect(coverage.share()).toBeLessThan(exact.share());
  });

  test('schedules that are no executions of the program do not count', async () => {
    const host = await hostOf('model-a');
    host.engine.run({ prefix: [], policy: 1, seed: 1 });
    const coverage = createCoverage();
    for (const outcome of [OUTCOME.redundant, OUTCOME.diverged, OUTCOME.hung]) {
      coverage.note(host.engine.sched, outcome);
    }
    expect(coverage.summary().schedules).toBe(0);
    expect(coverage.share()).toBe(0);
  });
});
