import { describe, expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { executionHash } from '../../src/explore/search/hash.ts';
import { judgeSchedule, runStretch } from '../../src/explore/search/search.ts';
import { exploringPlan } from '../../src/explore/subject/litmus-plan.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { layoutWorld } from '../../src/world/world.ts';
import { expectedOf, litmusPlanOf, seedOf, withLitmus } from './litmus-hosts.ts';

const BUDGET_MS = 30_000;

/** All inequivalent executions of a litmus; the oracles that fire in any of them. */
function exhaust({ engine, subject }: Host): { guarantee: string | null; oracles: Set<string>; schedules: number } {
  const search = new Dpor({ threads: subject.threads, maxSteps: engine.sched.maxSteps });
  const until = performance.now() + BUDGET_MS;
  const { found, schedules } = runStretch(engine, subject, search, {
    schedules: Number.POSITIVE_INFINITY,
    until,
    stopAtFirst: false,
  });
  return { guarantee: search.guarantee(), oracles: new Set(found.map((one) => one.finding.oracle)), schedules };
}

const TWO_THREADS = [
  'seed-madvise-around-register',
  'seed-fault-in-section',
  'truncate-around-register',
  'lost-activation',
];
const NAMES = STRATEGIES.map(({ name }) => name);

describe.each(TWO_THREADS)('%s, every execution', (name) => {
  test.each(NAMES)('%s earns exactly what the file says', async (strategy) => {
    const plan = litmusPlanOf(name, strategy);
    const { must, may } = expectedOf(plan);
    const { guarantee, oracles } = await withLitmus(plan, exhaust);
    expect(guarantee).toMatch(/^exhaustive: \d+ executions/);
    expect([...must].filter((oracle) => !oracles.has(oracle))).toEqual([]);
    expect([...oracles].filter((oracle) => !must.includes(oracle) && !may.includes(oracle))).toEqual([]);
  });
});

test('three threads: interval-notifier is clean in every execution, the clamped count is not', async () => {
  const { guarantee, oracles } = await withLitmus(litmusPlanOf('clamp-stolen-decrement', 'interval-notifier'), exhaust);
  expect(guarantee).toMatch(/^exhaustive: \d+ executions/);
  expect(oracles.size).toBe(0);
  const clamped = litmusPlanOf('clamp-stolen-decrement', 'private-count-clamped');
  const found = await withLitmus(clamped, ({ engine, subject }) => {
    const search = new Dpor({ threads: subject.threads, maxSteps: engine.sched.maxSteps });
    const until = performance.now() + BUDGET_MS;
    return runStretch(engine, subject, search, { schedules: 20_000, until, stopAtFirst: true }).found;
  });
  expect(expectedOf(clamped).must.concat(expectedOf(clamped).may)).toContain(found[0]?.finding.oracle);
});

/**
 * What the proofs stand on: threads reach each other through steps alone. Two schedules of one class differ only in the order of steps that
 * commute; had anything else passed between the threads, they would not end in the same memory with the same findings.
 */
test.each([
  ['seed-fault-in-section', 'private-count'],
  ['truncate-around-register', 'interval-notifier'],
  ['clamp-stolen-decrement', 'context-count'],
])('%s under %s: equivalent schedules end alike', async (name, strategy) => {
  const plan = litmusPlanOf(name, strategy);
  // Behind these words lie the oracles' own: times, and figures of what overlapped.
  const words = layoutWorld(exploringPlan(plan)).regions['oracle.counts']!.base;
  await withLitmus(plan, ({ engine, subject }) => {
    const classes = new Map<number, { end: Int32Array; findings: string; seed: number }>();
    let again = 0;
    for (let i = 0; i < 600; i++) {
      const seed = seedOf(i);
      const outcome = engine.run({ prefix: [], policy: 1, seed });
      const hash = executionHash(engine.sched);
      const end = engine.mem.slice(0, words);
      const found = judgeSchedule(engine, subject, outcome).map(({ oracle, object }) => `${oracle} ${object}`);
      const findings = found.sort().join('; ');
      const before = classes.get(hash);
      if (before === undefined) {
        classes.set(hash, { end: Int32Array.from(end), findings, seed });
        continue;
      }
      again++;
      const other = end.findIndex((word, at) => word !== before.end[at]);
      const where = `seeds ${before.seed} and ${seed}`;
      expect(other < 0 ? 'alike' : subject.nameOf(other), where).toBe('alike');
      expect(findings, where).toBe(before.findings);
    }
    expect(classes.size).toBeGreaterThan(5);
    expect(again).toBeGreaterThan(100);
  });
});

test('what the oracles saw is told also of a schedule that is cut off', async () => {
  const plan = litmusPlanOf('seed-fault-in-section', 'private-count');
  await withLitmus(
    plan,
    ({ engine, subject }) => {
      for (let i = 0; i < 200; i++) {
        const outcome = engine.run({ prefix: [], policy: 1, seed: seedOf(i) });
        const oracles = judgeSchedule(engine, subject, outcome).map(({ oracle }) => oracle);
        if (outcome !== OUTCOME.stepLimit || oracles.length === 0) continue;
        // The audit that would find the count at rest has not run.
        expect(oracles).toEqual(['counter-underflow']);
        return;
      }
      expect.unreachable('no finding in a schedule that is cut off');
    },
    90,
  );
});
