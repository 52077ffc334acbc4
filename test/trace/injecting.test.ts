import { describe, expect, it } from 'vitest';
import { contextCount } from '../../src/strategies/context-count.ts';
import { upRead } from '../../src/sync/rw-semaphore.ts';
import { type Actor, MODE } from '../../src/trace/actor.ts';
import { COUNTER } from '../../src/trace/counters.ts';
import {
  CAP,
  CAPABILITIES,
  type Capability,
  createInject,
  type InjectAttributes,
  injectInit,
  injectReset,
  shouldFail,
} from '../../src/trace/inject.ts';
import { downReadTrylock, downWriteTrylock, mutexTrylock, spinTrylock } from '../../src/trace/trylock.ts';
import { type Bed, counter, createBed, passedBy } from '../oracles/fixture.ts';

const NONE: InjectAttributes = { probability: 0, interval: 1, times: -1, space: 0, failNth: 0, taskFilter: [] };
const CAPABILITY: Capability = 'fail_page_alloc';

/** The thread's actor with one capability that fails as said. */
function injected(bed: Bed, attr: Partial<InjectAttributes>, tid = 0, seed = 1, capability = CAPABILITY): Actor {
  const plan = { [capability]: { ...NONE, ...attr } };
  injectInit(bed.world.mem, bed.world.inject, plan);
  const { role, name } = bed.plan.threads[tid]!;
  return { ...bed.actors[tid]!, mode: 0, inject: createInject(plan, seed, tid, [role, name], bed.world.inject) };
}

/** Which of `n` calls fail, counted from 1. */
const failing = (actor: Actor, n: number, cap: number = CAP[CAPABILITY]): number[] =>
  Array.from({ length: n }, (_, i) => (shouldFail(actor, cap) ? i + 1 : 0)).filter((call) => call !== 0);

describe('a call that may be made to fail', () => {
  const bed = createBed(contextCount);

  it('does not without a plan, nor for another capability or another thread', () => {
    expect(bed.actors[0]!.inject).toBeNull();
    expect(failing(bed.actors[0]!, 100)).toEqual([]);
    const actor = injected(bed, { probability: 100 });
    expect(failing(actor, 3, CAP.failslab)).toEqual([]);
    expect(failing(actor, 3)).toEqual([1, 2, 3]);
    expect(injected(bed, { probability: 0 }).inject).toBeNull();
    expect(injected(bed, { probability: 100, taskFilter: ['register'] }).inject).toBeNull();
    for (const name of ['madvise', 'madvise-0'])
      expect(failing(injected(bed, { probability: 100, taskFilter: ['register', name] }), 1), name).toEqual([1]);
  });

  it('fails at the n-th call of the thread, exactly once', () => {
    for (const failNth of [1, 2, 7]) expect(failing(injected(bed, { failNth }), 50)).toEqual([failNth]);
    // Until then nothing else is asked; from then on the rest counts.
    expect(failing(injected(bed, { failNth: 3, probability: 100 }), 5)).toEqual([3, 4, 5]);
    // Of itself it knows no limit.
    expect(failing(injected(bed, { failNth: 3, times: 0 }), 5)).toEqual([3]);
    const actor = injected(bed, { failNth: 2 });
    expect(failing(actor, 5)).toEqual([2]);
    injectReset(actor.inject!);
    expect(failing(actor, 5)).toEqual([2]);
  });

  it('looks at every interval-th call, spares the first, and stops after so many', () => {
    expect(failing(injected(bed, { probability: 100, interval: 3 }), 10)).toEqual([3, 6, 9]);
    expect(failing(injected(bed, { probability: 100, space: 4 }), 7)).toEqual([5, 6, 7]);
    expect(failing(injected(bed, { probability: 100, times: 2 }), 10)).toEqual([1, 2]);
    expect(failing(injected(bed, { probability: 100, space: 4, interval: 3, times: 2 }), 20)).toEqual([6, 9]);
    expect(failing(injected(bed, { probability: 100, times: 0 }), 10)).toEqual([]);
  });

  it('shares what is left of `times` with all other threads', () => {
    const attr = { probability: 100, times: 3 };
    const [a, b] = [injected(bed, attr, 0), injected(bed, attr, 1)];
    expect([failing(a, 2), failing(b, 5), failing(a, 5)]).toEqual([[1, 2], [1], []]);
  });

  it('fails as often as it should, in a way that the seed and the thread decide', () => {
    const calls = 20_000;
    const counts = [1, 2, 3].map((seed) => failing(injected(bed, { probability: 5 }, 0, seed), calls));
    for (const found of counts) expect(Math.abs(found.length / calls - 0.05)).toBeLessThan(0.01);
    expect(failing(injected(bed, { probability: 5 }, 0, 1), calls)).toEqual(counts[0]);
    expect(counts[0]).not.toEqual(counts[1]);
    expect(failing(injected(bed, { probability: 5 }, 1, 1), calls)).not.toEqual(counts[0]);
  });

  it('counts and records each failure, and leaves what the role draws as it was', () => {
    for (const [cap, name] of CAPABILITIES.entries()) {
      expect(COUNTER[`inject.${name}`]).toBe(COUNTER['inject.failslab'] + cap);
      const before = counter(bed, `inject.${name}`);
      const actor = { ...injected(bed, { probability: 100, interval: 2 }, 0, 1, name), mode: MODE.trace };
      const { rng } = actor;
      const passed = passedBy(bed, 0, () => failing(actor, 5, cap));
      expect(passed).toEqual([2, 4].map((call) => ({ point: 'inject.failed', args: [cap, call, 0] })));
      expect(counter(bed, `inject.${name}`)).toBe(before + 2);
      expect(actor.rng).toBe(rng);
    }
  });
});

describe('a trylock', () => {
  it('that is made to fail takes nothing; the next one does', () => {
    const bed = createBed(contextCount);
    const sem = bed.ctx.umemRwsem;
    const word = bed.world.litmusKeys;
    for (const [tryIt, lock] of [
      [downReadTrylock, sem],
      [downWriteTrylock, bed.world.mm.mms[0]!.mmapLock],
      [mutexTrylock, word],
      [spinTrylock, word + 16],
    ] as const) {
      const actor = injected(bed, { failNth: 1 }, 0, 1, 'fail_trylock');
      const before = bed.world.mem.slice(lock, lock + 4);
      expect(tryIt(actor, lock as typeof sem)).toBe(false);
      expect(bed.world.mem.slice(lock, lock + 4)).toEqual(before);
      expect(tryIt(actor, lock as typeof sem)).toBe(true);
    }
    upRead(bed.actors[0]!, sem);
  });
});
