import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { sectionAddr } from '../../src/mm/section.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { backOffOverlaps } from '../../src/strategies/active-ranges.ts';
import { listRange, rangeStack } from '../../src/strategies/range-stack.ts';
import { WAIT } from '../../src/sync/task.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  entryOf,
  faultOnce,
  fired,
  madvise,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const LISTED = 'listed ranges';

const sample = (bed: Bed, key: number): number => rangeStack.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, key));
const collide = (bed: Bed, keys: readonly number[]): boolean[] => keys.map((key) => sample(bed, key) < 0);

describe('range-stack', () => {
  it('has the range on the list before the first umem is zapped', () => {
    const bed = createBed(rangeStack);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    faultOnce(bed, T3, key, 1);
    let during: unknown;
    bed.at(T1, 'umem.zapped', () => {
      during = { audit: auditOf(bed), collides: sample(bed, key) };
    });
    sectionStart(bed, T1, 5, 6);
    expect(during).toEqual({ audit: { [LISTED]: 1 }, collides: -1 });
    expect(entryOf(bed, key, 1)).toBe(0);
  });

  it.each([
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ])('takes ranges off the list in the order %i, %i, %i', (...order) => {
    const bed = createBed(rangeStack);
    const keys = [4, 6, 8].map((at) => register(bed, T2, at, 1));
    const tids = [T1, T3, T4];
    for (const i of [0, 1, 2]) sectionStart(bed, tids[i]!, 4 + 2 * i, 4 + 2 * i);
    const running = [true, true, true];
    for (const [n, i] of order.entries()) {
      expect(collide(bed, keys)).toEqual(running);
      sectionEnd(bed, tids[i]!);
      running[i] = false;
      expect(auditOf(bed)).toEqual(n === 2 ? {} : { [LISTED]: 2 - n });
    }
    expect(collide(bed, keys)).toEqual(running);
  });

  it('tells two sections over the same pages apart, also of one thread', () => {
    const bed = createBed(rangeStack);
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 4, 6);
    for (const [tid, left] of [
      [T1, 2],
      [T4, 1],
    ] as const) {
      sectionEnd(bed, tid);
      expect(auditOf(bed)).toEqual({ [LISTED]: left });
      expect(sample(bed, key)).toBe(-1);
    }
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it('ignores an end without a start', () => {
    const bed = createBed(rangeStack);
    // The section's words are those of one that was on the list before.
    sectionStart(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    sectionStart(bed, T4, 4, 6);
    const section = sectionAddr(bed.world.mm, T1, 0);
    rangeStack.rangeEnd(bed.actors[T1]!, bed.ctx, section, 4 as never, 6 as never);
    expect(auditOf(bed)).toEqual({ [LISTED]: 1 });
    expect(counter(bed, 'exposure.ignoredEnd')).toBe(1);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
  });

  it('refuses a fault around which a section has come and gone, on its own pages only', () => {
    const bed = createBed(rangeStack);
    const key = register(bed, T2, 4, 2);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 5, 5));
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 6, 9));
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
  });

  it('knows of the section into which a region is born', () => {
    const bed = createBed(rangeStack);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });

  it('wakes a fault that sleeps with the end of the section over it', async () => {
    const bed = createBed(rangeStack);
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 5, 6);
    // One sleep without slices, longer than any bound of the test: only the wake-up can end it.
    const thread = startThread(bed, T3, [
      ['faultWait', umemOf(bed, key), 3_600_000],
      ['fault', key, 1, 3_600_000],
    ]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      sectionEnd(bed, T1);
      expect(await thread.ended).toEqual([true, OUTCOME.ok]);
      expect(fired(bed)).toEqual({});
    });
  });
});

describe('the order in start', () => {
  /** Start in two halves, with a fault between them: in which order they stand is what v3 of the series changed. */
  function faultBetween(first: 'list' | 'callbacks'): { bed: Bed; outcome: number } {
    const seen = { outcome: -1 };
    const halved: Strategy = {
      ...rangeStack,
      rangeStart(actor, ctx, section, start, last) {
        const halves = [() => listRange(actor, ctx, section), () => backOffOverlaps(actor, ctx, start, last)] as const;
        const [before, after] = first === 'list' ? halves : [halves[1], halves[0]];
        before();
        seen.outcome = faultOnce(bed, T3, key, 0);
        after();
        return OUTCOME.ok;
      },
    };
    const bed = createBed(halved);
    touch(bed, T4, 5);
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T1, 4, 6);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    return { bed, outcome: seen.outcome };
  }

  it('with the list first keeps out a fault between the two', () => {
    const { bed, outcome } = faultBetween('list');
    expect(outcome).toBe(OUTCOME.eagain);
    expect(fired(bed)).toEqual({});
  });

  it('with the callbacks first, as in v1 and v2, lets it in, and nobody takes its entry away', () => {
    const { bed, outcome } = faultBetween('callbacks');
    expect(outcome).toBe(OUTCOME.ok);
    expect(fired(bed)).toHaveProperty('entry-in-section');
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toHaveProperty('stale-mapping');
  });
});
