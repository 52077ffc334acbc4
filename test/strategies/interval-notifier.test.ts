import { describe, expect, it } from 'vitest';
import { keyIndex } from '../../src/hca/device.ts';
import type { Addr, Vpn } from '../../src/memory/address.ts';
import { isSectionActive } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { intervalNodeInTree } from '../../src/odp/interval-tree.ts';
import { firstOverlap, nextOverlap } from '../../src/odp/invalidation.ts';
import { UMEM } from '../../src/odp/umem.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import { wakeUpAll } from '../../src/sync/wait-queue.ts';
import { GATE, gateArm, gatePass } from '../../src/trace/gate.ts';
import { POINT } from '../../src/trace/points.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  deregister,
  entryOf,
  faultOnce,
  fired,
  madvise,
  type Passed,
  passedBy,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, until, waitKindOf, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

const create = (): Bed => createBed(intervalNotifier);
const sample = (bed: Bed, key: number): number =>
  intervalNotifier.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, key));
const check = (bed: Bed, key: number, value: number): boolean =>
  intervalNotifier.faultCheck(bed.actors[T3]!, bed.ctx, umemOf(bed, key), value, 5 as Vpn);
const inTree = (bed: Bed, key: number): boolean => intervalNodeInTree(bed.world.mem, umemOf(bed, key));
const about = (passed: readonly Passed[], ...points: string[]) =>
  passed.filter((p) => points.includes(p.point)).map((p) => [p.point, p.args[0]]);
const FROZEN = 'sequence (odd: frozen)';
const ACTIVE = 'active invalidations';
const DEFERRED = 'deferred list';

/** Keys of the tree, in its order. */
function tree(bed: Bed): number[] {
  const keys: number[] = [];
  const last = (bed.plan.memory.pages - 1) as Vpn;
  const { actors, ctx, world } = bed;
  for (
    let u: Addr = firstOverlap(actors[0]!, ctx, 0 as Vpn, last);
    u !== 0;
    u = nextOverlap(actors[0]!, u, 0 as Vpn, last)
  )
    keys.push(world.mem[u + UMEM.key]!);
  return keys;
}

describe('start', () => {
  it('with no region in its way leaves the sequence even: nothing is frozen', () => {
    const bed = create();
    const key = register(bed, T2, 8, 2);
    sectionStart(bed, T1, 4, 6);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1 });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
  });

  it('freezes the tree when a region is in its way; that region collides, others do not', () => {
    const bed = create();
    const hit = register(bed, T2, 4, 2);
    const far = register(bed, T2, 8, 2);
    touch(bed, T4, 5);
    faultOnce(bed, T3, hit, 1);
    const before = sample(bed, hit);
    const passed = passedBy(bed, T1, () => sectionStart(bed, T1, 5, 6));
    expect(about(passed, 'umem.zapped')).toEqual([['umem.zapped', keyIndex(hit)]]);
    expect(entryOf(bed, hit, 1)).toBe(0);
    // The sequence starts at 2 and an odd one freezes.
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1, [FROZEN]: 3 });
    expect(sample(bed, hit)).toBe(-1);
    expect(check(bed, hit, before)).toBe(false);
    expect(sample(bed, far)).toBeGreaterThanOrEqual(0);
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
  });

  it('of a second section remembers the same odd sequence', () => {
    const bed = create();
    const [a, b] = [register(bed, T2, 4, 2), register(bed, T2, 8, 2)];
    sectionStart(bed, T1, 4, 4);
    sectionStart(bed, T4, 8, 8);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 2, [FROZEN]: 3 });
    expect([sample(bed, a), sample(bed, b)]).toEqual([-1, -1]);
  });

  it('stores the sequence in the region before it zaps, so that a commit behind the zap is refused', () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    const before = sample(bed, key);
    // The point comes with the zap, under the umem mutex.
    bed.at(T1, 'umem.zapped', () => expect(check(bed, key, before)).toBe(false));
    sectionStart(bed, T1, 4, 4);
    expect.assertions(1);
  });
});

