import { describe, expect, test } from 'vitest';
import { openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { judgeSchedule } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';

const SCHEDULES = 400;

interface Sample {
  readonly findings: ReadonlySet<string>;
  /** Schedules up to the first finding. */
  readonly first: number;
}

/** Random schedules of an example; findings as `oracle object`. */
async function sample(name: string, races: boolean): Promise<Sample> {
  // Where a reader of the repository finds it, and with the package's own name in its imports.
  const url = new URL(`../../../examples/${name}`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  const host = await openHost({ kind: 'program', url }, subject, {
    ...{ threads: subject.threads, maxSteps: 500, timeouts: 0, hangMs: 5000 },
    ...{ granularity: 'lock', races },
  });
  const findings = new Set<string>();
  let first = Number.POSITIVE_INFINITY;
  try {
    for (let i = 1; i <= SCHEDULES; i++) {
      const outcome = host.engine.run({ prefix: [], policy: pickerId('random'), seed: Math.imul(i, 0x9e3779b9) | 1 });
      expect([OUTCOME.complete, OUTCOME.deadlock, OUTCOME.threw]).toContain(outcome);
      for (const { oracle, object } of judgeSchedule(host.engine, subject, outcome)) {
        findings.add(`${oracle} ${object}`.trim());
        first = Math.min(first, i);
      }
    }
  } finally {
    await host.close();
  }
  return { findings, first };
}

describe('the examples show what they are there to show', () => {
  test.each([
    ['broken-queue.mjs', false, ['assertion']],
    ['broken-queue.mjs', true, ['assertion', 'data-race slots']],
    ['lost-wake-up.mjs', true, ['deadlock signal']],
    ['seqlock.mjs', true, ['assertion']],
  ])('%s (races: %s)', async (name, races, expected) => {
    const { findings, first } = await sample(name, races);
    expect([...findings].sort()).toEqual(expected);
    expect(first).toBeLessThan(100);
  });
});

test.each(['broken-queue.mjs#fixed', 'lost-wake-up.mjs#fixed', 'seqlock.mjs#fixed'])('%s is right', async (name) => {
  const { findings } = await sample(name, true);
  expect([...findings]).toEqual([]);
});
