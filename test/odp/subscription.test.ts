import { describe, expect, it } from 'vitest';
import type { Vpn } from '../../src/memory/address.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { invalidateRangeStart, mmuNotifierSubscribed, SECTION_EVENT } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { OdpSteps } from '../../src/odp/steps.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { isSubscribed, UCONTEXT } from '../../src/odp/ucontext.ts';
import { auditCounters } from '../../src/oracles/counter.ts';
import { auditInactive } from '../../src/oracles/inactive-while-idle.ts';
import { auditLeaks } from '../../src/oracles/leak.ts';
import { UNPAIRED } from '../../src/oracles/unpaired-section.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { TASK } from '../../src/sync/task.ts';
import {
  type Bed,
  counter,
  createBed,
  deregister,
  faultOnce,
  fired,
  madvise,
  passedBy,
  pointsOf,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
} from '../oracles/fixture.ts';

const [T1, T2, T3] = [0, 1, 2] as const;

const dynamic = (strategy: Strategy, odpSteps?: Partial<OdpSteps>): Bed =>
  createBed(odpSteps === undefined ? strategy : { ...strategy, odpSteps }, { notifier: 'dynamic' });
const subscribed = (bed: Bed): boolean => mmuNotifierSubscribed(bed.supervisor, bed.world.mm.mms[0]!, 0);
const removesInside = ({ name }: Strategy): boolean => !['held-rwsem', 'range-union'].includes(name);
function audits(bed: Bed): void {
  auditCounters(bed.supervisor, bed.world.oracles, new Set());
  auditInactive(bed.supervisor, bed.world.oracles, new Set());
}

describe.each(STRATEGIES)('$name: a notifier that comes and goes', (strategy) => {
  it('comes with the first region and goes with the last', () => {
    const bed = dynamic(strategy);
    const keeps = strategy.keepsSubscription === true;
    expect(subscribed(bed)).toBe(false);
    for (let round = 0; round < 3; round++) {
      const first = register(bed, T2, 4, 2);
      const second = register(bed, T1, 5, 2);
      expect([subscribed(bed), isSubscribed(bed.world.mem, bed.ctx)]).toEqual([true, true]);
      if (!strategy.pins) expect(faultOnce(bed, T3, first, 1)).toBe(OUTCOME.ok);
      deregister(bed, T2, first);
      expect(subscribed(bed)).toBe(true);
      if (!strategy.pins) expect(faultOnce(bed, T3, second, 0)).toBe(OUTCOME.ok);
      if (!strategy.pins) madvise(bed, T1, 4, 6);
      audits(bed);
      deregister(bed, T2, second);
      expect([subscribed(bed), isSubscribed(bed.world.mem, bed.ctx)]).toEqual([keeps, keeps]);
      audits(bed);
    }
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(counter(bed, 'exposure.subscribe')).toBe(keeps ? 1 : 3);
    expect(fired(bed)).toEqual({});
  });

  it('goes while a section runs, which then ends unheard; the next one finds all as new', () => {
    const bed = dynamic(strategy);
    const key = register(bed, T2, 4, 2);
    // Where a removal waits for sections there is none in which the last region could leave, on one thread.
    const meets = strategy.keepsSubscription !== true && removesInside(strategy);
    if (meets) sectionStart(bed, T1, 4, 5);
    deregister(bed, T2, key);
    if (meets) {
      expect(counter(bed, 'exposure.unsubscribeInSection')).toBe(1);
      sectionEnd(bed, T1);
    }
    const again = register(bed, T2, 4, 2);
    audits(bed);
    if (!strategy.pins) expect(faultOnce(bed, T3, again, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T1, 8, 9);
    sectionEnd(bed, T1);
    deregister(bed, T2, again);
    for (const [tid, observer] of bed.observers.entries()) observer.finished(bed.actors[tid]!);
    expect(fired(bed)).toEqual({});
  });
});

describe('a section', () => {
  it('that began under held-rwsem while the notifier was leaving holds nothing afterwards', () => {
    const held = STRATEGIES.find((s) => s.name === 'held-rwsem')!;
    const bed = dynamic({
      ...held,
      leave(actor, ctx) {
        held.leave!(actor, ctx);
        // Still subscribed, and told so: it must not keep the rwsem, as nobody will tell it to let go.
        sectionStart(bed, T1, 4, 5);
      },
    });
    deregister(bed, T2, register(bed, T2, 4, 2));
    expect(subscribed(bed)).toBe(false);
    sectionEnd(bed, T1);
    expect(bed.world.mem[bed.world.taskAddr(T1) + TASK.heldCount]).toBe(0);
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    deregister(bed, T2, key);
    expect(fired(bed)).toEqual({});
  });

  it('that runs when the notifier is subscribed without all locks ends without its start', () => {
    for (const strategy of [contextCount, intervalNotifier]) {
      const bed = dynamic(strategy, { subscribesLocked: false });
      const { mms } = bed.world.mm;
      bed.at(T1, 'section.started', () => expect(register(bed, T2, 8, 2)).not.toBe(0));
      madviseDontneed(bed.actors[T1]!, mms[0]!, 4 as Vpn, 5 as Vpn);
      expect(counter(bed, 'exposure.subscribeMeetsSection')).toBe(1);
      expect(fired(bed)).toEqual({ 'unpaired-section': 1, 'counter-underflow': 1 });
      expect(recordsOf(bed, 'unpaired-section')[0]!.fields.reason).toBe(UNPAIRED.endWithoutStart);
    }
  });

  it('that runs keeps out a subscription with all locks: it waits for mmap_lock', () => {
    const bed = dynamic(contextCount);
    const { mms } = bed.world.mm;
    let message = '';
    bed.at(T1, 'section.started', () => {
      try {
        register(bed, T2, 8, 2);
      } catch (error) {
        message = String(error);
      }
    });
    madviseDontneed(bed.actors[T1]!, mms[0]!, 4 as Vpn, 5 as Vpn);
    expect(message).toContain('would block');
    expect(subscribed(bed)).toBe(false);
  });

  it('of an earlier subscription is not taken for one of the next', () => {
    const bed = dynamic(contextCount);
    const key = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 8, 9);
    deregister(bed, T2, key);
    // No lock is held by this section, so the notifier is back before it ends.
    register(bed, T2, 4, 2);
    sectionEnd(bed, T1);
    expect(fired(bed)).toEqual({ 'unpaired-section': 1, 'counter-underflow': 1 });
  });

  it('that misses its end under a subscription that goes on is still found', () => {
    const bed = dynamic(contextCount);
    const { mm } = bed.ctx;
    register(bed, T2, 4, 2);
    const actor = bed.actors[T1]!;
    invalidateRangeStart(actor, mm, 4 as Vpn, 5 as Vpn, SECTION_EVENT.clear, true);
    bed.observers[T1]!.finished(actor);
    expect(recordsOf(bed, 'unpaired-section')[0]!.fields.reason).toBe(UNPAIRED.startWithoutEnd);
  });
});

