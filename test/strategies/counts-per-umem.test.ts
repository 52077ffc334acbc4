import { describe, expect, it } from 'vitest';
import { keyIndex } from '../../src/hca/device.ts';
import { at } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { umemExt } from '../../src/odp/umem.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { mmapWrite } from '../../src/strategies/mmap-write.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import { privateCountClamped } from '../../src/strategies/private-count-clamped.ts';
import { RUNNING } from '../../src/strategies/running-count.ts';
import { completionDone } from '../../src/sync/completion.ts';
import { downReadTrylock, downWriteTrylock, upRead } from '../../src/sync/rw-semaphore.ts';
import {
  auditOf,
  type Bed,
  countedBy,
  counter,
  createBed,
  deregister,
  dma,
  entryOf,
  FILE_AT,
  faultOnce,
  fired,
  madvise,
  type Passed,
  passedBy,
  pointsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const COUNTED = [privateCount, privateCountClamped, mmapWrite];

const word = (bed: Bed, key: number, field: number): number => bed.world.mem[umemExt(umemOf(bed, key)) + field]!;
const countOf = (bed: Bed, key: number): number => word(bed, key, RUNNING.count);
const seqOf = (bed: Bed, key: number): number => word(bed, key, RUNNING.seq);
const completed = (bed: Bed, key: number): boolean =>
  completionDone(bed.supervisor, at(umemExt(umemOf(bed, key)), RUNNING.completion));

/** A region over pages 4 .. 7 of which the device can reach page 5. */
function mapped(strategy: typeof privateCount): { bed: Bed; key: number } {
  const bed = createBed(strategy);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  faultOnce(bed, T3, key, 1);
  return { bed, key };
}
const about = (passed: readonly Passed[], ...points: string[]) =>
  passed.filter((p) => points.includes(p.point)).map((p) => [p.point, ...p.args]);

describe.each(COUNTED)('$name: a section', (strategy) => {
  it('counts every region that it overlaps, then zaps it, and no other', () => {
    const { bed, key } = mapped(strategy);
    const other = register(bed, T2, 8, 2);
    const far = register(bed, T2, 12, 2);
    const [i, j] = [keyIndex(key), keyIndex(other)];
    const passed = passedBy(bed, T1, () => sectionStart(bed, T1, 5, 8));
    expect(about(passed, 'umem.counted', 'umem.zapped')).toEqual([
      ['umem.counted', i, 1, 0],
      ['umem.zapped', i, 5, 7],
      ['umem.counted', j, 1, 0],
      ['umem.zapped', j, 8, 8],
    ]);
    expect(entryOf(bed, key, 1)).toBe(0);
    expect([key, other, far].map((k) => countOf(bed, k))).toEqual([1, 1, 0]);
    sectionEnd(bed, T1);
    expect([key, other, far].map((k) => [countOf(bed, k), seqOf(bed, k)])).toEqual([
      [0, 1],
      [0, 1],
      [0, 0],
    ]);
  });

  it('holds the tree for reading during the walk, not until the end', () => {
    const { bed } = mapped(strategy);
    bed.at(T1, 'umem.counted', () => {
      expect(downWriteTrylock(bed.actors[T2]!, bed.ctx.umemRwsem)).toBe(false);
      expect(downReadTrylock(bed.actors[T2]!, bed.ctx.umemRwsem)).toBe(true);
      upRead(bed.actors[T2]!, bed.ctx.umemRwsem);
    });
    sectionStart(bed, T1, 5, 8);
    expect(downWriteTrylock(bed.actors[T2]!, bed.ctx.umemRwsem)).toBe(true);
  });

  it('keeps faults out while it runs, and refuses one whose sample is older than its end', () => {
    const { bed, key } = mapped(strategy);
    sectionStart(bed, T1, 5, 8);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    sectionClear(bed, T1, 5, 8);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 7, 7));
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.eagain);
    expect(counter(bed, 'exposure.faultAcrossSection')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('lets faults of other regions through', () => {
    const { bed } = mapped(strategy);
    const far = register(bed, T2, 12, 2);
    sectionStart(bed, T1, 5, 8);
    expect(faultOnce(bed, T3, far, 0)).toBe(OUTCOME.ok);
  });

  it('re-arms the completion with the first section and completes it with the last', () => {
    const { bed, key } = mapped(strategy);
    const { faultWait } = bed.ctx.strategy;
    const waits = () => faultWait(bed.actors[T3]!, bed.ctx, umemOf(bed, key), 1);
    expect(waits()).toBe(true);
    sectionStart(bed, T1, 4, 5);
    sectionStart(bed, T4, 5, 6);
    expect(completed(bed, key)).toBe(false);
    expect(waits()).toBe(false);
    sectionEnd(bed, T1);
    expect(waits()).toBe(false);
    sectionEnd(bed, T4);
    expect(completed(bed, key)).toBe(true);
    expect(waits()).toBe(true);
    sectionStart(bed, T1, 4, 5);
    expect(completed(bed, key)).toBe(false);
  });

  it('leaves its values at rest', () => {
    const { bed, key } = mapped(strategy);
    for (const tid of [T1, T4]) sectionStart(bed, tid, 5, 5);
    expect(auditOf(bed, key)).toEqual({ 'running count': 2 });
    for (const tid of [T1, T4]) sectionEnd(bed, tid);
    expect(auditOf(bed, key)).toEqual({});
    expect(auditOf(bed)).toEqual({});
  });

  it('says nothing more to a region that was removed inside it', () => {
    const { bed, key } = mapped(strategy);
    sectionStart(bed, T1, 5, 8);
    deregister(bed, T2, key);
    expect(
      about(
        passedBy(bed, T1, () => sectionEnd(bed, T1)),
        'umem.uncounted',
        'umem.clamped',
      ),
    ).toEqual([]);
    expect(counter(bed, 'exposure.removeInSection')).toBe(1);
    expect(fired(bed)).toEqual({});
  });
});

describe('private-count: a region born inside a section', () => {
  it('goes to -1 with the end, refuses every fault, and lets them through in the next section', () => {
    const bed = createBed(privateCount);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(counter(bed, 'exposure.registerInSection')).toBe(1);
    sectionEnd(bed, T1);
    expect(countOf(bed, key)).toBe(-1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(auditOf(bed, key)).toEqual({ 'running count': -1 });
    // The next section takes it from -1 to 0.
    sectionStart(bed, T1, 5, 5);
    expect(countOf(bed, key)).toBe(0);
    // The completion was not re-armed, as 0 is not what the count had been.
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 5, 5);
    sectionEnd(bed, T1);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({ 'counter-underflow': 2, 'entry-in-section': 1, 'stale-mapping': 1 });
  });

  it('lets a fault inside its own first section through, too', () => {
    const bed = createBed(privateCount);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(countedBy(bed, 'entry-in-section')).toBe(1);
  });
});

describe('private-count-clamped', () => {
  it('does not count down at 0, moves the sequence all the same, and counts the clamp', () => {
    const bed = createBed(privateCountClamped);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    const passed = passedBy(bed, T1, () => sectionEnd(bed, T1));
    expect(about(passed, 'umem.uncounted', 'umem.clamped')).toEqual([['umem.clamped', keyIndex(key), 0, 1]]);
    expect([countOf(bed, key), seqOf(bed, key)]).toEqual([0, 1]);
    expect(counter(bed, 'exposure.clampHit')).toBe(1);
    expect(completed(bed, key)).toBe(true);
    expect(fired(bed)).toEqual({});
  });

  it('b1: a fault wholly inside the section that began before the region maps a page that is about to go', () => {
    const bed = createBed(privateCountClamped);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    dma(bed, T4, key, 0);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({
      'entry-in-section': 1,
      'stale-dma': 1,
      'data-corruption': 1,
      'stale-mapping': 1,
    });
  });

  it('b1: it is rescued when the end falls between its sample and its check', () => {
    const bed = createBed(privateCountClamped);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    bed.at(T3, 'fault.gotPages', () => {
      sectionClear(bed, T1, 4, 6);
      sectionEnd(bed, T1);
    });
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    expect(fired(bed)).toEqual({});
  });

  it('b2: the end of an older section takes the count of one that still runs', () => {
    const bed = createBed(privateCountClamped);
    touch(bed, T4, 5);
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    sectionStart(bed, T4, 5, 5);
    expect(countOf(bed, key)).toBe(1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    expect(countOf(bed, key)).toBe(0);
    expect(counter(bed, 'exposure.clampHit')).toBe(0);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionClear(bed, T4, 5, 5);
    sectionEnd(bed, T4);
    expect(counter(bed, 'exposure.clampHit')).toBe(1);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({ 'entry-in-section': 1, 'stale-mapping': 1 });
    expect(auditOf(bed, key)).toEqual({});
  });
});

describe('mmap-write', () => {
  it('cannot register while madvise runs, and keeps mmap_lock for writing around the insertion', () => {
    const bed = createBed(mmapWrite);
    bed.at(T1, 'section.started', () => expect(() => register(bed, T2, 5, 2)).toThrow(/would block/));
    madvise(bed, T1, 4, 6);
    const free = createBed(mmapWrite);
    const { mmapLock } = free.world.mm.mms[0]!;
    free.at(T2, 'umem.inserted', () => expect(downReadTrylock(free.actors[T1]!, mmapLock)).toBe(false));
    const passed = passedBy(free, T2, () => register(free, T2, 5, 2));
    expect(pointsOf(passed)).toContain('umem.inserted');
    expect(downWriteTrylock(free.actors[T1]!, mmapLock)).toBe(true);
  });

  it('c1: a fault inside truncate finds the page still mapped: stale for a while, repaired by the second pass', () => {
    const bed = createBed(mmapWrite);
    const { world } = bed;
    touch(bed, T4, FILE_AT);
    let key = 0;
    bed.at(T1, 'section.started', () => {
      key = register(bed, T2, FILE_AT, 2);
      // i_size is 0 already, and is not looked at.
      expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    });
    let seen: object = {};
    // After the page has left the cache and was freed, before pass 2.
    bed.at(T1, 'section.starting', () => {
      bed.at(T1, 'section.starting', () => {
        dma(bed, T4, key, 0);
        seen = fired(bed);
      });
    });
    expect(truncate(bed.actors[T1]!, world.mm, world.mm.files[0]!, 0)).toBe(OUTCOME.ok);
    expect(seen).toEqual({ 'entry-in-section': 1, 'stale-dma': 1, 'data-corruption': 1 });
    // Transient: pass 2 has taken the entry away, so at rest all is well.
    expect(entryOf(bed, key, 0)).toBe(0);
    auditMappings(bed.supervisor, world.oracles);
    expect(fired(bed)).toEqual(seen);
    expect(auditOf(bed, key)).toEqual({});
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.sigbus);
  });

  it('is quiet when the region was there before the truncate', () => {
    const bed = createBed(mmapWrite);
    const { world } = bed;
    touch(bed, T4, FILE_AT);
    const key = register(bed, T2, FILE_AT, 2);
    faultOnce(bed, T3, key, 0);
    bed.at(T1, 'section.started', () => expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain));
    truncate(bed.actors[T1]!, world.mm, world.mm.files[0]!, 0);
    expect(dma(bed, T4, key, 0)).toBe(OUTCOME.efault);
    auditMappings(bed.supervisor, world.oracles);
    expect(fired(bed)).toEqual({});
  });
});
