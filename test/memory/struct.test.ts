import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINE_WORDS } from '../../src/memory/address.ts';
import { alignUp, defineStruct, type FieldSpec } from '../../src/memory/struct.ts';

describe('defineStruct', () => {
  it('puts fields one behind the other, without padding', () => {
    const s = defineStruct('plain', { a: 1, b: 3, c: 2 });
    expect(s).toMatchObject({ a: 0, b: 1, c: 4, $name: 'plain', $words: 6, $align: 1 });
  });

  it('starts a field on its own cache line where asked, and rounds the whole up', () => {
    const s = defineStruct('lines', {
      a: 1,
      b: { words: 2, line: true },
      c: 1,
      d: { words: LINE_WORDS + 1, line: true },
    });
    expect(s).toMatchObject({ a: 0, b: 16, c: 18, d: 32, $words: 64, $align: LINE_WORDS });
  });

  it('leaves no gap before a line field that is first', () => {
    expect(defineStruct('first', { a: { words: 16, line: true } })).toMatchObject({ a: 0, $words: 16 });
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses a size of %s words', (words) => {
    expect(() => defineStruct('bad', { ok: 1, field: words })).toThrow(/bad\.field/);
    expect(() => defineStruct('bad', { field: { words, line: true } })).toThrow(RangeError);
  });

  it('can not be changed afterwards', () => {
    const s = defineStruct('frozen', { a: 1 }) as { a: number };
    expect(() => {
      s.a = 7;
    }).toThrow(TypeError);
  });

  it('never lets fields overlap or leave the struct (property)', () => {
    const size = fc.integer({ min: 1, max: 40 });
    const spec: fc.Arbitrary<FieldSpec> = fc.oneof(
      size,
      size.map((words) => ({ words, line: true }) as const),
    );
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 12 }), (specs) => {
        const s = defineStruct('any', Object.fromEntries(specs.map((f, i) => [`f${i}`, f])));
        let end = 0;
        specs.forEach((f, i) => {
          const offset = s[`f${i}`];
          const line = typeof f !== 'number';
          expect(offset).toBe(line ? alignUp(end, LINE_WORDS) : end);
          end = offset + (line ? f.words : f);
        });
        expect(s.$words).toBe(alignUp(end, s.$align));
        expect(s.$align).toBe(specs.some((f) => typeof f !== 'number') ? LINE_WORDS : 1);
      }),
      { seed: 101 },
    );
  });
});

describe('alignUp', () => {
  it.each([
    [0, 16, 0],
    [1, 16, 16],
    [16, 16, 16],
    [17, 16, 32],
    [5, 1, 5],
  ])('%i to a multiple of %i is %i', (value, align, expected) => {
    expect(alignUp(value, align)).toBe(expected);
  });
});
