import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { rangeAlloc } from '../../src/strategies/range-alloc.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  entryOf,
  faultOnce,
  fired,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const USED = 'slots in use';

const create = (params: Readonly<Record<string, number>> = {}): Bed => createBed(rangeAlloc, { params });
const colliding = (bed: Bed, key: number): boolean =>
  rangeAlloc.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, key)) < 0;

describe('range-alloc', () => {
  it('lists every section while there is memory', () => {
    const bed = create();
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 6, 6);
    expect(auditOf(bed)).toEqual({ [USED]: 2 });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    expect(auditOf(bed)).toEqual({});
    expect(counter(bed, 'exposure.unlistedSection')).toBe(0);
    expect(fired(bed)).toEqual({});
  });

  it('fails every n-th allocation of the process, whoever asks', () => {
    const bed = create({ failEvery: 3 });
    const listed: boolean[] = [];
    for (let i = 0; i < 9; i++) {
      const tid = i % 2 === 0 ? T1 : T4;
      sectionStart(bed, tid, 4, 4);
      listed.push(USED in auditOf(bed));
      sectionEnd(bed, tid);
    }
    expect(listed).toEqual([true, true, false, true, true, false, true, true, false]);
    expect(counter(bed, 'exposure.unlistedSection')).toBe(3);
    // The end of a section that was not listed finds nothing, and says nothing.
    expect(counter(bed, 'exposure.ignoredEnd')).toBe(3);
    expect(auditOf(bed)).toEqual({});
  });

  it('answers EAGAIN where that is allowed, and leaves all as it was', () => {
    const bed = create({ failEvery: 1 });
    touch(bed, T4, 5);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    const { actors, ctx } = bed;
    const before = rangeAlloc.faultBegin(actors[T3]!, ctx, umemOf(bed, key));
    expect(sectionStart(bed, T1, 4, 6, false)).toBe(OUTCOME.eagain);
    expect(entryOf(bed, key, 0)).not.toBe(0);
    expect(rangeAlloc.faultCheck(actors[T3]!, ctx, umemOf(bed, key), before, 5 as never)).toBe(true);
    expect(counter(bed, 'exposure.unlistedSection')).toBe(0);
    expect(auditOf(bed)).toEqual({});
    expect(fired(bed)).toEqual({});
  });

  it('sends back the faults under way and zaps, also without a range', () => {
    const bed = create({ failEvery: 1 });
    touch(bed, T4, 5);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    bed.at(T3, 'fault.gotPages', () => sectionStart(bed, T1, 4, 6));
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    expect(entryOf(bed, key, 0)).toBe(0);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(fired(bed)).toEqual({});
  });

  it('lets a fault into a section that has no range: the hole', () => {
    const bed = create({ failEvery: 1 });
    touch(bed, T4, 5);
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T1, 4, 6);
    expect(colliding(bed, key)).toBe(false);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(fired(bed)).toHaveProperty('entry-in-section');
    // Nothing that the design itself could notice.
    expect(auditOf(bed)).toEqual({});
  });

  it('without a range takes that of another section over the same pages, at its end', () => {
    const bed = create({ size: 1 });
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T1, 4, 6);
    sectionStart(bed, T4, 4, 6);
    expect(counter(bed, 'exposure.unlistedSection')).toBe(1);
    sectionEnd(bed, T4);
    // The section of T1 runs on, and no list shows it.
    expect(auditOf(bed)).toEqual({});
    expect(colliding(bed, key)).toBe(false);
    sectionEnd(bed, T1);
    expect(counter(bed, 'exposure.ignoredEnd')).toBe(1);
  });

  it('expects to be safe only where no allocation can fail', () => {
    const expected = (params: Readonly<Record<string, number>>) =>
      rangeAlloc.expected('v5.5', { rmap: true }, { size: 256, failEvery: 0, ...params });
    expect(expected({})).toMatchObject({ must: [], may: [] });
    expect(expected({ failEvery: 1 }).must).toEqual(['entry-in-section']);
    expect(expected({ failEvery: 2 })).toMatchObject({ must: [], may: expect.arrayContaining(['entry-in-section']) });
    expect(expected({ size: 255 })).toMatchObject({ must: [], may: expect.arrayContaining(['entry-in-section']) });
  });
});
