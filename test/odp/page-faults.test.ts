import { describe, expect, it } from 'vitest';
import { ENTRY_WRITE, entryFrame, entryGeneration } from '../../src/hca/device.ts';
import type { Vpn } from '../../src/memory/address.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { FRAME, frameAddr, frameGeneration } from '../../src/mm/frame.ts';
import { mmapAnon } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek } from '../../src/mm/page-table.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { handlePageFault, prefetchMr } from '../../src/odp/fault-engine.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { TASK } from '../../src/sync/task.ts';
import { HISTOGRAM } from '../../src/trace/counters.ts';
import { HISTOGRAM_DOUBLES, quantilesOf, sumHistograms } from '../../src/trace/histogram.ts';
import {
  type Bed,
  counter,
  createBed,
  dma,
  entryOf,
  FILE_AT,
  faultOnce,
  faultTimes,
  fired,
  madvise,
  passedBy,
  pointsOf,
  register,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

const create = (): Bed => createBed(contextCount);
const pteOf = (bed: Bed, vpn: number): number => ptePeek(bed.world.mem, bed.world.mm.mms[0]!, vpn as Vpn);
const retries = (bed: Bed) =>
  quantilesOf(
    sumHistograms(bed.world.f64, [bed.actors[T3]!.histograms + HISTOGRAM.retriesPerCommit * HISTOGRAM_DOUBLES]),
  );

describe('a page fault of the adapter', () => {
  it('maps the frame and the generation that the CPU maps, and keeps no reference', () => {
    const bed = create();
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    const entry = entryOf(bed, key, 1);
    const { frames } = bed.world.mm;
    expect(entryFrame(entry)).toBe(pteFrame(pteOf(bed, 5)));
    expect(entryGeneration(entry)).toBe(frameGeneration(bed.supervisor, frames, entryFrame(entry)));
    expect(bed.world.mem[frameAddr(frames, entryFrame(entry)) + FRAME.refcount]).toBe(1);
    expect(censusFrames(bed.world.mem, bed.world.mm)).toEqual([]);
  });

  it('brings the page in when the CPU has none', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    expect(pteOf(bed, 6)).toBe(0);
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.ok);
    expect(entryFrame(entryOf(bed, key, 2))).toBe(pteFrame(pteOf(bed, 6)));
  });

  it('passes its points in their order', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    expect(pointsOf(passedBy(bed, T3, () => faultOnce(bed, T3, key, 2)))).toEqual([
      'fault.enter',
      'fault.sampled',
      'mm.faulted',
      'fault.gotPages',
      'fault.checked',
      'fault.committed',
    ]);
  });

  it('commits once when two handlers serve the same page', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    bed.at(T3, 'fault.gotPages', () => expect(faultOnce(bed, T4, key, 2)).toBe(OUTCOME.ok));
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.ok);
    expect(counter(bed, 'fault.committed')).toBe(1);
    expect(counter(bed, 'op.fault')).toBe(2);
    expect(censusFrames(bed.world.mem, bed.world.mm)).toEqual([]);
  });

  it('ends with what get_user_pages says, and maps nothing', () => {
    const bed = create();
    const { mm, files } = { mm: bed.world.mm.mms[0]!, files: bed.world.mm.files };
    const key = register(bed, T2, 8, 8);
    munmap(bed.actors[T1]!, mm, 8 as Vpn, 9 as Vpn);
    mmapAnon(bed.actors[T1]!, mm, 8 as Vpn, 8 as Vpn, false);
    const file = register(bed, T2, FILE_AT, 2);
    truncate(bed.actors[T1]!, bed.world.mm, files[0]!, 1);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.efault);
    expect(faultOnce(bed, T3, key, 0, true)).toBe(OUTCOME.efault);
    expect(faultOnce(bed, T3, file, 1)).toBe(OUTCOME.sigbus);
    expect([entryOf(bed, key, 0), entryOf(bed, key, 1), entryOf(bed, file, 1)]).toEqual([0, 0, 0]);
    expect([counter(bed, 'fail.faultEfault'), counter(bed, 'fail.faultSigbus')]).toEqual([2, 1]);
    // For reading, the page without write permission is there.
    expect(faultOnce(bed, T3, key, 0, false)).toBe(OUTCOME.ok);
    expect(entryOf(bed, key, 0) & ENTRY_WRITE).toBe(0);
    expect(faultOnce(bed, T3, file, 0)).toBe(OUTCOME.ok);
  });

  it('ends with ENOMEM when there is no frame, and holds nothing afterwards', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    const { mem, mm } = bed.world;
    const { slab } = mm.frames;
    // Everything is handed out.
    for (let i = 1; i <= slab.count; i++) mem[slab.states + i * slab.stateStride] = 1;
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.enomem);
    expect(counter(bed, 'fail.faultEnomem')).toBe(1);
    expect(mem[bed.world.taskAddr(T3) + TASK.heldCount]).toBe(0);
  });

  it('ends with EINVAL for a key that does not exist', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    expect(faultOnce(bed, T3, key + (1 << 20), 0)).toBe(OUTCOME.einval);
    expect(counter(bed, 'fail.faultGone')).toBe(1);
  });

  it('tries again until it is let through, and counts how often it was not', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 4, 5);
    let n = 0;
    const refused = (): void => {
      if (++n === 3) sectionEnd(bed, T1);
      else bed.at(T3, 'fault.retried', refused);
    };
    bed.at(T3, 'fault.retried', refused);
    expect(handlePageFault(bed.actors[T3]!, bed.ctx, key, 0, true, 0)).toBe(OUTCOME.ok);
    expect(counter(bed, 'fault.retried')).toBe(3);
    expect(retries(bed)).toMatchObject({ count: 1, max: 3 });
  });

  it('gives up when the cell stops, holding nothing', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 4, 5);
    expect(faultTimes(bed, T3, key, 0, 7)).toBe(OUTCOME.eagain);
    expect(counter(bed, 'fault.retried')).toBe(7);
    expect(counter(bed, 'fault.timeout')).toBe(7);
    expect(retries(bed).count).toBe(0);
    expect(bed.world.mem[bed.world.taskAddr(T3) + TASK.heldCount]).toBe(0);
    expect(censusFrames(bed.world.mem, bed.world.mm)).toEqual([]);
  });

  it('is exposed to sections in it, around it and inside it', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 4, 4);
    faultOnce(bed, T3, key, 0);
    expect(counter(bed, 'exposure.faultInSection')).toBe(1);
    // Its page is not in the section.
    faultOnce(bed, T3, key, 1);
    expect(counter(bed, 'exposure.faultInSection')).toBe(1);
    sectionEnd(bed, T1);
    const across = counter(bed, 'exposure.faultAcrossSection');
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 4, 4));
    faultOnce(bed, T3, key, 0);
    expect(counter(bed, 'exposure.faultAcrossSection')).toBe(across + 1);
  });
});

