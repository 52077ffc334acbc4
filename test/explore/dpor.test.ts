import { expect, test } from 'vitest';
import { type Host, openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { DepthFirst } from '../../src/explore/search/dfs.ts';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { judgeSchedule, runStretch, type Search } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import { loadCode, MAX_STEPS, openRandomHost, runAll, type Seen, sorted } from './random-program-host.ts';

const compare = (a: Seen, b: Seen, where: string): void => {
  expect(a.ended && b.ended, where).toBe(true);
  expect(sorted(b.states), where).toEqual(sorted(a.states));
  expect(sorted(b.findings), where).toEqual(sorted(a.findings));
};

const EXACT = [
  { threads: 2, programs: 150, timed: false },
  { threads: 3, programs: 60, timed: false },
  { threads: 3, programs: 20, timed: true },
];

test.each(
  EXACT,
)('$programs programs of $threads threads (timed waits: $timed): one execution of each class that plain search finds', async ({
  threads,
  programs,
  timed,
}) => {
  const host = await openRandomHost(1, threads);
  let deadlocks = 0;
  let redundant = 0;
  let executions = 0;
  try {
    for (let seed = 1; seed <= programs; seed++) {
      loadCode(host, seed, threads, { asserts: false, timed });
      const all = runAll(host, new DepthFirst({ maxSteps: MAX_STEPS }));
      const dpor = new Dpor({ threads, maxSteps: MAX_STEPS });
      const some = runAll(host, dpor);
      const where = `seed ${seed}`;
      compare(all, some, where);
      expect(sorted(some.classes), where).toEqual(sorted(all.classes));
      expect(some.executions, where).toBe(all.classes.size);
      expect(dpor.guarantee(), where).toMatch(new RegExp(`^exhaustive: ${some.executions} executions`));
      if ([...all.findings].some((text) => text.startsWith('deadlock'))) deadlocks++;
      redundant += dpor.stats().redundant + dpor.stats().stuck;
      executions += some.executions;
    }
  } finally {
    await host.close();
  }
  // The programs are worth it: some block for ever. And hardly a schedule is run in vain.
  expect(deadlocks).toBeGreaterThan(programs / 20);
  expect(redundant).toBeLessThan(executions / 20);
});

const SOUND = [
  { threads: 2, programs: 80, asserts: true, timeouts: 0 },
  { threads: 3, programs: 30, asserts: true, timeouts: 0 },
  { threads: 3, programs: 12, asserts: true, timeouts: 1 },
];

test.each(
  SOUND,
)('$programs programs of $threads threads that may throw, $timeouts time-outs: all ends and all findings', async ({
  threads,
  programs,
  asserts,
  timeouts,
}) => {
  const host = await openRandomHost(1, threads, timeouts);
  let thrown = 0;
  try {
    // 142 and 745 lost an end once: what comes behind a step that throws was taken for explored.
    for (const seed of [...Array.from({ length: programs }, (_, i) => i + 1), 142, 745]) {
      loadCode(host, seed, threads, { asserts, timed: timeouts > 0 });
      const all = runAll(host, new DepthFirst({ maxSteps: MAX_STEPS }));
      const some = runAll(host, new Dpor({ threads, maxSteps: MAX_STEPS }));
      compare(all, some, `seed ${seed}`);
      if ([...all.findings].some((text) => text.startsWith('assertion'))) thrown++;
    }
  } finally {
    await host.close();
  }
  expect(thrown).toBeGreaterThan(programs / 10);
});

async function openModel(name: string): Promise<{ host: Host; threads: number }> {
  const url = new URL(`../programs/${name}.js`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  const { threads } = subject;
  const options = { threads, maxSteps: 200, timeouts: 0, hangMs: 20_000, granularity: 'lock' } as const;
  return { host: await openHost({ kind: 'program', url }, subject, options), threads };
}

/**
 * 9 and 112 inequivalent executions are known of the fixed models in the formulation that other tools were measured on; ours, with some steps cut
 * differently, has as many. Plain search over the first (10,447 schedules) meets the same 9 classes. Over the second it would not end; all 159,238
 * schedules with up to 4 preemptions meet the same 112, and 298,878 random ones 97 of these and no other.
 */
test.each([
  { name: 'model-a-fix', executions: 9 },
  { name: 'model-b-fix', executions: 112 },
])('$name: exhausted with $executions executions', async ({ name, executions }) => {
  const { host, threads } = await openModel(name);
  try {
    const dpor = new Dpor({ threads, maxSteps: 200 });
    const options = { schedules: 10_000, until: Number.POSITIVE_INFINITY, stopAtFirst: false };
    const { found, ended } = runStretch(host.engine, host.subject, dpor, options);
    expect(ended).toBe(true);
    expect(found).toEqual([]);
    expect(dpor.guarantee()).toBe(`exhaustive: ${executions} executions`);
    expect(dpor.stats()).toEqual({ complete: executions, redundant: 0, continued: 0, stuck: 0, limited: 0 });
  } finally {
    await host.close();
  }
});

test.each([
  { name: 'model-a', most: 5, text: 'count of -1' },
  { name: 'model-b', most: 200, text: 'a section that was counted ends with a mapping' },
])('$name: the race is found within $most schedules', async ({ name, most, text }) => {
  const { host, threads } = await openModel(name);
  try {
    const dpor = new Dpor({ threads, maxSteps: 200 });
    const options = { schedules: most, until: Number.POSITIVE_INFINITY, stopAtFirst: true };
    const { found } = runStretch(host.engine, host.subject, dpor, options);
    expect(found.map(({ finding }) => finding.text)).toEqual([text]);
    expect(dpor.guarantee()).toBeNull();
  } finally {
    await host.close();
  }
});

/** Ends and findings of a program, by both searches. */
async function both(
  name: string,
  state: (mem: Int32Array) => string,
): Promise<{ all: Set<string>; some: Set<string> }> {
  const { host, threads } = await openModel(name);
  const ends = (search: Search): Set<string> => {
    const seen = new Set<string>();
    for (let request = search.next(); request !== null; request = search.next()) {
      const outcome = host.engine.run(request);
      if (outcome === OUTCOME.complete) seen.add(state(host.engine.mem));
      for (const { oracle, text } of judgeSchedule(host.engine, host.subject, outcome)) seen.add(`${oracle}: ${text}`);
      search.learn(host.engine.sched, outcome);
    }
    expect(search.guarantee()).toMatch(/^exhaustive: /);
    return seen;
  };
  try {
    return { all: ends(new DepthFirst({ maxSteps: 200 })), some: ends(new Dpor({ threads, maxSteps: 200 })) };
  } finally {
    await host.close();
  }
}

test('a writer that queues between two reads of one thread: the deadlock is found', async () => {
  const { all, some } = await both('nested-read', () => 'end');
  expect(sorted(some)).toEqual(sorted(all));
  expect(sorted(some)).toEqual(['deadlock: T1 in down_read sem; T2 in down_write sem', 'end']);
});

test('a thread that spins until one of two others writes: all that it can see', async () => {
  const { all, some } = await both('spin-flag', (mem) => mem.subarray(16, 19).join(' '));
  expect(sorted(some)).toEqual(sorted(all));
  expect(some.size).toBeGreaterThan(2);
});
