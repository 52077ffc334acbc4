import { describe, expect, it } from 'vitest';
import { entryFrame, entryGeneration } from '../../src/hca/device.ts';
import { frameGeneration, POISON, putFrame, stampRead } from '../../src/mm/frame.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek } from '../../src/mm/page-table.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { CORRUPTION } from '../../src/oracles/data-corruption.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { pinned } from '../../src/strategies/pinned.ts';
import { privateCountClamped } from '../../src/strategies/private-count-clamped.ts';
import {
  type Bed,
  counter,
  createBed,
  dma,
  entryOf,
  faultOnce,
  fired,
  madvise,
  recordsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from './fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const CORRECT = [contextCount, intervalNotifier];

/** The invalidator does not tell the device. */
const noZap: Strategy = { ...contextCount, rangeStart: () => OUTCOME.ok, rangeEnd() {} };
/** The fault does not look whether a section runs. */
const noCheck: Strategy = { ...contextCount, faultCheck: () => true };

/** Registers pages 4 .. 7, and lets the device reach page 5 for writing. */
function mapped(strategy: Strategy): { bed: Bed; key: number } {
  const bed = createBed(strategy);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
  return { bed, key };
}

describe('stale-dma', () => {
  it('fires when an access goes through an entry whose frame was freed', () => {
    const { bed, key } = mapped(noZap);
    const entry = entryOf(bed, key, 1);
    madvise(bed, T1, 5, 5);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    const [record, ...more] = recordsOf(bed, 'stale-dma');
    expect(more).toEqual([]);
    expect(record!.fields).toMatchObject({
      tid: T4,
      key,
      mm: 0,
      page: 5,
      frame: entryFrame(entry),
      entryGeneration: entryGeneration(entry),
      frameGeneration: frameGeneration(bed.actors[T4]!, bed.world.mm.frames, entryFrame(entry)),
      reason: 0,
    });
    expect(record!.fields.frameGeneration).toBe(record!.fields.entryGeneration + 1);
  });

  it('tells a write from a read, and counts each access', () => {
    const { bed, key } = mapped(noZap);
    madvise(bed, T1, 5, 5);
    dma(bed, T4, key, 1, true);
    dma(bed, T4, key, 1);
    expect(fired(bed)['stale-dma']).toBe(2);
    expect(recordsOf(bed, 'stale-dma').map((r) => r.fields.reason)).toEqual([1, 0]);
  });

  it('fires for a region that was registered and faulted inside the section', () => {
    const bed = createBed(privateCountClamped);
    touch(bed, T4, 5);
    let key = 0;
    bed.at(T1, 'section.started', () => {
      key = register(bed, T2, 4, 4);
      expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    });
    madvise(bed, T1, 5, 6);
    dma(bed, T4, key, 1);
    expect(fired(bed)).toMatchObject({ 'stale-dma': 1, 'entry-in-section': 1 });
  });

  it.each(CORRECT)('is silent under $name in the same schedules', (strategy) => {
    const { bed, key } = mapped(strategy);
    madvise(bed, T1, 5, 5);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.efault);
    bed.at(T1, 'section.started', () => {
      const inside = register(bed, T2, 4, 4);
      expect(faultOnce(bed, T3, inside, 1)).toBe(OUTCOME.eagain);
      expect(dma(bed, T4, inside, 1)).toBe(OUTCOME.efault);
    });
    touch(bed, T4, 5);
    madvise(bed, T1, 5, 6);
    expect(fired(bed)).toEqual({});
  });
});

