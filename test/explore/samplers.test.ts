import { afterAll, describe, expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { readSchedule } from '../../src/explore/control/steps.ts';
import { PICKERS } from '../../src/explore/policies/index.ts';
import { createNovelty } from '../../src/explore/search/novelty.ts';
import { createProfile } from '../../src/explore/search/profile.ts';
import { createMix, createSampler, SAMPLERS, type SamplerOptions } from '../../src/explore/search/sampler.ts';
import type { Search } from '../../src/explore/search/search.ts';
import { openTestProgram } from '../programs/open.ts';

const hosts = new Map<string, Host>();
afterAll(() => Promise.all([...hosts.values()].map((host) => host.close())));

/** One host a program for the whole file: starting threads is what takes time. */
async function hostOf(file: string): Promise<Host> {
  const host = hosts.get(file) ?? (await openTestProgram(file));
  hosts.set(file, host);
  return host;
}

function sample({ engine }: Host, search: Search, n: number): { schedules: string[]; threw: number } {
  const schedules: string[] = [];
  let threw = 0;
  for (let i = 0; i < n; i++) {
    const outcome = engine.run(search.next()!);
    expect([OUTCOME.complete, OUTCOME.threw, OUTCOME.deadlock]).toContain(outcome);
    search.learn(engine.sched, outcome);
    if (outcome === OUTCOME.threw) threw++;
    schedules.push(readSchedule(engine.sched).join(''));
  }
  return { schedules, threw };
}

const ALL: readonly [string, (options: SamplerOptions) => Search][] = [
  ...SAMPLERS.map((name): [string, (options: SamplerOptions) => Search] => [
    name,
    (options) => createSampler(name, options),
  ]),
  ['mix', createMix],
  ['novelty', createNovelty],
];

describe.each(ALL)('%s', (_name, create) => {
  test('runs the same schedules for the same seed, and others for another', async () => {
    const host = await hostOf('model-b');
    const first = sample(host, create({ seed: 7 }), 200).schedules;
    expect(sample(host, create({ seed: 7 }), 200).schedules).toEqual(first);
    expect(sample(host, create({ seed: 8 }), 200).schedules).not.toEqual(first);
  });

  test('claims nothing', async () => {
    const search = create({ seed: 1 });
    sample(await hostOf('model-a'), search, 20);
    expect(search.guarantee()).toBeNull();
  });
});

describe.each(ALL.slice(0, -1))('shards of %s', (_name, create) => {
  test.each([2, 3])('%i searches with a stride run together what one without runs', (stride) => {
    const named = (search: Search, n: number) =>
      Array.from({ length: n }, () => search.next()!).map(({ policy, seed }) => `${PICKERS[policy]!.name} ${seed}`);
    const whole = named(create({ seed: 3 }), 30 * stride);
    const parts = Array.from({ length: stride }, (_, first) => named(create({ seed: 3, first, stride }), 30));
    expect(whole).toEqual(whole.map((_, i) => parts[i % stride]![Math.floor(i / stride)]));
    expect(new Set(whole).size).toBe(whole.length);
  });
});

test('the mix is two fifths POS, two fifths SURW and one fifth PCT in every ten schedules', () => {
  const search = createMix({ seed: 5 });
  for (let block = 0; block < 20; block++) {
    const names = Array.from({ length: 10 }, () => PICKERS[search.next()!.policy]!.name).sort();
    expect(names.join(' ')).toBe('pct pct pos pos pos pos surw surw surw surw');
  }
});

describe('interleavings of two stores and five to one word', () => {
  const SEED = 11;
  const CASES = 21;
  const SAMPLES = 4200;
  /** Of a chi-square with 20 degrees of freedom, one in a thousand is greater. */
  const CRITICAL = 45.3;

  async function chiSquare(search: Search): Promise<{ cases: number; sum: number }> {
    const host = await hostOf('tiny/writers');
    // SURW learns in the first schedule how many steps there are.
    sample(host, search, 1);
    const counts = new Map<string, number>();
    for (const schedule of sample(host, search, SAMPLES).schedules) {
      counts.set(schedule, (counts.get(schedule) ?? 0) + 1);
    }
    const expected = SAMPLES / CASES;
    const unseen = (CASES - counts.size) * expected;
    return {
      cases: counts.size,
      sum: [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, unseen),
    };
  }

  test(`are equally probable with SURW (seed ${SEED})`, async () => {
    const { cases, sum } = await chiSquare(createSampler('surw', { seed: SEED }));
    expect(cases).toBe(CASES);
    expect(sum).toBeLessThan(CRITICAL);
  });

  test(`are not with a random walk (seed ${SEED}): so the test can tell`, async () => {
    const { sum } = await chiSquare(createSampler('random', { seed: SEED }));
    expect(sum).toBeGreaterThan(10 * CRITICAL);
  });
});

test('PCT keeps its promise for a bug of depth 2', async () => {
  // Two threads; the bug needs the writer to stop between its two stores while the other looks: it has at most 6 contended steps.
  const host = await hostOf('tiny/halfway');
  const SAMPLES = 3000;
  const { threw } = sample(host, createSampler('pct', { seed: 4, depth: 2 }), SAMPLES);
  const promised = SAMPLES / (2 * 6);
  expect(threw).toBeGreaterThan(promised - 3 * Math.sqrt(promised));
});

test('SURW does not mind that threads begin late (seeds 1 to 10)', async () => {
  const host = await hostOf('sct/reorder-5-created');
  let schedules = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const search = createSampler('surw', { seed });
    let threw = false;
    for (; !threw && schedules < 2000; schedules++) {
      const outcome = host.engine.run(search.next()!);
      search.learn(host.engine.sched, outcome);
      threw = outcome === OUTCOME.threw;
    }
    expect(threw, `seed ${seed}`).toBe(true);
  }
  // About ten for each; a random walk needs tens of thousands.
  expect(schedules).toBeLessThan(300);
});

