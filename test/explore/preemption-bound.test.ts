import { expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { openHost } from '../../src/explore/control/host.ts';
import { H, OUTCOME } from '../../src/explore/control/sched.ts';
import { readSchedule } from '../../src/explore/control/steps.ts';
import { DepthFirst } from '../../src/explore/search/dfs.ts';
import { PreemptionBound } from '../../src/explore/search/preemption-bound.ts';
import { runStretch, type Search } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import { loadCode, MAX_STEPS, openRandomHost } from './random-program-host.ts';

/** Each schedule that a search runs, with its preemptions, in order. */
function schedulesOf({ engine }: Host, search: Search): Map<string, number> {
  const seen = new Map<string, number>();
  for (;;) {
    const request = search.next();
    if (request === null) return seen;
    const outcome = engine.run(request);
    if (outcome === OUTCOME.diverged) throw new Error('diverged');
    const schedule = readSchedule(engine.sched).join('');
    if (seen.has(schedule)) throw new Error(`${schedule} is run twice`);
    seen.set(schedule, engine.sched.s[H.preemptions]);
    search.learn(engine.sched, outcome);
  }
}

test.each([
  { threads: 2 },
  { threads: 3 },
])('$threads threads: each bound runs exactly the schedules with so many preemptions', async ({ threads }) => {
  const host = await openRandomHost(1, threads);
  try {
    for (let seed = 1; seed <= 30; seed++) {
      const where = `seed ${seed}`;
      loadCode(host, seed, threads, { asserts: seed % 2 === 0, timed: seed % 3 === 0 });
      const all = schedulesOf(host, new DepthFirst({ maxSteps: MAX_STEPS }));
      for (const maxPreemptions of [0, 1, 2, 100]) {
        const search = new PreemptionBound({ maxPreemptions });
        const some = schedulesOf(host, search);
        const expected = [...all].filter(([, preemptions]) => preemptions <= maxPreemptions);
        expect([...some].sort(), where).toEqual(expected.sort());
        // Fewest first.
        const order = [...some.values()];
        expect(order, where).toEqual([...order].sort((a, b) => a - b));
        expect(search.guarantee(), where).toMatch(
          maxPreemptions === 100 ? /^exhaustive: \d+ schedules/ : /^(all schedules with at most|exhaustive)/,
        );
        if (some.size < all.size) expect(search.guarantee(), where).not.toContain('exhaustive');
      }
    }
  } finally {
    await host.close();
  }
});

test.each([
  { name: 'model-a', preemptions: 1, most: 50 },
  { name: 'model-b', preemptions: 3, most: 8000 },
])('$name: found at bound $preemptions', async ({ name, preemptions, most }) => {
  const url = new URL(`../programs/${name}.js`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  const options = {
    threads: subject.threads,
    maxSteps: 200,
    timeouts: 0,
    hangMs: 20_000,
    granularity: 'lock',
  } as const;
  const host = await openHost({ kind: 'program', url }, subject, options);
  try {
    const search = new PreemptionBound({ maxPreemptions: 3 });
    const limits = { schedules: most, until: Number.POSITIVE_INFINITY, stopAtFirst: true };
    const { found } = runStretch(host.engine, subject, search, limits);
    expect(found.map((one) => one.preemptions)).toEqual([preemptions]);
    // The bounds before it are kept, this one is not yet.
    expect(search.guarantee()).toBe(`all schedules with at most ${preemptions - 1} preemptions`);
  } finally {
    await host.close();
  }
});