describe('entry-in-section', () => {
  /** A fault on page 5 while a section over 5 .. 6 runs. */
  function faultInSection(strategy: Strategy): { bed: Bed; key: number } {
    const bed = createBed(strategy);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    bed.at(T1, 'section.started', () => faultOnce(bed, T3, key, 1));
    madvise(bed, T1, 5, 6);
    return { bed, key };
  }

  it('fires just before the end, on the invalidator, and names section, page and frame', () => {
    const { bed, key } = faultInSection(noCheck);
    const entry = entryOf(bed, key, 1);
    expect(fired(bed)).toEqual({ 'entry-in-section': 1 });
    expect(recordsOf(bed, 'entry-in-section')[0]!.fields).toMatchObject({
      tid: T1,
      key,
      mm: 0,
      start: 5,
      last: 6,
      page: 5,
      frame: entryFrame(entry),
      entryGeneration: entryGeneration(entry),
    });
  });

  it('fires for entries that the start did not take away, once a page', () => {
    const { bed, key } = mapped(noZap);
    touch(bed, T4, 6);
    faultOnce(bed, T3, key, 2);
    madvise(bed, T1, 4, 7);
    expect(recordsOf(bed, 'entry-in-section').map((r) => r.fields.page)).toEqual([5, 6]);
  });

  it('looks at the range of its own section only', () => {
    const { bed } = mapped(noZap);
    madvise(bed, T1, 6, 9);
    madvise(bed, T1, 0, 4);
    expect(fired(bed)).toEqual({});
  });

  it.each(CORRECT)('is silent under $name in the same schedule', (strategy) => {
    const { bed } = faultInSection(strategy);
    expect(counter(bed, 'exposure.faultInSection') + counter(bed, 'fault.waited')).toBeGreaterThan(0);
    expect(fired(bed)).toEqual({});
  });

  it('exempts pinned pages', () => {
    const bed = createBed(pinned);
    const key = register(bed, T2, 4, 4);
    madvise(bed, T1, 4, 7);
    expect(entryOf(bed, key, 1)).not.toBe(0);
    expect(fired(bed)).toEqual({});
  });
});

