import { expect, test } from 'vitest';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { readSchedule } from '../../src/explore/control/steps.ts';
import { DepthFirst } from '../../src/explore/search/dfs.ts';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { setupCode } from './random-program.ts';
import { INSTRUCTION as I } from './random-program-code.ts';
import { MAX_STEPS, openRandomHost, runAll } from './random-program-host.ts';

const load = [I.load, 0, 0];
const store = [I.store, 0, 1];

test.each([
  { code: [[...load, ...load], load], schedules: 3, states: 1 },
  {
    code: [
      [...store, ...load],
      [...load, ...load, ...load],
    ],
    schedules: 10,
    states: 4,
  },
  // Nothing can come into the middle of a section.
  {
    code: [
      [I.lock, 0, 0, ...store, I.unlock, 0, 0],
      [I.lock, 0, 0, ...load, I.unlock, 0, 0],
    ],
    schedules: 2,
    states: 2,
  },
])('every schedule of a program is run once: $schedules', async ({ code, schedules, states }) => {
  const host = await openRandomHost(1, 2);
  try {
    host.engine.restart((mem) => setupCode(mem, code));
    const search = new DepthFirst({ maxSteps: MAX_STEPS });
    const seen = new Set<string>();
    for (;;) {
      expect(search.guarantee()).toBeNull();
      const request = search.next();
      if (request === null) break;
      const outcome = host.engine.run(request);
      expect(outcome).toBe(OUTCOME.complete);
      seen.add(readSchedule(host.engine.sched).join(''));
      search.learn(host.engine.sched, outcome);
    }
    expect(seen.size).toBe(schedules);
    expect(search.guarantee()).toBe(`exhaustive: ${schedules} schedules`);
    const again = runAll(host, new DepthFirst({ maxSteps: MAX_STEPS }));
    expect([again.schedules, again.states.size]).toEqual([schedules, states]);
  } finally {
    await host.close();
  }
});

test('schedules that are cut off are said to be', async () => {
  const maxSteps = 6;
  const host = await openRandomHost(1, 2, 0, maxSteps);
  try {
    const stores = Array(4).fill(store).flat() as number[];
    host.engine.restart((mem) => setupCode(mem, [stores, stores]));
    const search = new DepthFirst({ maxSteps });
    expect(runAll(host, search).ended).toBe(true);
    // Six steps of two threads with four each: 2 + 4, 3 + 3, 4 + 2.
    expect(search.guarantee()).toBe('exhaustive up to 6 steps: 50 schedules, 50 cut off there');
    const dpor = new Dpor({ threads: 2, maxSteps });
    expect(runAll(host, dpor).ended).toBe(true);
    expect(dpor.guarantee()).toBe('exhaustive up to 6 steps: 0 executions and 50 cut off there');
  } finally {
    await host.close();
  }
});
