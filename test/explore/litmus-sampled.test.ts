import { describe, expect, test } from 'vitest';
import { H, OUTCOME, OUTCOME_NAMES } from '../../src/explore/control/sched.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { expectedOf, litmusPlanOf, runRandom, seedOf, withLitmus } from './litmus-hosts.ts';

const SCHEDULES = 120;
const NAMES = STRATEGIES.map(({ name }) => name);

/** Oracles by name, each with the seed of the first schedule that showed it. */
async function sample(name: string, strategy: string): Promise<Map<string, number>> {
  return await withLitmus(litmusPlanOf(name, strategy), (host) => {
    const found = new Map<string, number>();
    for (let i = 0; i < SCHEDULES; i++) {
      const seed = seedOf(i);
      for (const { oracle } of runRandom(host, seed)) if (!found.has(oracle)) found.set(oracle, seed);
      const outcome = host.engine.sched.s[H.outcome]!;
      expect(OUTCOME_NAMES[outcome], `seed ${seed}`).toBe(OUTCOME_NAMES[OUTCOME.complete]);
    }
    return found;
  });
}

// The others are run in every order in litmus-proved.test.ts.
describe.each(['clamp-stolen-decrement'])('%s in 120 random schedules', (name) => {
  test.each(NAMES)('%s: nothing is found but what it is known for', async (strategy) => {
    const found = await sample(name, strategy);
    const { must, may } = expectedOf(litmusPlanOf(name, strategy));
    const allowed = [...must, ...may];
    const unexpected = [...found].filter(([oracle]) => !allowed.includes(oracle));
    expect(unexpected).toEqual([]);
  });
});
