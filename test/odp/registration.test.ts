import { describe, expect, it } from 'vitest';
import { keyIndex, MKEY, mkeyAddr } from '../../src/hca/device.ts';
import type { Vpn } from '../../src/memory/address.ts';
import { slabInUse } from '../../src/memory/slab.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { mmuNotifierRelease } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { firstOverlap } from '../../src/odp/invalidation.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { forEachUmem, UCONTEXT } from '../../src/odp/ucontext.ts';
import { UMEM } from '../../src/odp/umem.ts';
import { auditLeaks } from '../../src/oracles/leak.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { pinned } from '../../src/strategies/pinned.ts';
import { WAIT, type WaitKind } from '../../src/sync/task.ts';
import { gateArm, gatePass } from '../../src/trace/gate.ts';
import { PARK_TASK, WAITING_OP } from '../../src/trace/park.ts';
import { POINT } from '../../src/trace/points.ts';
import {
  type Bed,
  counter,
  createBed,
  deregister,
  dma,
  entryOf,
  faultOnce,
  fired,
  keyWord,
  passedBy,
  pointsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { signal, startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

const inTree = (bed: Bed, start: number, last = start): boolean =>
  firstOverlap(bed.supervisor, bed.ctx, start as Vpn, last as Vpn) !== 0;
function keysOf(bed: Bed): number[] {
  const keys: number[] = [];
  forEachUmem(bed.world.mem, bed.ctx, (umem) => keys.push(bed.world.mem[umem + UMEM.key]!));
  return keys;
}
/** The designs with a count for each umem have a completion for each umem, too. */
const faultSleep = ({ name, words }: Strategy): WaitKind =>
  words.ucontext === 0 || name === 'deferred-activation' || name === 'held-rwsem' ? WAIT.completion : WAIT.waitQueue;
/** Designs whose removal waits for the sections that run, and how it sleeps. */
const REMOVAL_SLEEP: Readonly<Record<string, WaitKind>> = {
  'interval-notifier': WAIT.waitQueue,
  'held-rwsem': WAIT.rwsemWrite,
  'range-union': WAIT.waitQueue,
};
const slots = (bed: Bed): number => slabInUse(bed.world.mem, bed.ctx.slab);

describe.each(STRATEGIES)('$name: a region', (strategy) => {
  it('lives from registration to deregistration, and leaves nothing', () => {
    const bed = createBed(strategy);
    const { mem, hca } = bed.world;
    const key = register(bed, T2, 4, 3);
    expect(keysOf(bed)).toEqual([key]);
    expect([inTree(bed, 3), inTree(bed, 4), inTree(bed, 6), inTree(bed, 7)]).toEqual([false, true, true, false]);
    expect(mem[bed.ctx.addr + UCONTEXT.count]).toBe(1);
    const mkey = mkeyAddr(hca, keyIndex(key));
    expect([mem[mkey + MKEY.start], mem[mkey + MKEY.pages], mem[mkey + MKEY.mm]]).toEqual([4, 3, 0]);
    if (!strategy.pins) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 1, true)).toBe(OUTCOME.ok);
    expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    expect(keysOf(bed)).toEqual([]);
    expect(inTree(bed, 0, 31)).toBe(false);
    expect([slots(bed), mem[bed.ctx.addr + UCONTEXT.count]]).toEqual([0, 0]);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
    expect([counter(bed, 'op.register'), counter(bed, 'op.deregister')]).toEqual([1, 1]);
  });

  it('has a new key each time, and the old one is refused everywhere without harm', () => {
    const bed = createBed(strategy);
    const seen = new Set<number>();
    let old = 0;
    for (let i = 0; i < 10; i++) {
      const key = register(bed, T2, 4, 3);
      expect(seen.has(key)).toBe(false);
      seen.add(key);
      if (old !== 0) {
        expect(deregister(bed, T1, old)).toBe(OUTCOME.einval);
        expect(faultOnce(bed, T3, old, 0)).toBe(OUTCOME.einval);
        expect(dma(bed, T4, old, 0)).toBe(OUTCOME.einval);
        // The one that has its slot now is untouched.
        expect(keyIndex(old)).toBe(keyIndex(key));
        expect(bed.world.mem[umemOf(bed, key) + UMEM.dying]).toBe(0);
        if (!strategy.pins) expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
        expect(dma(bed, T4, key, 0)).toBe(OUTCOME.ok);
      }
      expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
      expect(deregister(bed, T2, key)).toBe(OUTCOME.einval);
      // Nor is a number that never was a key, behind the last slot.
      expect(deregister(bed, T2, 0x6b6b6b6b)).toBe(OUTCOME.einval);
      old = key;
    }
    expect(counter(bed, 'op.deregister')).toBe(10);
    expect(slots(bed)).toBe(0);
    expect(fired(bed)).toEqual({});
  });

  it('cannot be had when all slots are taken, and can when one is given back', () => {
    const bed = createBed(strategy, { threads: 2, mrs: 4 });
    const keys = Array.from({ length: 4 + 4 }, (_, i) => register(bed, 0, i, 1)).filter((key) => key !== 0);
    expect(keys.length).toBeGreaterThanOrEqual(4);
    expect(register(bed, 0, 0, 1)).toBe(0);
    expect(counter(bed, 'fail.allocation')).toBeGreaterThan(0);
    expect(keysOf(bed)).toHaveLength(keys.length);
    deregister(bed, 0, keys[1]!);
    expect(register(bed, 0, 0, 1)).not.toBe(0);
  });

  it('is refused when it is larger than a region can be, or leaves the address space', () => {
    const bed = createBed(strategy);
    const { hca, mm } = bed.world;
    const before = counter(bed, 'fail.register');
    for (const [start, pages] of [
      [0, hca.mttPages + 1],
      [0, 0],
      [mm.mms[0]!.pages - 1, 2],
    ] as const)
      expect(register(bed, T2, start, pages)).toBe(0);
    expect(counter(bed, 'fail.register') - before).toBe(3);
    expect(keysOf(bed)).toHaveLength(0);
  });

  it('of the same pages may be registered more than once', () => {
    const bed = createBed(strategy);
    const keys = [register(bed, T2, 4, 3), register(bed, T1, 4, 3), register(bed, T2, 5, 4)];
    if (!strategy.pins) for (const key of keys) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    deregister(bed, T2, keys[1]!);
    expect(dma(bed, T4, keys[0]!, 1)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, keys[2]!, 1)).toBe(OUTCOME.ok);
    for (const key of [keys[0]!, keys[2]!]) deregister(bed, T2, key);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });
});

