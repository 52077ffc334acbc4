import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Addr, LINE_WORDS } from '../../src/memory/address.ts';
import {
  assertLayout,
  createArena,
  layoutArena,
  MAX_ARENA_WORDS,
  objectAt,
  type RegionRequest,
} from '../../src/memory/arena.ts';

describe('layoutArena', () => {
  it('gives each region a cache line start, in the order asked for, after the unused first line', () => {
    const { regions, words } = layoutArena([
      { name: 'a', words: 3, count: 7 },
      { name: 'b', words: 1, count: 1 },
      { name: 'c', words: 5, count: 2, line: true },
    ]);
    expect(regions.a).toEqual({ name: 'a', base: 16, stride: 3, count: 7 });
    expect(regions.b).toEqual({ name: 'b', base: 48, stride: 1, count: 1 });
    expect(regions.c).toEqual({ name: 'c', base: 64, stride: LINE_WORDS, count: 2 });
    expect(words).toBe(96);
  });

  it('refuses a name twice', () => {
    expect(() =>
      layoutArena([
        { name: 'same', words: 1, count: 1 },
        { name: 'same', words: 2, count: 1 },
      ]),
    ).toThrow(/'same' is requested twice/);
  });

  it.each([
    [0, 1],
    [1, 0],
    [-4, 1],
    [1, -1],
    [1.5, 1],
    [1, 2.5],
    [Number.NaN, 1],
  ])('refuses %s words times %s objects', (words, count) => {
    expect(() => layoutArena([{ name: 'bad', words, count }])).toThrow(/'bad' asks for/);
  });

  it('fits exactly, and one word more does not fit', () => {
    expect(layoutArena([{ name: 'all', words: 1, count: 48 }], 64).words).toBe(64);
    expect(() => layoutArena([{ name: 'all', words: 1, count: 49 }], 64)).toThrow(/'all' ends at word 80, beyond/);
  });

  it('refuses more than the largest arena', () => {
    expect(() => layoutArena([{ name: 'huge', words: 2, count: MAX_ARENA_WORDS / 2 }])).toThrow(RangeError);
  });

  it('keeps all objects apart (property)', () => {
    const request = fc.record({
      words: fc.integer({ min: 1, max: 40 }),
      count: fc.integer({ min: 1, max: 30 }),
      line: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 10 }), (list) => {
        const requests: RegionRequest[] = list.map((r, i) => ({ name: `r${i}`, ...r }));
        const layout = layoutArena(requests);
        const owner = new Int32Array(layout.words);
        owner.fill(-1, 0, LINE_WORDS);
        for (const r of requests) {
          const region = layout.regions[r.name];
          expect(region.base % LINE_WORDS).toBe(0);
          for (let i = 0; i < r.count; i++) {
            const a = objectAt(region, i);
            if (r.line === true) expect(a % LINE_WORDS).toBe(0);
            for (let w = 0; w < r.words; w++) {
              expect(owner[a + w]).toBe(0);
              owner[a + w] = 1;
            }
          }
        }
        expect(layoutArena(requests)).toEqual(layout);
      }),
      { seed: 102, numRuns: 50 },
    );
  });
});

describe('assertLayout', () => {
  const region = (name: string, base: number, stride: number, count: number) => ({
    name,
    base: base as Addr,
    stride,
    count,
  });

  it('finds two regions that overlap by one word', () => {
    const layout = (base: number) => ({
      words: 64,
      regions: { low: region('low', 16, 4, 4), high: region('high', base, 1, 4) },
    });
    expect(() => assertLayout(layout(32))).not.toThrow();
    expect(() => assertLayout(layout(31))).toThrow("'high' overlaps 'low'");
  });

  it('finds a region on address 0, and one that leaves the arena', () => {
    expect(() => assertLayout({ words: 64, regions: { zero: region('zero', 0, 1, 1) } })).toThrow(/'zero' overlaps/);
    expect(() => assertLayout({ words: 64, regions: { long: region('long', 48, 1, 16) } })).not.toThrow();
    expect(() => assertLayout({ words: 64, regions: { long: region('long', 48, 1, 17) } })).toThrow(
      /'long' ends at 65/,
    );
  });
});

describe('the arena', () => {
  it('is one shared buffer, zeroed, of the size of its layout', () => {
    const mem = createArena(layoutArena([{ name: 'a', words: 2, count: 100 }]));
    expect(mem.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(mem.length).toBe(224);
    expect(mem.every((word) => word === 0)).toBe(true);
  });

  it('finds objects inside a region only', () => {
    const { regions } = layoutArena([{ name: 'a', words: 3, count: 4 }]);
    expect(objectAt(regions.a, 0)).toBe(16);
    expect(objectAt(regions.a, 3)).toBe(25);
    for (const index of [-1, 4, 1.5, Number.NaN]) expect(() => objectAt(regions.a, index)).toThrow(/'a' has no object/);
  });
});
