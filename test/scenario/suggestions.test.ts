import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance, nearest } from '../../src/scenario/suggest.ts';

describe('suggestions for a mistyped word', () => {
  it.each([
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['same', 'same', 0],
  ])('from %s to %s are %d edits', (a, b, n) => {
    expect(editDistance(a, b)).toBe(n);
    expect(editDistance(b, a)).toBe(n);
  });

  it('finds the nearest, also by its beginning', () => {
    expect(nearest('privat-count', ['pinned', 'private-count', 'context-count'])).toBe('private-count');
    expect(nearest('interval', ['pinned', 'interval-notifier'])).toBe('interval-notifier');
  });

  it('does not guess wildly, but says what there is', () => {
    expect(nearest('zebra', ['pinned', 'mmap-write'])).toBeUndefined();
    expect(didYouMean('zebra', ['pinned', 'mmap-write'])).toBe('; known: pinned, mmap-write');
    expect(didYouMean('zebra', [])).toBe('');
  });
});