describe('end', () => {
  it('of the last section thaws the tree, of any other does not', () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 4);
    // This one touches nothing, and yet the tree stays frozen until it ends.
    sectionStart(bed, T4, 10, 12);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1, [FROZEN]: 3 });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T1, 4, 4);
    expect(auditOf(bed)[FROZEN]).toBe(5);
  });

  it('refuses a fault whose sample is older than a section that lay wholly inside it', () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 5, 5));
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
  });

  it('lets a fault through whose region was not hit meanwhile', () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    register(bed, T2, 8, 2);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 8, 8));
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
  });
});

describe('insert', () => {
  it('into an idle mm does not collide', () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    expect(tree(bed)).toEqual([key]);
    expect(sample(bed, key)).toBe(1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(auditOf(bed)).toEqual({});
  });

  it('while sections run that matched nothing: into the tree at once, born colliding with all of them', () => {
    const bed = create();
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(inTree(bed, key)).toBe(true);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1, [FROZEN]: 3 });
    expect(sample(bed, key)).toBe(-1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(counter(bed, 'exposure.registerInSection')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('into a frozen tree is deferred, born colliding, and made by the last end', () => {
    const bed = create();
    touch(bed, T4, 5);
    const old = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 6);
    let key = 0;
    const passed = passedBy(bed, T2, () => {
      key = register(bed, T2, 5, 2);
    });
    expect(about(passed, 'umem.deferred', 'umem.inserted')).toEqual([['umem.deferred', keyIndex(key)]]);
    expect(inTree(bed, key)).toBe(false);
    expect(auditOf(bed)).toEqual({ [ACTIVE]: 1, [FROZEN]: 3, [DEFERRED]: umemOf(bed, key) });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    // A later section does not find it, and need not: it still collides.
    sectionStart(bed, T4, 6, 6);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(inTree(bed, key)).toBe(false);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    const ended = passedBy(bed, T4, () => sectionEnd(bed, T4));
    expect(about(ended, 'umem.inserted')).toEqual([['umem.inserted', keyIndex(key)]]);
    expect(tree(bed)).toEqual([old, key]);
    expect(auditOf(bed)).toEqual({});
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(counter(bed, 'exposure.deferredInsert')).toBe(1);
    expect(fired(bed)).toEqual({});
  });
});

describe('remove', () => {
  it('from an idle mm is immediate; so it is while sections run that matched nothing', () => {
    const bed = create();
    const key = register(bed, T2, 8, 2);
    sectionStart(bed, T1, 4, 6);
    deregister(bed, T2, key);
    expect(tree(bed)).toEqual([]);
    sectionEnd(bed, T1);
    deregister(bed, T2, register(bed, T2, 8, 2));
    expect(tree(bed)).toEqual([]);
    expect(counter(bed, 'exposure.deferredRemove')).toBe(0);
  });

  it('takes back an insertion that is still deferred', () => {
    const bed = create();
    const first = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 6);
    const keys = [register(bed, T2, 5, 1), register(bed, T2, 6, 1), register(bed, T2, 7, 1)];
    // From the middle, from the head and from the tail of the list.
    deregister(bed, T2, keys[1]!);
    deregister(bed, T2, keys[2]!);
    const left = umemOf(bed, keys[0]!);
    expect(auditOf(bed)[DEFERRED]).toBe(left);
    sectionEnd(bed, T1);
    expect(tree(bed)).toEqual([first, keys[0]]);
    sectionStart(bed, T1, 4, 6);
    deregister(bed, T2, register(bed, T2, 6, 1));
    expect(auditOf(bed)[DEFERRED]).toBeUndefined();
    sectionEnd(bed, T1);
    expect(tree(bed)).toEqual([first, keys[0]]);
  });

  it('from a frozen tree sleeps until the last end has made it', async () => {
    const bed = create();
    const key = register(bed, T2, 4, 2);
    sectionStart(bed, T1, 4, 6);
    const thread = startThread(bed, T2, [['deregister', key]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      expect(inTree(bed, key)).toBe(true);
      expect(auditOf(bed)[DEFERRED]).toBe(umemOf(bed, key));
      // Woken without a reason it goes back to sleep.
      const queue = bed.world.mem[bed.world.taskAddr(T2) + TASK.waitAddr] as Addr;
      const epoch = bed.world.mem[bed.world.taskAddr(T2) + TASK.waitEpoch]!;
      wakeUpAll(bed.supervisor, queue);
      await until(() => bed.world.mem[bed.world.taskAddr(T2) + TASK.waitEpoch]! >= epoch + 2, 'it did not sleep again');
      await thread.sleepsIn(WAIT.waitQueue);
      expect(thread.done()).toBe(0);
      const passed = passedBy(bed, T1, () => sectionEnd(bed, T1));
      expect(about(passed, 'umem.removed')).toEqual([['umem.removed', keyIndex(key)]]);
      expect(await thread.ended).toEqual([OUTCOME.ok]);
      expect(tree(bed)).toEqual([]);
      expect(auditOf(bed)).toEqual({});
      expect(counter(bed, 'exposure.deferredRemove')).toBe(1);
    });
  });

  /**
   * The race of v5.18 (319561669a59). The last end has moved the sequence and works the deferred list off. A remover that looks at the
   * sequence now, without the lock, sees that it has moved, and returns while its own umem is still on that list.
   */
  it('does not return while its umem is on the deferred list, although the sequence has moved', async () => {
    const bed = create();
    const { mem, gate } = bed.world;
    const main = bed.supervisor.tid;
    const keys = [register(bed, T2, 4, 2), register(bed, T2, 4, 2)];
    gateArm(mem, gate, [
      { tid: main, point: POINT['verb.begin'] },
      { tid: T1, point: POINT['section.ending'] },
      { tid: main, point: POINT['verb.begin'] },
      { tid: T1, point: POINT['umem.removed'] },
    ]);
    sectionStart(bed, T4, 4, 6);
    const removers = [T2, T3].map((tid, i) => startThread(bed, tid, [['deregister', keys[i]!]]));
    await withThreads(removers, async () => {
      for (const t of removers) await t.sleepsIn(WAIT.waitQueue);
      const queue = mem[bed.world.taskAddr(T2) + TASK.waitAddr] as Addr;
      const ender = startThread(bed, T1, [['madvise', 4, 6]]);
      await withThreads([ender], async () => {
        await ender.sleepsIn(WAIT.gate);
        sectionEnd(bed, T4);
        gatePass(bed.supervisor, gate, 0);
        // Now the last end holds the lock, has moved the sequence, and has removed one of the two.
        await until(() => mem[gate + GATE.position] === 2 && waitKindOf(bed, T1) === WAIT.gate, 'no end');
        const victim = keys.findIndex((key) => inTree(bed, key));
        expect(keys.map((key) => inTree(bed, key)).filter((yes) => yes)).toEqual([true]);
        wakeUpAll(bed.supervisor, queue);
        const returned = () => removers[victim]!.done() > 0;
        await until(() => returned() || waitKindOf(bed, removers[victim]!.tid) === WAIT.spin, 'it did not look');
        expect(returned()).toBe(false);
        expect(inTree(bed, keys[victim]!)).toBe(true);
        gatePass(bed.supervisor, gate, 2);
        for (const t of removers) expect(await t.ended).toEqual([OUTCOME.ok]);
        await ender.ended;
        expect(tree(bed)).toEqual([]);
        expect(auditOf(bed)).toEqual({});
      });
    });
  });
});

describe('at rest', () => {
  it('its values are its own, whatever happened before', () => {
    const bed = create();
    touch(bed, T4, 5);
    const keys = [register(bed, T2, 4, 2)];
    for (let i = 0; i < 5; i++) {
      sectionStart(bed, T1, 4, 6);
      keys.push(register(bed, T2, 4 + i, 2));
      sectionStart(bed, T1, 5, 5);
      sectionEnd(bed, T1);
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
      for (const key of keys) faultOnce(bed, T3, key, 0);
    }
    expect(isSectionActive(bed.supervisor, bed.world.mm.mms[0]!)).toBe(false);
    expect(auditOf(bed)).toEqual({});
    auditMappings(bed.supervisor, bed.world.oracles);
    for (const key of keys) deregister(bed, T2, key);
    expect(tree(bed)).toEqual([]);
    expect(fired(bed)).toEqual({});
  });
});