describe('stale-mapping', () => {
  it('fires at rest when the CPU maps nothing there, once however many audits see it', () => {
    const { bed, key } = mapped(noZap);
    const entry = entryOf(bed, key, 1);
    madvise(bed, T1, 5, 5);
    auditMappings(bed.supervisor, bed.world.oracles);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)['stale-mapping']).toBe(1);
    expect(recordsOf(bed, 'stale-mapping')[0]!.fields).toMatchObject({
      tid: bed.supervisor.tid,
      key,
      page: 5,
      frame: entryFrame(entry),
      entryGeneration: entryGeneration(entry),
      frameGeneration: entryGeneration(entry) + 1,
      value: 0,
    });
  });

  it('names the frame that the CPU maps instead', () => {
    const { bed } = mapped(noZap);
    madvise(bed, T1, 5, 5);
    touch(bed, T2, 9);
    touch(bed, T4, 5);
    auditMappings(bed.supervisor, bed.world.oracles);
    const frame = pteFrame(ptePeek(bed.world.mem, bed.world.mm.mms[0]!, 5 as never));
    const { fields } = recordsOf(bed, 'stale-mapping')[0]!;
    expect(fields.value).toBe(frame);
  });

  it('sees a frame that came back to the same page in another life', () => {
    const { bed, key } = mapped(noZap);
    const frame = entryFrame(entryOf(bed, key, 1));
    madvise(bed, T1, 5, 5);
    // The same thread takes the frame that it has just freed.
    touch(bed, T1, 5);
    expect(pteFrame(ptePeek(bed.world.mem, bed.world.mm.mms[0]!, 5 as never))).toBe(frame);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(fired(bed)['stale-mapping']).toBe(1);
  });

  it.each(CORRECT)('is silent under $name in the same schedule', (strategy) => {
    const { bed, key } = mapped(strategy);
    faultOnce(bed, T3, key, 2);
    madvise(bed, T1, 5, 5);
    auditMappings(bed.supervisor, bed.world.oracles);
    // Page 6 is still mapped, so there was something to audit.
    expect(counter(bed, 'audit.entries')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('counts pinned pages that the CPU has let go as a fact, not a violation', () => {
    const bed = createBed(pinned);
    register(bed, T2, 4, 4);
    madvise(bed, T1, 5, 6);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(counter(bed, 'audit.incoherentPinned')).toBe(2);
    expect(fired(bed)).toEqual({});
  });

  it('fires for a pinned entry whose frame has been freed all the same', () => {
    const bed = createBed(pinned);
    const key = register(bed, T2, 4, 1);
    const { world } = bed;
    const entry = entryOf(bed, key, 0);
    madvise(bed, T1, 4, 4);
    // A pin that was lost: with the last reference the frame is freed.
    putFrame(bed.actors[T2]!, world.mm.frames, entryFrame(entry));
    auditMappings(bed.supervisor, world.oracles);
    expect(fired(bed)['stale-mapping']).toBe(1);
  });
});

describe('data-corruption', () => {
  it('fires when the device reads poison', () => {
    const { bed, key } = mapped(noZap);
    madvise(bed, T1, 5, 5);
    dma(bed, T4, key, 1);
    const { fields } = recordsOf(bed, 'data-corruption')[0]!;
    expect(fields).toMatchObject({ tid: T4, key, page: 5, foundIdentity: POISON, reason: CORRUPTION.deviceRead });
    expect(fields.expectedIdentity).toBe(1 + 5);
  });

  it('fires when the device reads the data of another page, and says which', () => {
    const { bed, key } = mapped(noZap);
    madvise(bed, T1, 5, 5);
    touch(bed, T1, 10);
    dma(bed, T4, key, 1);
    expect(recordsOf(bed, 'data-corruption')[0]!.fields).toMatchObject({ expectedIdentity: 6, foundIdentity: 11 });
  });

  it('fires when the CPU finds what the device wrote to a page that was no longer its own', () => {
    const { bed, key } = mapped(noZap);
    madvise(bed, T1, 5, 5);
    touch(bed, T1, 10);
    dma(bed, T4, key, 1, true);
    const before = fired(bed)['data-corruption']!;
    touch(bed, T2, 10, false);
    expect(fired(bed)['data-corruption']).toBe(before + 1);
    expect(recordsOf(bed, 'data-corruption')[before]!.fields).toMatchObject({
      tid: T2,
      page: 10,
      expectedIdentity: 11,
      foundIdentity: 6,
      reason: CORRUPTION.cpu,
    });
  });

  it('fires when a free frame is handed out again and its poison has been overwritten', () => {
    const { bed, key } = mapped(noZap);
    const frame = entryFrame(entryOf(bed, key, 1));
    madvise(bed, T1, 5, 5);
    dma(bed, T4, key, 1, true);
    const before = fired(bed)['data-corruption']!;
    touch(bed, T1, 10);
    const { fields } = recordsOf(bed, 'data-corruption')[before]!;
    expect(fields).toMatchObject({ tid: T1, frame, reason: CORRUPTION.poison });
    // The new owner finds its own stamp.
    expect(stampRead(bed.world.mem, bed.world.mm.frames, frame)).toBe(11);
  });

  it.each(CORRECT)('is silent under $name in the same schedules', (strategy) => {
    const { bed, key } = mapped(strategy);
    expect(dma(bed, T4, key, 1, true)).toBe(OUTCOME.ok);
    expect(dma(bed, T4, key, 1)).toBe(OUTCOME.ok);
    madvise(bed, T1, 5, 5);
    touch(bed, T1, 10);
    dma(bed, T4, key, 1, true);
    touch(bed, T2, 10, false);
    madvise(bed, T1, 10, 10);
    touch(bed, T1, 11);
    expect(fired(bed)).toEqual({});
  });

  it('says nothing when the entry changed between the two loads', () => {
    const { bed, key } = mapped(noZap);
    bed.observers[T4]!.dmaAccessed(bed.actors[T4]!, {
      key,
      vpn: 5 as never,
      pfn: 1 as never,
      write: false,
      pinned: false,
      entryGeneration: 1,
      frameGeneration: 1,
      expectedIdentity: -1,
      foundIdentity: POISON,
      identityTorn: true,
    });
    expect(fired(bed)).toEqual({});
  });
});

describe('sections of two threads', () => {
  it.each(CORRECT)('keep a fault out until both have ended, under $name', (strategy) => {
    const bed = createBed(strategy);
    touch(bed, T4, 5);
    const key = register(bed, T2, 4, 4);
    sectionStart(bed, T1, 4, 5);
    sectionStart(bed, T4, 5, 6);
    sectionClear(bed, T1, 4, 5);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.eagain);
    sectionClear(bed, T4, 5, 6);
    sectionEnd(bed, T4);
    expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
    expect(fired(bed)).toEqual({});
  });
});