describe("the design's words", () => {
  it('begin anew with each subscription, whatever they were left with', () => {
    const bed = dynamic(contextCount);
    deregister(bed, T2, register(bed, T2, 4, 2));
    bed.world.mem.fill(77, bed.ctx.ext, bed.ctx.ext + contextCount.words.ucontext);
    audits(bed);
    const key = register(bed, T2, 4, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    audits(bed);
    expect(fired(bed)).toEqual({});
  });

  it('are used after the free by a callback that is still running when the notifier is freed at once', () => {
    for (const containerWaits of [true, false]) {
      const strategy: Strategy = {
        ...contextCount,
        odpSteps: { containerWaits, livesAreRaw: false },
        rangeStart(actor, ctx, section, start, last, blockable) {
          const outcome = contextCount.rangeStart(actor, ctx, section, start, last, blockable);
          // What a free without a grace period looks like to a callback that has not returned.
          if (!containerWaits) bed.world.mem[ctx.addr + UCONTEXT.life]!++;
          return outcome;
        },
      };
      const bed = dynamic(strategy);
      register(bed, T2, 4, 2);
      sectionStart(bed, T1, 4, 5);
      sectionEnd(bed, T1);
      expect(fired(bed)).toEqual(containerWaits ? {} : { 'use-after-free': 2 });
    }
  });

  it('come and go as told by the trace', () => {
    const bed = dynamic(contextCount);
    let key = 0;
    const first = pointsOf(passedBy(bed, T2, () => (key = register(bed, T2, 4, 2))));
    expect(first).toEqual(['register.enter', 'notifier.subscribed', 'umem.inserted', 'register.done']);
    const last = pointsOf(passedBy(bed, T2, () => deregister(bed, T2, key)));
    expect(last).toEqual(['deregister.enter', 'umem.removed', 'notifier.unsubscribed', 'deregister.done']);
  });
});