describe('prefetch', () => {
  const prefetch = (bed: Bed, key: number, first: number, last: number, write = true) =>
    prefetchMr(bed.actors[T3]!, bed.ctx, key, first, last, write, 0);

  it('brings in what is not there, and leaves alone what is', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    faultOnce(bed, T3, key, 1);
    expect(prefetch(bed, key, 0, 2)).toBe(OUTCOME.ok);
    expect([0, 1, 2, 3].map((page) => entryOf(bed, key, page) !== 0)).toEqual([true, true, true, false]);
    expect(counter(bed, 'op.fault')).toBe(3);
    expect(counter(bed, 'op.prefetch')).toBe(1);
    for (const page of [0, 1, 2]) expect(dma(bed, T4, key, page, true)).toBe(OUTCOME.ok);
  });

  it('for writing brings in again what can only be read', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    expect(prefetch(bed, key, 0, 0, false)).toBe(OUTCOME.ok);
    expect(entryOf(bed, key, 0) & ENTRY_WRITE).toBe(0);
    expect(prefetch(bed, key, 0, 0, false)).toBe(OUTCOME.ok);
    expect(counter(bed, 'op.fault')).toBe(1);
    expect(prefetch(bed, key, 0, 0, true)).toBe(OUTCOME.ok);
    expect(entryOf(bed, key, 0) & ENTRY_WRITE).toBe(ENTRY_WRITE);
  });

  it('stops at the first page that cannot be had', () => {
    const bed = create();
    const key = register(bed, T2, 4, 4);
    munmap(bed.actors[T1]!, bed.world.mm.mms[0]!, 6 as Vpn, 6 as Vpn);
    expect(prefetch(bed, key, 0, 3)).toBe(OUTCOME.efault);
    expect([0, 1, 2, 3].map((page) => entryOf(bed, key, page) !== 0)).toEqual([true, true, false, false]);
    expect(counter(bed, 'op.prefetch')).toBe(0);
    expect(fired(bed)).toEqual({});
  });
});
