import { expect, test } from 'vitest';
import { exploreCell } from '../../bench/explored-cell.ts';
import { exploredDocument, exploredRow } from '../../bench/explored-table.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { readSteps } from '../../src/explore/control/steps.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { addressNames } from '../../src/explore/subject/address-names.ts';
import { exploringPlan } from '../../src/explore/subject/litmus-plan.ts';
import { layoutWorld } from '../../src/world/world.ts';
import { LITMUS, litmusPlanOf, withLitmus } from './litmus-hosts.ts';

/** Names of all words that a schedule's steps touch. */
async function namesOf(litmus: string, strategy: string): Promise<ReadonlySet<string>> {
  return await withLitmus(litmusPlanOf(litmus, strategy), ({ engine, subject }) => {
    expect(engine.run({ prefix: [], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.complete);
    return new Set(readSteps(engine.sched).map(({ addr }) => subject.nameOf(addr)));
  });
}

test('locks, counts and entries are called what a reader of the kernel calls them', async () => {
  expect([...(await namesOf('seed-fault-in-section', 'private-count'))]).toEqual(
    expect.arrayContaining([
      'mmap_lock',
      'umem_rwsem',
      'ptl 0',
      'umem 5 mutex',
      'umem 5 seq',
      'umem 5 users',
      'mkey B key',
      'device entry B+0',
      'T2 access inflight',
      'srcu readers of T1',
      'subscription 0',
    ]),
  );
  expect([...(await namesOf('truncate-around-register', 'interval-notifier'))]).toEqual(
    expect.arrayContaining([
      'i_size F',
      'inode_lock F',
      'invalidate_lock F',
      'i_mmap_rwsem F',
      'xa_lock F',
      'mmu_notifier_subscriptions lock',
      'mmu_notifier_subscriptions invalidate_seq',
      'umem 5 invalidate_seq',
      'frame 1 folio_lock',
    ]),
  );
  expect([...(await namesOf('seed-fault-in-section', 'context-count'))]).toEqual(
    expect.arrayContaining(['context_count count', 'context_count seq']),
  );
});

test.each(LITMUS)('%s: no two words of an object have one name', (litmus) => {
  const plan = exploringPlan(litmusPlanOf(litmus, 'interval-notifier'));
  const nameOf = addressNames(plan);
  const { regions } = layoutWorld(plan);
  const seen = new Map<string, number>();
  for (const region of ['mm.mm', 'mm.pte', 'mm.frame', 'mm.file', 'hca.mkey', 'hca.mtt', 'odp.ucontext', 'odp.umem']) {
    const { base, stride, count } = regions[region]!;
    for (let addr = base as number; addr < base + stride * count; addr++) {
      const name = nameOf(addr);
      expect(seen.get(name) ?? addr, name).toBe(addr);
      seen.set(name, addr);
    }
  }
});

test('the table of explored cells says what is proved and what is violated, and by how little', async () => {
  const proved = await exploreCell(litmusPlanOf('seed-madvise-around-register', 'interval-notifier'), 20_000);
  const violated = await exploreCell(litmusPlanOf('seed-madvise-around-register', 'private-count'), 20_000);
  expect(exploredRow(proved)[3]).toMatch(/^proved; exhaustive: \d+ executions$/);
  expect(exploredRow(violated)[3]).toMatch(/^violated; exhaustive: \d+ executions$/);
  expect(violated.violations.find(({ oracle }) => oracle === 'counter-underflow')?.preemptions).toBe(1);
  const page = exploredDocument([proved, violated], { command: 'the command', machine: 'a machine', budget: '20s' });
  expect(page).toContain('npm run build && the command');
  expect(page.split('\n').filter((line) => line.startsWith('| seed-madvise'))).toHaveLength(2);
  const cut = exploredRow({ ...proved, proof: null, bounded: 'all schedules with at most 2 preemptions' });
  expect(cut[3]).toBe('no violation; not exhausted: all schedules with at most 2 preemptions');
  expect(exploredRow({ ...violated, missing: ['stale-dma'] })[3]).toContain('expected, not found: stale-dma');
});
