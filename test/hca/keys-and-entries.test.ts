import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ENTRY_GENERATION_MASK,
  ENTRY_PINNED,
  ENTRY_VALID,
  ENTRY_WRITE,
  entryFrame,
  entryGeneration,
  keyIndex,
  MAX_FRAMES,
  MAX_MKEYS,
  makeEntry,
  makeKey,
} from '../../src/hca/device.ts';
import type { Pfn } from '../../src/memory/address.ts';

const SEED = 1729;
const FLAGS = ENTRY_VALID | ENTRY_WRITE | ENTRY_PINNED;

describe('a device page-table entry', () => {
  it('gives back frame, generation and flags, whatever they are', () => {
    fc.assert(
      fc.property(fc.nat(MAX_FRAMES - 1), fc.nat(0x7fffffff), fc.nat(FLAGS), (pfn, generation, flags) => {
        const entry = makeEntry(pfn as Pfn, generation, flags);
        expect(entryFrame(entry)).toBe(pfn);
        expect(entryGeneration(entry)).toBe(generation & ENTRY_GENERATION_MASK);
        expect(entry & FLAGS).toBe(flags);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('fits one word of the arena', () => {
    const word = new Int32Array(1);
    for (const pfn of [1, MAX_FRAMES >> 1, MAX_FRAMES - 1])
      for (const generation of [0, 1, ENTRY_GENERATION_MASK]) {
        word[0] = makeEntry(pfn as Pfn, generation, FLAGS);
        expect(word[0]).toBe(makeEntry(pfn as Pfn, generation, FLAGS));
        expect([entryFrame(word[0]), entryGeneration(word[0])]).toEqual([pfn, generation]);
      }
  });

  it('comes round after 4096 generations, and not before', () => {
    const entry = makeEntry(7 as Pfn, 5, ENTRY_VALID);
    for (let n = 1; n < 4096; n++) expect(makeEntry(7 as Pfn, 5 + n, ENTRY_VALID)).not.toBe(entry);
    expect(makeEntry(7 as Pfn, 5 + 4096, ENTRY_VALID)).toBe(entry);
  });
});

describe('a key', () => {
  it('names its slot, is positive and never 0', () => {
    fc.assert(
      fc.property(fc.nat(MAX_MKEYS - 1), fc.integer(), (index, generation) => {
        const key = makeKey(index, generation);
        expect(keyIndex(key)).toBe(index);
        expect(key).toBeGreaterThan(0);
        expect(key).toBe(key | 0);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('is none of the 2046 keys that its slot has had before', () => {
    const last = new Map<number, number>();
    for (let generation = 1; generation <= 6000; generation++) {
      const key = makeKey(3, generation);
      const before = last.get(key);
      if (before !== undefined) expect(generation - before, `generation ${generation}`).toBe(2047);
      last.set(key, generation);
    }
    expect(last.size).toBe(2047);
  });

  it('is not the one before, also where the generation passes the end of a word', () => {
    for (let n = -5; n < 5; n++) {
      const generation = (0x7fffffff + n) | 0;
      expect(makeKey(3, (generation + 1) | 0), `generation ${generation}`).not.toBe(makeKey(3, generation));
    }
  });
});