describe('what earlier schedules tell', () => {
  async function contendedWords(file: string): Promise<string[]> {
    const host = await hostOf(file);
    const profile = createProfile();
    const search = createSampler('pos', { seed: 9 });
    for (let i = 0; i < 200; i++) profile.learn(host.engine.sched, host.engine.run(search.next()!));
    return profile
      .contended()
      .map(({ addr, guarded, steps }) => `${host.subject.nameOf(addr)}${guarded ? ' guarded' : ''} ${steps.join('+')}`);
  }

  test('a word that is always used under one lock is guarded by it', async () => {
    const host = await hostOf('tiny/critical-sections');
    expect(host.subject.threads).toBe(3);
    // y is only read: nobody contends for it. Releases are no interesting steps.
    expect(await contendedWords('tiny/critical-sections')).toEqual(['lock 1+1+1', 'x guarded 2+2+2']);
  });

  test('the locks of two stages do not guard what is used under either', async () => {
    const words = (await contendedWords('sct/twostage')).map((text) => text.replace(/ [\d.+]+$/, ''));
    expect(words).toEqual(['lock1', 'lock2', 'data1', 'data2 guarded']);
  });

  test('a lock taken for reading guards what is written under it taken for writing, and nothing else', async () => {
    expect(await contendedWords('model-b-fix')).toContainEqual(expect.stringMatching(/^in_tree guarded /));
    expect(await contendedWords('model-b')).toContainEqual(expect.stringMatching(/^in_tree \d/));
  });
});

describe('novelty', () => {
  const SEED = 2;

  test(`goes on from the beginnings of schedules that were new (seed ${SEED})`, async () => {
    const { engine } = await hostOf('model-b');
    const search = createNovelty({ seed: SEED });
    const seen: string[] = [];
    let mutants = 0;
    for (let i = 0; i < 400; i++) {
      const request = search.next()!;
      const prefix = Array.from(request.prefix).join('');
      if (prefix !== '') {
        mutants++;
        expect(seen.some((schedule) => schedule.startsWith(prefix))).toBe(true);
      }
      const outcome = engine.run(request);
      expect([OUTCOME.complete, OUTCOME.threw]).toContain(outcome);
      search.learn(engine.sched, outcome);
      seen.push(readSchedule(engine.sched).join(''));
    }
    expect(mutants).toBeGreaterThan(200);
    expect(new Set(seen).size).toBeGreaterThan(200);
  });

  test(`finds the race of reorder_5 (seed ${SEED})`, async () => {
    const { threw } = sample(await hostOf('sct/reorder-5'), createNovelty({ seed: SEED }), 500);
    expect(threw).toBeGreaterThan(0);
  });
});
