import { describe, expect, it } from 'vitest';
import type { InjectPlan } from '../../src/trace/inject.ts';
import { litmusPlanOf, runRandom, seedOf, withLitmus } from './litmus-hosts.ts';

const SCHEDULES = 60;
const OFF = { probability: 0, interval: 1, times: -1, space: 0, failNth: 0, taskFilter: [] };

/** Of SCHEDULES schedules those in which something is wrong: by their number, with the oracles. */
async function broken(inject: InjectPlan | undefined): Promise<string[]> {
  const plan = litmusPlanOf('seed-madvise-around-register', 'private-count');
  return withLitmus(inject === undefined ? plan : { ...plan, inject }, (host) =>
    Array.from({ length: SCHEDULES }, (_, i) => runRandom(host, seedOf(i)).map(({ oracle }) => oracle)).flatMap(
      (oracles, i) => (oracles.length === 0 ? [] : [`${i}: ${oracles.join(', ')}`]),
    ),
  );
}

describe('injection in a controlled run', () => {
  it('fails the n-th call in every schedule anew, and throws no dice', async () => {
    const without = await broken(undefined);
    expect(without.length).toBeGreaterThan(0);
    // The only registration fails in each of them: nobody is there to be miscounted.
    expect(await broken({ failslab: { ...OFF, failNth: 1, taskFilter: ['T2'] } })).toEqual([]);
    // There is no second one; and a probability means nothing here.
    expect(await broken({ failslab: { ...OFF, failNth: 2, probability: 100 } })).toEqual(without);
  });
});
