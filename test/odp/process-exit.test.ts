import { describe, expect, it } from 'vitest';
import type { Vpn } from '../../src/memory/address.ts';
import { mmExited, mmRevive } from '../../src/mm/exit.ts';
import { mmapAnon } from '../../src/mm/mmap.ts';
import {
  invalidateRangeEnd,
  invalidateRangeStart,
  mmuNotifierRelease,
  mmuNotifierSubscribed,
  SECTION_EVENT,
} from '../../src/mm/notifier.ts';
import { OUTCOME, type Outcome } from '../../src/mm/outcome.ts';
import { mmput } from '../../src/mm/users.ts';
import type { OdpSteps } from '../../src/odp/steps.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { notifierReopen } from '../../src/odp/subscription.ts';
import { UMEM } from '../../src/odp/umem.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { auditLeaks } from '../../src/oracles/leak.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { deferredActivation } from '../../src/strategies/deferred-activation.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import {
  type Bed,
  type BedOptions,
  createBed,
  deregister,
  dma,
  entryOf,
  faultOnce,
  fired,
  madvise,
  register,
  touch,
  umemOf,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

/** A bed whose process may exit. */
function mortal(strategy: Strategy, options: BedOptions = {}, odpSteps?: Partial<OdpSteps>): Bed {
  const bed = createBed(odpSteps === undefined ? strategy : { ...strategy, odpSteps }, options);
  (bed.world.mm as { mayExit: boolean }).mayExit = true;
  return bed;
}
const exit = (bed: Bed, tid: number): void => mmput(bed.actors[tid]!, bed.ctx.mm);
function audits(bed: Bed): void {
  auditCounters(bed.supervisor, bed.world.oracles, new Set());
  auditMappings(bed.supervisor, bed.world.oracles);
}

describe.each(STRATEGIES)('$name: a process that exits', (strategy) => {
  it.each([
    'static',
    'dynamic',
  ] as const)('has nothing mapped any more, and takes no fault and no region: %s', (notifier) => {
    const bed = mortal(strategy, { notifier });
    touch(bed, T4, 5);
    const keys = [register(bed, T2, 4, 2), register(bed, T2, 5, 3)];
    if (!strategy.pins) for (const key of keys) expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    exit(bed, T1);
    expect(mmExited(bed.supervisor, bed.ctx.mm)).toBe(true);
    // What is part of the mm's own subscriptions stays, for the ends of sections that run.
    expect(mmuNotifierSubscribed(bed.supervisor, bed.ctx.mm, 0)).toBe(strategy.keepsSubscription === true);
    for (const key of keys) {
      expect(bed.world.mem[umemOf(bed, key) + UMEM.dying]).toBe(1);
      if (!strategy.pins) expect(entryOf(bed, key, 0)).toBe(0);
      if (!strategy.pins)
        expect([faultOnce(bed, T3, key, 0), dma(bed, T4, key, 0)]).toEqual([OUTCOME.einval, OUTCOME.efault]);
    }
    expect(register(bed, T2, 8, 1)).toBe(0);
    audits(bed);
    for (const key of keys) expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    audits(bed);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
    // The next process in the same address space finds nothing of it.
    mmRevive(bed.actors[T1]!, bed.ctx.mm);
    notifierReopen(bed.actors[T1]!, bed.ctx);
    mmapAnon(bed.actors[T1]!, bed.ctx.mm, 4 as Vpn, 7 as Vpn, true);
    audits(bed);
    const next = register(bed, T2, 4, 2);
    expect(mmuNotifierSubscribed(bed.supervisor, bed.ctx.mm, 0)).toBe(true);
    if (!strategy.pins) expect(faultOnce(bed, T3, next, 0)).toBe(OUTCOME.ok);
    madvise(bed, T1, 4, 5);
    if (!strategy.pins) expect(entryOf(bed, next, 0)).toBe(0);
    deregister(bed, T2, next);
    audits(bed);
    expect(fired(bed)).toEqual({});
  });
});

describe('the last reference to the mm', () => {
  it('may be that of a fault, which then takes its own entry away again', () => {
    const bed = mortal(contextCount);
    const key = register(bed, T2, 4, 2);
    bed.at(T3, 'fault.gotPages', () => {
      exit(bed, T1);
      expect(mmExited(bed.supervisor, bed.ctx.mm)).toBe(false);
    });
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(mmExited(bed.supervisor, bed.ctx.mm)).toBe(true);
    expect(entryOf(bed, key, 1)).toBe(0);
    deregister(bed, T2, key);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });

  it('is not to be put under the umem mutex, which release takes', () => {
    const bed = mortal(contextCount, {}, { mmputUnlocked: false });
    const key = register(bed, T2, 4, 2);
    bed.at(T3, 'fault.gotPages', () => exit(bed, T1));
    expect(() => faultOnce(bed, T3, key, 1)).toThrow('would block');
  });

  it('may be that of a registration', () => {
    const bed = mortal(contextCount);
    bed.at(T2, 'umem.inserted', () => exit(bed, T1));
    const key = register(bed, T2, 4, 2);
    expect(key).not.toBe(0);
    expect(mmExited(bed.supervisor, bed.ctx.mm)).toBe(true);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.einval);
    expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });
});

it('deferred-activation raises its counts at release and never lowers them', () => {
  const bed = mortal(deferredActivation);
  const key = register(bed, T2, 4, 2);
  const count = () =>
    bed.world.mem[
      bed.ctx.ext + (deferredActivation.fields!.ucontext as unknown as { notifierCount: number }).notifierCount
    ];
  expect(count()).toBe(0);
  exit(bed, T1);
  expect(count()).toBe(1);
  audits(bed);
  deregister(bed, T2, key);
  expect(count()).toBe(1);
  expect(fired(bed)).toEqual({});
});

describe.each(STRATEGIES)('$name: a section that runs when the process exits', (strategy) => {
  // The list that its end walks is empty by then (__mmu_notifier_release), so that the end is not told.
  const deregistered = (): Outcome => {
    const bed = mortal(strategy);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 2);
    const { mm } = bed.ctx;
    invalidateRangeStart(bed.actors[T1]!, mm, 4 as Vpn, 5 as Vpn, SECTION_EVENT.clear, true);
    mmuNotifierRelease(bed.actors[T2]!, mm);
    invalidateRangeEnd(bed.actors[T1]!, mm);
    return deregister(bed, T2, key);
  };

  // v4.20 holds the rwsem from start to end: nobody lets go of it any more.
  if (strategy.name === 'held-rwsem') it('leaves its rwsem held', () => expect(deregistered).toThrow('would block'));
  else it('does not keep its regions from going', () => expect(deregistered()).toBe(OUTCOME.ok));
});
