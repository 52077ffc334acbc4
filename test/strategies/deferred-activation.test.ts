import { describe, expect, it } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { umemExt } from '../../src/odp/umem.ts';
import { auditInactive } from '../../src/oracles/inactive-while-idle.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { ACTIVATION, deferredActivation } from '../../src/strategies/deferred-activation.ts';
import { RUNNING } from '../../src/strategies/running-count.ts';
import { completionDone } from '../../src/sync/completion.ts';
import { WAIT } from '../../src/sync/task.ts';
import { GATE_OUTCOME, gateArm, gateOutcome } from '../../src/trace/gate.ts';
import { POINT } from '../../src/trace/points.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  deregister,
  dma,
  entryOf,
  faultOnce,
  fired,
  madvise,
  passedBy,
  pointsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const PROCESS = 'running count of the process';

const word = (bed: Bed, key: number, field: number): number => bed.world.mem[umemExt(umemOf(bed, key)) + field]!;
const isActive = (bed: Bed, key: number): boolean => word(bed, key, ACTIVATION.active) === 1;
const values = (bed: Bed, key: number): number[] => [word(bed, key, ACTIVATION.count), word(bed, key, ACTIVATION.seq)];

/** A region that was registered inside a section over pages 4 .. 6, which still runs. */
function bornInside(): { bed: Bed; key: number } {
  const bed = createBed(deferredActivation);
  touch(bed, T4, 5);
  sectionStart(bed, T1, 4, 6);
  return { bed, key: register(bed, T2, 5, 2) };
}

