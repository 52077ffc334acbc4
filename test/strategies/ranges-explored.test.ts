import { describe, expect, test } from 'vitest';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { runStretch } from '../../src/explore/search/search.ts';
import { litmusPlanOf, withLitmus } from '../explore/litmus-hosts.ts';

const BUDGET_MS = 30_000;

/** All oracles that fire in any execution of the litmus under a design with these parameters. */
async function explored(name: string, strategy: string, params: Readonly<Record<string, number>>): Promise<string[]> {
  const plan = { ...litmusPlanOf(name, strategy), params };
  return await withLitmus(plan, ({ engine, subject }) => {
    const search = new Dpor({ threads: subject.threads, maxSteps: engine.sched.maxSteps });
    const until = performance.now() + BUDGET_MS;
    const options = { schedules: Number.POSITIVE_INFINITY, until, stopAtFirst: false };
    const { found } = runStretch(engine, subject, search, options);
    expect(search.guarantee()).toMatch(/^exhaustive: \d+ executions/);
    return [...new Set(found.map(({ finding }) => finding.oracle))].sort();
  });
}

const STALE = ['data-corruption', 'entry-in-section', 'stale-dma'];

/** The litmus files say what designs earn with their defaults; this is what is left of it when there is less room. */
describe('every execution, by parameters', () => {
  test.each([
    ['seed-fault-in-section', 'range-pool', { size: 1 }, []],
    ['truncate-around-register', 'range-pool', { size: 1 }, []],
    ['seed-fault-in-section', 'range-alloc', { size: 1, failEvery: 0 }, []],
    // Nobody lists anything.
    ['seed-fault-in-section', 'range-alloc', { size: 256, failEvery: 1 }, [...STALE, 'stale-mapping']],
    // The second pass of truncate takes the entry away.
    ['truncate-around-register', 'range-alloc', { size: 256, failEvery: 1 }, STALE],
    ['seed-fault-in-section', 'pool-overflow', { size: 0 }, []],
    ['truncate-around-register', 'pool-overflow', { size: 0 }, []],
    ['seed-madvise-around-register', 'pool-overflow', { size: 0 }, []],
    ['lost-activation', 'pool-overflow', { size: 0 }, []],
    ['seed-fault-in-section', 'pool-overflow', { size: 256 }, []],
  ] as const)('%s: %s %j', async (name, strategy, params, oracles) => {
    expect(await explored(name, strategy, params)).toEqual([...oracles].sort());
  });

  // Sections of two threads, one slot: whoever comes second sleeps in start, and nobody waits for him.
  test('clamp-stolen-decrement: a pool of one does not deadlock without nesting', async () => {
    expect(await explored('clamp-stolen-decrement', 'range-pool', { size: 1 })).toEqual([]);
  });

  test('clamp-stolen-decrement: an overflow is counted right, with one slot', async () => {
    expect(await explored('clamp-stolen-decrement', 'pool-overflow', { size: 1 })).toEqual([]);
  });
});