describe('registration', () => {
  it('makes the key last: whoever sees it sees a region that its notifier knows', () => {
    const bed = createBed(contextCount);
    const first = register(bed, T2, 0, 1);
    deregister(bed, T2, first);
    const seen: number[] = [];
    bed.at(T2, 'umem.inserted', () => seen.push(bed.world.mem[keyWord(bed, first)]!));
    const passed = passedBy(bed, T2, () => seen.push(register(bed, T2, 4, 2)));
    expect(seen[0]).toBe(0);
    expect(seen[1]).toBe(bed.world.mem[keyWord(bed, first)]);
    expect(pointsOf(passed)).toEqual(['register.enter', 'umem.inserted', 'register.done']);
  });

  it('says to the supervisor what range it waits for, and when it is over', () => {
    const bed = createBed(contextCount);
    const { mem } = bed.world;
    const p = bed.world.parkWords[T2]!;
    const now = () => [mem[p + PARK_TASK.kind], mem[p + PARK_TASK.start], mem[p + PARK_TASK.last]];
    const seen: unknown[] = [];
    bed.at(T2, 'umem.inserted', () => seen.push(now()));
    const key = register(bed, T2, 4, 2);
    expect(mem[p + PARK_TASK.kind]).toBe(WAITING_OP.none);
    bed.at(T2, 'umem.removed', () => seen.push(now()));
    deregister(bed, T2, key);
    expect(mem[p + PARK_TASK.kind]).toBe(WAITING_OP.none);
    expect(seen).toEqual([
      [WAITING_OP.register, 4, 5],
      [WAITING_OP.deregister, 4, 5],
    ]);
  });

  it('that cannot pin all its pages gives back those that it has', () => {
    const bed = createBed(pinned);
    const { mem, mm } = bed.world;
    touch(bed, T4, 4);
    munmap(bed.actors[T1]!, mm.mms[0]!, 6 as Vpn, 6 as Vpn);
    expect(register(bed, T2, 4, 4)).toBe(0);
    expect(counter(bed, 'fail.register')).toBe(1);
    expect(keysOf(bed)).toEqual([]);
    expect(inTree(bed, 0, 31)).toBe(false);
    expect(slots(bed)).toBe(0);
    expect(censusFrames(mem, mm)).toEqual([]);
    // And what was pinned is pinned no more: the page goes with the next registration's end.
    const key = register(bed, T2, 4, 2);
    expect(key).not.toBe(0);
    deregister(bed, T2, key);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });
});

