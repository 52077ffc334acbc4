import { describe, expect, test } from 'vitest';
import { H, OUTCOME, OUTCOME_NAMES } from '../../src/explore/sched.ts';
import { expectationOf } from '../../src/torture/result.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld } from '../../src/world/world.ts';
import { LITMUS, litmusPlanOf, runRandom, seedOf, withLitmus } from './litmus-hosts.ts';

const SCHEDULES = 300;
const STRATEGIES = [
  'private-count',
  'private-count-clamped',
  'mmap-write',
  'context-count',
  'interval-notifier',
  'pinned',
] as const;

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

/** What the litmus file says that a design may earn. */
function expectedOf(name: string, strategy: string): readonly string[] {
  const plan = litmusPlanOf(name, strategy);
  const world = attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
  const { must, may } = expectationOf(world);
  return [...must, ...may];
}

describe.each(LITMUS)('%s in 300 random schedules', (name) => {
  test.each(STRATEGIES)('%s: nothing is found but what it is known for', async (strategy) => {
    const found = await sample(name, strategy);
    const allowed = expectedOf(name, strategy);
    const unexpected = [...found].filter(([oracle]) => !allowed.includes(oracle));
    expect(unexpected).toEqual([]);
    if (name === 'seed-madvise-around-register' && strategy === 'private-count')
      expect([...found.keys()]).toContain('counter-underflow');
  });
});
