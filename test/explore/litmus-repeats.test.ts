import { expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { H, LOG_WORDS, OUTCOME } from '../../src/explore/control/sched.ts';
import { readLabels, readSchedule } from '../../src/explore/control/steps.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { judgeSchedule } from '../../src/explore/search/search.ts';
import { pointName } from '../../src/trace/points.ts';
import { litmusPlanOf, runRandom, seedOf, withLitmus } from './litmus-hosts.ts';

/** Every word of every step: thread, operation, address, operand, value, access, who could run. */
const logOf = ({ engine: { sched } }: Host): string =>
  sched.s.subarray(sched.log, sched.log + sched.s[H.steps]! * LOG_WORDS).join();

test.each([
  ['clamp-stolen-decrement', 'private-count'],
  ['clamp-stolen-decrement', 'interval-notifier'],
  ['truncate-around-register', 'context-count'],
])('%s under %s does the same a hundred times out of a hundred', async (name, strategy) => {
  await withLitmus(litmusPlanOf(name, strategy), (host) => {
    // Other schedules, with their findings, run in between: nothing of them may be left.
    const first = new Map<number, string>();
    for (let round = 0; round < 10; round++)
      for (let i = 0; i < 10; i++) {
        const seed = seedOf(i);
        const findings = runRandom(host, seed);
        const text = `${logOf(host)} ${JSON.stringify(findings)}`;
        if (!first.has(seed)) first.set(seed, text);
        expect(text === first.get(seed), `round ${round}, seed ${seed}`).toBe(true);
      }
    expect(new Set(first.values()).size).toBeGreaterThan(1);
  });
});

test('a schedule repeats from its tids alone, on other threads, with the same findings', async () => {
  const plan = litmusPlanOf('seed-fault-in-section', 'private-count');
  const shown = await withLitmus(plan, (host) => {
    for (let i = 0; ; i++) {
      const findings = runRandom(host, seedOf(i));
      if (findings.length > 0) return { schedule: readSchedule(host.engine.sched), log: logOf(host), findings };
      expect(i, 'no schedule with a finding').toBeLessThan(200);
    }
  });
  await withLitmus(plan, (host) => {
    const { engine, subject } = host;
    const outcome = engine.run({ prefix: shown.schedule, policy: pickerId('continue'), seed: 1 });
    expect(logOf(host) === shown.log).toBe(true);
    expect(judgeSchedule(engine, subject, outcome)).toEqual(shown.findings);
  });
});

test('recording adds labels, and changes nothing else', async () => {
  await withLitmus(litmusPlanOf('seed-madvise-around-register', 'interval-notifier'), (host) => {
    for (let i = 0; i < 10; i++) {
      runRandom(host, seedOf(i));
      expect(readLabels(host.engine.sched)).toEqual([]);
      const plain = logOf(host);
      runRandom(host, seedOf(i), true);
      expect(logOf(host) === plain).toBe(true);
      const points = readLabels(host.engine.sched).map(({ tid, point }) => `${tid} ${pointName(point)}`);
      expect(points.slice(0, 1)).toEqual([expect.stringMatching(/ verb\.begin$/)]);
      expect(points).toEqual(expect.arrayContaining(['0 section.started', '0 section.ended', '1 register.done']));
      expect(points.filter((text) => text.endsWith('verb.end'))).toHaveLength(2);
    }
  });
});

test('what a schedule does to the arena is undone before the next', async () => {
  await withLitmus(litmusPlanOf('truncate-around-register', 'private-count'), (host) => {
    const { engine } = host;
    const request = { prefix: [], policy: pickerId('continue'), seed: 1 };
    expect(engine.run(request)).toBe(OUTCOME.complete);
    const end = Int32Array.from(engine.mem.subarray(0, host.subject.resetWords));
    for (let i = 0; i < 20; i++) runRandom(host, seedOf(i));
    engine.run(request);
    expect(engine.mem.subarray(0, host.subject.resetWords).every((word, i) => word === end[i])).toBe(true);
  });
});
