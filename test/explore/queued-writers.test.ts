import { expect, it } from 'vitest';
import { openHost } from '../../src/explore/control/host.ts';
import { DepthFirst } from '../../src/explore/search/dfs.ts';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { runStretch, type Search } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';

const MAX_STEPS = 400;

/** Every deadlock that a search meets, by the locks in it. */
async function deadlocks(name: string, create: (threads: number) => Search): Promise<string[]> {
  const url = new URL(`./control-programs.js#${name}`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  const options = { threads: subject.threads, maxSteps: MAX_STEPS, timeouts: 0, hangMs: 10_000 };
  const host = await openHost({ kind: 'program', url }, subject, { ...options, granularity: 'lock' });
  try {
    const until = performance.now() + 30_000;
    const search = create(subject.threads);
    const stretch = runStretch(host.engine, subject, search, { schedules: 100_000, until, stopAtFirst: false });
    expect([stretch.ended, stretch.broken]).toEqual([true, null]);
    return stretch.found.map(({ finding }) => `${finding.oracle} ${finding.object}`).sort();
  } finally {
    await host.close();
  }
}

it.each([
  'nestedRead',
  'nestedReadInACircle',
  'readersAndWriters',
  'deadlock',
])('%s: the deadlocks that a queued writer closes are found from schedules in which none was queued', async (name) => {
  const all = await deadlocks(name, () => new DepthFirst({ maxSteps: MAX_STEPS }));
  expect(all.length).toBeGreaterThan(0);
  expect(await deadlocks(name, (threads) => new Dpor({ threads, maxSteps: MAX_STEPS }))).toEqual(all);
});

it('rwsem: no deadlock is made up', async () => {
  expect(await deadlocks('rwsem', (threads) => new Dpor({ threads, maxSteps: MAX_STEPS }))).toEqual([]);
});
