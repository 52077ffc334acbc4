import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/scenario/duration.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['5s', 5000],
    ['2m', 120_000],
    ['8h', 28_800_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['1d', 86_400_000],
    ['2m5s10ms', 125_010],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    '5',
    's',
    '5 s',
    '-5s',
    '0s',
    '0ms',
    '5x',
    '1e3s',
    '5s extra',
    'Infinitys',
    '9999999999999999d',
  ])("'%s' is refused", (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it('sums the parts, whichever they are', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(59), fc.nat(59), fc.integer({ min: 1, max: 999 }), (h, m, s, ms) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1000 + ms);
      }),
      { seed: 20140910 },
    );
  });

  it.each([
    [850, '850ms'],
    [6000, '6.0s'],
    [59_960, '1m00s'],
    [125_000, '2m05s'],
    [5_400_000, '1h30m'],
  ])('%d ms reads %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
