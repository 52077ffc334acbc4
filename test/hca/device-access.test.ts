import { describe, expect, it } from 'vitest';
import { ENTRY_PINNED, ENTRY_VALID, ENTRY_WRITE, entryGeneration, keyIndex, makeEntry } from '../../src/hca/device.ts';
import { deviceMap, deviceReach, deviceZap, entryAddr } from '../../src/hca/device-page-table.ts';
import { createDmaAccess } from '../../src/hca/dma.ts';
import type { Pfn } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek } from '../../src/mm/page-table.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import {
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
  touch,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

/** A region over pages 4 .. 7; the device may read page 4 and write page 5. */
function mapped(): { bed: Bed; key: number } {
  const bed = createBed(contextCount);
  const key = register(bed, T2, 4, 4);
  expect(faultOnce(bed, T3, key, 0, false)).toBe(OUTCOME.ok);
  expect(faultOnce(bed, T3, key, 1, true)).toBe(OUTCOME.ok);
  return { bed, key };
}

describe('a device access', () => {
  it('ends with EFAULT where there is no entry', () => {
    const { bed, key } = mapped();
    expect(dma(bed, T4, key, 2)).toBe(OUTCOME.efault);
    expect(counter(bed, 'op.dmaRead')).toBe(0);
  });

  it('may read, and may not write, what was faulted in for reading', () => {
    const { bed, key } = mapped();
    expect(dma(bed, T4, key, 0)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 0, true)).toBe(OUTCOME.efault);
    expect(dma(bed, T4, key, 1, true)).toBe(OUTCOME.ok);
    expect([counter(bed, 'op.dmaRead'), counter(bed, 'op.dmaWrite')]).toEqual([1, 1]);
  });

  it('may write once a fault for writing has made the entry so', () => {
    const { bed, key } = mapped();
    const committed = counter(bed, 'fault.committed');
    expect(faultOnce(bed, T3, key, 0, true)).toBe(OUTCOME.ok);
    expect(counter(bed, 'fault.committed')).toBe(committed + 1);
    expect(dma(bed, T4, key, 0, true)).toBe(OUTCOME.ok);
    // And what is writable is not made read-only again.
    expect(faultOnce(bed, T3, key, 0, false)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 0, true)).toBe(OUTCOME.ok);
    expect(counter(bed, 'fault.committed')).toBe(committed + 1);
  });

  it('ends with EINVAL when the key is gone, also when its slot has a new one', () => {
    const { bed, key } = mapped();
    deregister(bed, T2, key);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.einval);
    const next = register(bed, T2, 4, 4);
    expect(keyIndex(next)).toBe(keyIndex(key));
    expect(faultOnce(bed, T3, next, 1)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.einval);
    expect(dma(bed, T4, next, 1)).toBe(OUTCOME.ok);
  });

  it('tells what it has reached', () => {
    const { bed, key } = mapped();
    const access = createDmaAccess();
    dma(bed, T4, key, 1, true, access);
    const entry = entryOf(bed, key, 1);
    expect(access).toEqual({
      key,
      vpn: 5,
      pfn: pteFrame(ptePeek(bed.world.mem, bed.world.mm.mms[0]!, 5 as never)),
      write: true,
      pinned: false,
      entryGeneration: entryGeneration(entry),
      frameGeneration: entryGeneration(entry),
      expectedIdentity: 6,
      foundIdentity: 6,
      identityTorn: false,
    });
  });

  it('goes on once it has translated, and does not find the entry the next time', () => {
    const { bed, key } = mapped();
    const { mem, hca } = bed.world;
    bed.at(T4, 'dma.translated', () => {
      mem[entryAddr(hca, keyIndex(key), 1)] = 0;
    });
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.efault);
  });

  it('passes its points in their order', () => {
    const { bed, key } = mapped();
    expect(pointsOf(passedBy(bed, T4, () => dma(bed, T4, key, 1)))).toEqual(['dma.translated', 'dma.accessed']);
    expect(passedBy(bed, T4, () => dma(bed, T4, key, 3))).toEqual([]);
  });
});

describe('mapping and zapping', () => {
  const reach = (bed: Bed, vpn: number) => deviceReach(bed.supervisor, bed.world.hca, 0, vpn as never);
  const zap = (bed: Bed, key: number, first: number, last: number, pinned = false) =>
    deviceZap(bed.actors[T1]!, bed.world.hca, keyIndex(key), first, last, pinned);

  it('counts for each page the entries that reach it', () => {
    const { bed, key } = mapped();
    const other = register(bed, T2, 5, 2);
    expect([4, 5, 6].map((vpn) => reach(bed, vpn))).toEqual([1, 1, 0]);
    faultOnce(bed, T3, other, 0);
    faultOnce(bed, T3, key, 0, true);
    expect([4, 5, 6].map((vpn) => reach(bed, vpn))).toEqual([1, 2, 0]);
    expect(zap(bed, key, 0, 3)).toBe(2);
    expect([4, 5, 6].map((vpn) => reach(bed, vpn))).toEqual([0, 1, 0]);
    madvise(bed, T1, 0, 9);
    expect([4, 5, 6].map((vpn) => reach(bed, vpn))).toEqual([0, 0, 0]);
    expect(fired(bed)).toEqual({});
  });

  it('clears the pages of its range only, and only once', () => {
    const { bed, key } = mapped();
    expect(zap(bed, key, 1, 3)).toBe(1);
    expect(entryOf(bed, key, 0)).not.toBe(0);
    expect(zap(bed, key, 1, 3)).toBe(0);
  });

  it('leaves pinned entries unless it is told otherwise, and does not count them', () => {
    const { bed, key } = mapped();
    touch(bed, T4, 6);
    const flags = ENTRY_VALID | ENTRY_WRITE | ENTRY_PINNED;
    deviceMap(bed.actors[T2]!, bed.world.hca, keyIndex(key), 2, makeEntry(1 as Pfn, 1, flags), 7);
    expect(reach(bed, 6)).toBe(0);
    expect(zap(bed, key, 0, 3)).toBe(2);
    expect(entryOf(bed, key, 2)).not.toBe(0);
    expect(zap(bed, key, 0, 3, true)).toBe(1);
    expect([4, 5, 6].map((vpn) => reach(bed, vpn))).toEqual([0, 0, 0]);
  });
});