describe('deregistration', () => {
  it('is won by one of two', async () => {
    const bed = createBed(contextCount);
    for (let i = 0; i < 3; i++) {
      const key = register(bed, T4, 4, 2);
      const threads = [T1, T2].map((tid) => startThread(bed, tid, [['deregister', key]]));
      await withThreads(threads, async () => {
        const outcomes = (await Promise.all(threads.map((t) => t.ended))).flat();
        expect(outcomes.sort()).toEqual([OUTCOME.ok, OUTCOME.einval]);
      });
    }
    expect(slots(bed)).toBe(0);
  });

  it('waits for a fault that has found the region; that fault is refused and then finds the key gone', async () => {
    const bed = createBed(contextCount);
    const key = register(bed, T4, 4, 2);
    const { mem, gate } = bed.world;
    gateArm(mem, gate, [
      { tid: bed.supervisor.tid, point: POINT['verb.begin'] },
      { tid: T3, point: POINT['fault.gotPages'] },
    ]);
    const fault = startThread(bed, T3, [['fault', key, 1, 5]]);
    const removal = startThread(bed, T2, [
      ['await', 0],
      ['deregister', key],
    ]);
    await withThreads([fault, removal], async () => {
      await fault.sleepsIn(WAIT.gate);
      signal(bed, 0);
      await removal.sleepsIn(WAIT.srcu);
      expect(mem[keyWord(bed, key)]).toBe(0);
      expect(mem[umemOf(bed, key) + UMEM.dying]).toBe(1);
      expect(inTree(bed, 4)).toBe(true);
      expect(removal.done()).toBe(1);
      gatePass(bed.supervisor, gate, 0);
      expect(await fault.ended).toEqual([OUTCOME.einval]);
      expect(await removal.ended).toEqual([null, OUTCOME.ok]);
      expect(entryOf(bed, key, 1)).toBe(0);
      expect(inTree(bed, 4)).toBe(false);
      expect(fired(bed)).toEqual({});
    });
  });

  it.each(
    STRATEGIES.filter((s) => !s.pins),
  )('wakes a fault that sleeps for the notifier, under $name', async (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T4, 4, 2);
    sectionStart(bed, T1, 4, 5);
    // Longer than any bound of the test: the section does not end before the fault does.
    const fault = startThread(bed, T3, [['fault', key, 1, 3_600_000]]);
    await withThreads([fault], async () => {
      await fault.sleepsIn(faultSleep(strategy));
      const removal = startThread(bed, T2, [['deregister', key]]);
      await withThreads([removal], async () => {
        expect(await fault.ended).toEqual([OUTCOME.einval]);
        sectionClear(bed, T1, 4, 5);
        // The removal is over first, or as far as it gets: the end, on this thread, must find every lock free.
        const sleeps = REMOVAL_SLEEP[strategy.name];
        if (sleeps === undefined) expect(await removal.ended).toEqual([OUTCOME.ok]);
        else await removal.sleepsIn(sleeps);
        sectionEnd(bed, T1);
        expect(await removal.ended).toEqual([OUTCOME.ok]);
        expect(inTree(bed, 4)).toBe(false);
      });
    });
  });
});

describe('faultWake', () => {
  it('is called once the key is gone and the umem dying, so that whoever wakes gives up', () => {
    const seen: unknown[] = [];
    const bed = createBed({
      ...contextCount,
      faultWake(actor, _ctx, umem) {
        seen.push([actor.tid, umem, actor.mem[umem + UMEM.dying], actor.mem[keyWord(bed, key)]]);
      },
    });
    const key = register(bed, T4, 4, 2);
    const umem = umemOf(bed, key);
    deregister(bed, T2, key);
    expect(seen).toEqual([[T2, umem, 1, 0]]);
  });

  it.each(
    STRATEGIES.filter((s) => !s.pins),
  )('ends the sleep of a fault while the section runs on, under $name', async (strategy) => {
    const bed = createBed(strategy);
    const key = register(bed, T4, 4, 2);
    sectionStart(bed, T1, 4, 5);
    // One sleep without slices: nothing but the wake-up ends it within the bound of the test.
    const fault = startThread(bed, T3, [['faultWait', umemOf(bed, key), 3_600_000]]);
    await withThreads([fault], async () => {
      await fault.sleepsIn(faultSleep(strategy));
      strategy.faultWake(bed.supervisor, bed.ctx, umemOf(bed, key));
      expect(await fault.ended).toEqual([true]);
    });
  });
});

describe('the end of the process', () => {
  it('unmaps every region and lets no fault through any more', () => {
    const bed = createBed(contextCount);
    const keys = [register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    for (const key of keys) expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    mmuNotifierRelease(bed.actors[T1]!, bed.world.mm.mms[0]!);
    for (const key of keys) {
      expect(entryOf(bed, key, 1)).toBe(0);
      expect(bed.world.mem[umemOf(bed, key) + UMEM.dying]).toBe(1);
      // No later attempt could do better, so there is none.
      expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.einval);
      expect(dma(bed, T4, key, 1)).toBe(OUTCOME.efault);
    }
    expect([counter(bed, 'fault.retried'), counter(bed, 'fail.faultGone')]).toEqual([0, 2]);
    for (const key of keys) expect(deregister(bed, T2, key)).toBe(OUTCOME.ok);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });
});
