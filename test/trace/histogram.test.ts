import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import {
  bucketLast,
  bucketOf,
  doubleIndex,
  HISTOGRAM_BUCKETS,
  HISTOGRAM_DOUBLES,
  histogramAdd,
  joinHistograms,
  quantilesOf,
  sumHistograms,
} from '../../src/trace/histogram.ts';

const LIMIT = 2 ** 40;
/** Whole values below 2^40, of all magnitudes, with the neighbours of powers of two. */
const value = fc.oneof(
  fc.nat(100),
  fc
    .tuple(fc.integer({ min: 0, max: 39 }), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
    .map(([e, m]) => Math.floor(m * 2 ** e)),
  fc.tuple(fc.integer({ min: 2, max: 39 }), fc.constantFrom(-1, 0, 1)).map(([e, d]) => 2 ** e + d),
);

describe('buckets', () => {
  it('hold every value within 1/16 of their end (property)', () => {
    fc.assert(
      fc.property(value, (v) => {
        const bucket = bucketOf(v);
        expect(bucketLast(bucket)).toBeGreaterThanOrEqual(v);
        expect(bucketLast(bucket) - v).toBeLessThanOrEqual(v / 16);
        if (bucket > 0) expect(bucketLast(bucket - 1)).toBeLessThan(v);
      }),
      { seed: 301, numRuns: 5000 },
    );
  });

  it('rise with the value (property)', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        if (a <= b) expect(bucketOf(a)).toBeLessThanOrEqual(bucketOf(b));
        else expect(bucketOf(a)).toBeGreaterThanOrEqual(bucketOf(b));
      }),
      { seed: 302, numRuns: 3000 },
    );
  });

  it('are each reached, without gaps: the last value belongs to a bucket and the next value to the next one', () => {
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS - 1; bucket++) {
      expect(bucketOf(bucketLast(bucket))).toBe(bucket);
      expect(bucketOf(bucketLast(bucket) + 1)).toBe(bucket + 1);
    }
    expect(bucketLast(HISTOGRAM_BUCKETS - 1)).toBe(LIMIT - 1);
  });

  it('are exact below 32', () => {
    for (let v = 0; v < 32; v++) expect(bucketLast(bucketOf(v))).toBe(v);
  });

  it('take in what is out of range at the ends', () => {
    for (const v of [LIMIT - 1, LIMIT, LIMIT * 8, Number.MAX_VALUE, Number.POSITIVE_INFINITY])
      expect(bucketOf(v)).toBe(HISTOGRAM_BUCKETS - 1);
    for (const v of [0, -1, -1e9, Number.NEGATIVE_INFINITY, Number.NaN, 0.5]) expect(bucketOf(v)).toBe(0);
    // A fraction belongs to the whole value below it.
    expect(bucketOf(15.9)).toBe(15);
    expect(bucketOf(99.9)).toBe(bucketOf(99));
  });
});

describe('quantiles', () => {
  const read = (values: readonly number[], threads = 1) => {
    // Words before, between and behind belong to others.
    const stride = HISTOGRAM_DOUBLES + 1;
    const f64 = new Float64Array(new SharedArrayBuffer((1 + threads * stride) * 8)).fill(0);
    const bases = Array.from({ length: threads }, (_, t) => 1 + t * stride);
    for (let t = 0; t <= threads; t++) f64[t * stride] = 4711;
    values.forEach((v, i) => {
      histogramAdd(f64, bases[i % threads], v);
    });
    for (let t = 0; t <= threads; t++) expect(f64[t * stride]).toBe(4711);
    return quantilesOf(sumHistograms(f64, bases));
  };

  it('are within 1/16 above those of the sorted values, of one thread and of three (property)', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 400, size: 'max' }),
        fc.constantFrom(1, 3),
        (values, threads) => {
          const q = read(values, threads);
          const sorted = [...values].sort((a, b) => a - b);
          for (const [key, p] of [
            ['p50', 0.5],
            ['p90', 0.9],
            ['p99', 0.99],
            ['p999', 0.999],
          ] as const) {
            const exact = sorted[Math.ceil(p * sorted.length) - 1];
            expect(q[key]).toBeGreaterThanOrEqual(exact);
            expect(q[key]).toBeLessThanOrEqual(exact + exact / 16);
          }
          expect(q.count).toBe(values.length);
          expect(q.max).toBe(sorted[sorted.length - 1]);
          expect(q.mean).toBe(values.reduce((a, b) => a + b, 0) / values.length);
        },
      ),
      { seed: 303, numRuns: 300 },
    );
  });

  it('of two histograms joined are those of all their values', () => {
    const histogram = (values: readonly number[]) => {
      const f64 = new Float64Array(HISTOGRAM_DOUBLES);
      for (const v of values) histogramAdd(f64, 0, v);
      return sumHistograms(f64, [0]);
    };
    const [a, b] = [
      [1, 50, 7000],
      [3, 3, 900_000],
    ];
    expect(joinHistograms(histogram(a), histogram(b))).toEqual(histogram([...a, ...b]));
  });

  it('of nothing are 0', () => {
    expect(read([])).toEqual({ count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  });

  it('never exceed the largest value', () => {
    expect(read([1_000_003])).toMatchObject({ count: 1, p50: 1_000_003, p999: 1_000_003, max: 1_000_003 });
  });

  it('beyond the last bucket are its largest value, not its lower bound', () => {
    expect(read([1, 5 * LIMIT])).toMatchObject({ p50: 1, p99: 5 * LIMIT, max: 5 * LIMIT });
  });

  it('and the mean are not spoilt by a clock that ran backwards', () => {
    expect(read([-1000, Number.NaN, 6])).toMatchObject({ count: 3, mean: 2, p50: 0, p99: 6, max: 6 });
  });
});

it('a word address becomes an index of doubles', () => {
  expect(doubleIndex(32 as Addr)).toBe(16);
});
