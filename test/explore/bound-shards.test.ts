import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { H } from '../../src/explore/control/sched.ts';
import { readSchedule } from '../../src/explore/control/steps.ts';
import { BoundShards } from '../../src/explore/search/bound-shards.ts';
import { DepthFirst } from '../../src/explore/search/dfs.ts';
import { type BoundProgress, PreemptionBound } from '../../src/explore/search/preemption-bound.ts';
import { type Found, runStretch, type Search } from '../../src/explore/search/search.ts';
import { loadCode, MAX_STEPS, openRandomHost } from './random-program-host.ts';

/** The schedules that a search runs as its own, with their preemptions, in order. */
function ownSchedules({ engine, subject }: Host, search: Search): (readonly [string, number])[] {
  const own: (readonly [string, number])[] = [];
  const { ended } = runStretch(engine, subject, search, {
    schedules: Number.POSITIVE_INFINITY,
    until: Number.POSITIVE_INFINITY,
    stopAtFirst: false,
    onSchedule: (sched) => own.push([readSchedule(sched).join(''), sched.s[H.preemptions]!]),
  });
  expect(ended).toBe(true);
  return own;
}

describe('shards of a search by preemptions', () => {
  it('run together what one search runs, and nothing twice', async () => {
    const threads = 3;
    const host = await openRandomHost(1, threads);
    try {
      for (let seed = 1; seed <= 12; seed++) {
        loadCode(host, seed, threads, { asserts: seed % 2 === 0, timed: seed % 3 === 0 });
        const all = ownSchedules(host, new DepthFirst({ maxSteps: MAX_STEPS })).length;
        for (const maxPreemptions of [0, 1, 2, 100]) {
          const whole = new PreemptionBound({ maxPreemptions });
          const expected = ownSchedules(host, whole);
          for (const shards of [2, 3]) {
            const where = `seed ${seed}, ${maxPreemptions} preemptions, ${shards} shards`;
            const together = new BoundShards(shards);
            const parts = Array.from({ length: shards }, (_, shard) => {
              const search = new PreemptionBound({ maxPreemptions, shard, shards });
              const own = ownSchedules(host, search);
              expect(together.guarantee() ?? '', where).not.toContain('exhaustive');
              together.report(shard, search.progress(), [], true);
              expect(own.map(([, preemptions]) => preemptions)).toEqual(own.map(([, n]) => n).sort((a, b) => a - b));
              return own;
            });
            expect(parts.flat().sort(), where).toEqual([...expected].sort());
            expect(together.complete).toBe(true);
            // Never more than one search says, and with enough preemptions as much.
            if (expected.length < all) expect(together.guarantee(), where).toBe(whole.guarantee());
            if (maxPreemptions === 100) expect(together.guarantee(), where).toBe(whole.guarantee());
          }
        }
      }
    } finally {
      await host.close();
    }
  });
});

const at = (counts: readonly number[], more: Partial<BoundProgress> = {}): BoundProgress => ({
  counts,
  kept: counts.length - 2,
  exhausted: false,
  limited: false,
  forced: false,
  ...more,
});
const foundAfter = (schedules: number, preemptions: number, text = 'wrong'): Found => ({
  finding: { oracle: 'assertion', object: '', text },
  schedules,
  schedule: [0, 1],
  preemptions,
});

describe('the first finding of several shards', () => {
  it('is the one with the fewest preemptions, whoever reports first', () => {
    const shards = new BoundShards(2);
    shards.report(1, at([0, 40, 7]), [foundAfter(47, 2)], false);
    // The other has yet to come as far: it goes on.
    expect([shards.isBehind(0), shards.isBehind(1)]).toEqual([false, true]);
    shards.report(0, at([3, 20]), [], false);
    expect(shards.isBehind(0)).toBe(false);
    shards.report(0, at([3, 30]), [foundAfter(33, 1)], false);
    expect(shards.isBehind(0)).toBe(true);
    // Without a preemption 3; with one, 30 of the one and 29 of the other come before it, if these were run in turn.
    expect(shards.found()).toEqual([foundAfter(3 + 30 + 29, 1)]);
    expect(shards.kept).toBe(0);
  });

  it('among those with as many, the one that comes first in its shard', () => {
    const shards = new BoundShards(2);
    shards.report(0, at([3, 9]), [foundAfter(12, 1)], false);
    expect(shards.isBehind(1)).toBe(false);
    shards.report(1, at([0, 7]), [], false);
    expect(shards.isBehind(1)).toBe(false);
    // Of the same number the lower shard's is first: the other's ninth would come too late.
    shards.report(1, at([0, 8]), [], false);
    expect(shards.isBehind(1)).toBe(true);
    shards.report(1, at([0, 9]), [foundAfter(9, 1)], false);
    expect(shards.found()[0]).toMatchObject({ schedules: 3 + 9 + 8 });
  });

  it('without a preemption, needs nothing of the others', () => {
    const shards = new BoundShards(3);
    shards.report(0, at([2]), [foundAfter(2, 0)], false);
    expect([0, 1, 2].map((shard) => shards.isBehind(shard))).toEqual([true, true, true]);
  });

  it('is not waited for once a shard has come to its end, and begins again with one that was lost', () => {
    const shards = new BoundShards(2);
    shards.report(0, at([1, 4], { kept: 1, exhausted: true }), [], true);
    shards.report(1, at([0, 6, 2]), [foundAfter(8, 2)], false);
    expect(shards.isBehind(0)).toBe(true);
    shards.lost(0);
    expect(shards.isBehind(0)).toBe(false);
    expect(shards.kept).toBe(-1);
  });
});

describe('what shards may say together', () => {
  it('is what the slowest has kept; one that has no more holds nobody back', () => {
    const shards = new BoundShards(2);
    shards.report(0, at([3, 20, 5]), [], false);
    expect(shards.guarantee()).toBeNull();
    shards.report(1, at([0, 9]), [], false);
    expect(shards.guarantee()).toBe('all schedules with at most 0 preemptions');
    shards.report(1, at([0, 9], { kept: 1, exhausted: true }), [], true);
    expect(shards.guarantee()).toBe('all schedules with at most 1 preemptions');
    shards.report(0, at([3, 20, 8], { kept: 2, exhausted: true, forced: true }), [], true);
    expect(shards.guarantee()).toBe('exhaustive: 40 schedules, assuming a time-out only when nobody else can run');
  });

  it('is no proof of the fewest when schedules were cut at the step bound', () => {
    const shards = new BoundShards(1);
    shards.report(0, at([3, 20], { limited: true }), [], false);
    expect(shards.guarantee()).toBe(
      'all schedules with at most 0 preemptions, each up to the greatest number of steps',
    );
    expect(shards.kept).toBe(-1);
  });
});