describe('deferred-activation', () => {
  it('keeps its counters where the shared steps look for them', () => {
    const { count, seq, completion } = ACTIVATION;
    expect({ count, seq, completion }).toEqual({
      count: RUNNING.count,
      seq: RUNNING.seq,
      completion: RUNNING.completion,
    });
  });

  it('gives a region counters at once when no section of the process runs', () => {
    const bed = createBed(deferredActivation);
    const key = register(bed, T2, 4, 2);
    expect(isActive(bed, key)).toBe(true);
    sectionStart(bed, T1, 4, 4);
    expect([values(bed, key), auditOf(bed)]).toEqual([[1, 0], { [PROCESS]: 1 }]);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    expect([values(bed, key), auditOf(bed), auditOf(bed, key)]).toEqual([[0, 1], {}, {}]);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
  });

  it('puts a region off that is born inside a section, and its end counts nothing down', () => {
    const { bed, key } = bornInside();
    expect(isActive(bed, key)).toBe(false);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(counter(bed, 'exposure.deferredInsert')).toBe(1);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect([isActive(bed, key), values(bed, key)]).toEqual([true, [0, 0]]);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });

  it('waits for every section of the process, wherever it is: f2', () => {
    const { bed, key } = bornInside();
    sectionStart(bed, T4, 12, 13);
    sectionEnd(bed, T1);
    expect(isActive(bed, key)).toBe(false);
    sectionStart(bed, T1, 14, 14);
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    expect(isActive(bed, key)).toBe(true);
  });

  it('zaps a region without counters all the same, and gives all that wait their counters at once', () => {
    const { bed, key } = bornInside();
    const more = [register(bed, T2, 8, 2), register(bed, T2, 10, 2), register(bed, T2, 12, 2)];
    expect(pointsOf(passedBy(bed, T4, () => sectionStart(bed, T4, 8, 8)))).toContain('umem.zapped');
    // Off the list from its middle, its head and its tail.
    deregister(bed, T2, more[1]!);
    deregister(bed, T2, more[2]!);
    deregister(bed, T2, key);
    sectionEnd(bed, T4);
    sectionEnd(bed, T1);
    expect(isActive(bed, more[0]!)).toBe(true);
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it('wakes who waits for a region that is removed without counters', () => {
    const { bed, key } = bornInside();
    const completion = at(umemExt(umemOf(bed, key)), ACTIVATION.completion);
    expect(completionDone(bed.supervisor, completion)).toBe(false);
    deregister(bed, T2, key);
    expect(completionDone(bed.supervisor, completion)).toBe(true);
  });

  it('wakes a fault that sleeps for the activation', async () => {
    const { bed, key } = bornInside();
    const thread = startThread(bed, T3, [['fault', key, 0, 3_600_000]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.completion);
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
      expect(await thread.ended).toEqual([OUTCOME.ok]);
    });
    expect(fired(bed)).toEqual({});
  });

  it('does not activate when another section has begun since the count was 0', () => {
    const { bed, key } = bornInside();
    const { actors, ctx } = bed;
    // Between the decrement and the rwsem: the other section has counted itself, and walks the tree later.
    const activating = {
      ...actors[T1]!,
      observer: { ...bed.observers[T1]!, countChanged: () => sectionStart(bed, T4, 5, 5) },
    };
    deferredActivation.rangeEnd(activating, ctx, 0 as never, 4 as never, 6 as never);
    expect([isActive(bed, key), auditOf(bed)]).toEqual([false, { [PROCESS]: 1 }]);
    sectionEnd(bed, T4);
    expect(isActive(bed, key)).toBe(true);
  });
});

describe('f1: the lost activation', () => {
  /** The last end looks at the list between a registration's look at the count and its entry on that list: litmus/lost-activation. */
  async function lost(): Promise<{ bed: Bed; key: number }> {
    const bed = createBed(deferredActivation);
    const { mem, gate } = bed.world;
    // T1's walk counts this one down, so that the order can wait for it.
    register(bed, T4, 6, 1);
    const order = [
      [T1, 'umem.uncounted'],
      [T2, 'register.enter'],
      [T2, 'umem.deferred'],
      [T1, 'process.uncounting'],
      [T1, 'section.ended'],
      [T2, 'umem.queueing'],
    ] as const;
    gateArm(
      mem,
      gate,
      order.map(([tid, point]) => ({ tid, point: POINT[point] })),
    );
    const threads = [
      startThread(bed, T1, [['madvise', 4, 6], ['leave']]),
      startThread(bed, T2, [['register', 5, 1], ['leave']]),
    ] as const;
    let key = 0;
    await withThreads(threads, async () => {
      await threads[0].ended;
      key = (await threads[1].ended)[0] as number;
    });
    expect(gateOutcome(mem, gate)).toBe(GATE_OUTCOME.complete);
    return { bed, key };
  }

  it('leaves a region without counters when nothing runs', async () => {
    const { bed, key } = await lost();
    expect([isActive(bed, key), auditOf(bed), auditOf(bed, key)]).toEqual([false, {}, {}]);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    const seen = new Set<number>();
    for (let i = 0; i < 3; i++) auditInactive(bed.supervisor, bed.world.oracles, seen);
    expect(fired(bed)).toEqual({ 'inactive-while-idle': 1 });
  });

  it('ends with the end of some later section, wherever that is', async () => {
    const { bed, key } = await lost();
    madvise(bed, T3, 12, 12);
    expect(isActive(bed, key)).toBe(true);
    auditInactive(bed.supervisor, bed.world.oracles, new Set());
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });
});

describe('a fault that spans the activation', () => {
  it('maps a page that was freed: nothing tells it of the section', () => {
    const { bed, key } = bornInside();
    bed.at(T3, 'fault.gotPages', () => {
      expect(isActive(bed, key)).toBe(false);
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
      expect([isActive(bed, key), values(bed, key)]).toEqual([true, [0, 0]]);
    });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(entryOf(bed, key, 0)).not.toBe(0);
    dma(bed, T4, key, 0);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({ 'stale-dma': 1, 'data-corruption': 1, 'stale-mapping': 1 });
  });

  it('is refused when its region had counters from the start', () => {
    const bed = createBed(deferredActivation);
    touch(bed, T4, 5);
    const key = register(bed, T2, 5, 2);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 4, 6));
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    auditInactive(bed.supervisor, bed.world.oracles, new Set());
    expect(fired(bed)).toEqual({});
  });
});
