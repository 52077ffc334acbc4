import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { createNovelty } from '../../src/explore/search/novelty.ts';
import { createMix, createSampler } from '../../src/explore/search/sampler.ts';
import { type Found, runStretch, type Search } from '../../src/explore/search/search.ts';
import { openProgram } from '../programs/open.ts';
import { SCT_PROGRAMS } from '../programs/sct/index.ts';

const SEARCHES: readonly (readonly [string, (seed: number) => Search])[] = [
  ['pct', (seed) => createSampler('pct', { seed, depth: 3 })],
  ['pos', (seed) => createSampler('pos', { seed })],
  ['surw', (seed) => createSampler('surw', { seed })],
  ['mix', (seed) => createMix({ seed })],
  ['novelty', (seed) => createNovelty({ seed })],
];
const SEEDS = [101, 102, 103];
const SCHEDULES = 2000;

describe.each(SCT_PROGRAMS)('$name', ({ name, url, program }) => {
  let host: Host;
  beforeAll(async () => {
    host = await openProgram(url, name);
  });
  afterAll(() => host.close());

  const search = (create: (seed: number) => Search, seed: number): Found | undefined =>
    runStretch(host.engine, host.subject, create(seed), {
      schedules: SCHEDULES,
      until: Number.POSITIVE_INFINITY,
      stopAtFirst: true,
    }).found[0];

  test.each(SEARCHES)('is found by %s', (_name, create) => {
    for (const seed of SEEDS) {
      const found = search(create, seed);
      expect(found, `seed ${seed}`).toBeDefined();
      expect(found!.finding.oracle).toBe(name === 'deadlock01' ? 'deadlock' : 'assertion');
    }
  });

  test('is shown again by the schedule that was found', () => {
    const found = search((seed) => createMix({ seed }), SEEDS[0]!)!;
    const again = runStretch(host.engine, host.subject, once(found.schedule), {
      schedules: 1,
      until: Number.POSITIVE_INFINITY,
      stopAtFirst: true,
    });
    expect(again.found[0]?.finding).toEqual(found.finding);
    expect(again.found[0]?.schedule).toEqual(found.schedule);
  });

  test('is not in every schedule', () => {
    // Any thread first, each to its end where it can: some of these are right.
    const right = program.threads.some((_, first) => {
      const { found } = runStretch(host.engine, host.subject, once([first]), {
        schedules: 1,
        until: Number.POSITIVE_INFINITY,
        stopAtFirst: true,
      });
      return found.length === 0;
    });
    expect(right).toBe(true);
  });
});

/** One schedule: `prefix`, and then each thread for as long as it can. */
const once = (prefix: readonly number[]): Search => ({
  name: 'replay',
  next: () => ({ prefix, policy: 0, seed: 1 }),
  learn: () => {},
  guarantee: () => null,
});
