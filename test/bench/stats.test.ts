import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  differs,
  estimate,
  expandedTail,
  MIN_ROUNDS,
  median,
  quantileOfSorted,
  ratioOfMedians,
  shuffled,
} from '../../src/bench/stats.ts';
import type { RandomState } from '../../src/trace/random.ts';
import { normal, uniform } from './synthetic.ts';

const figures = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 30 });
const CHECK = { seed: 20261123, numRuns: 60 };

describe('the median', () => {
  it('is the middle value, or the mean of the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('has half of the values on each side', () => {
    fc.assert(
      fc.property(figures, (values) => {
        const middle = median(values);
        expect(values.filter((v) => v <= middle).length).toBeGreaterThanOrEqual(values.length / 2);
        expect(values.filter((v) => v >= middle).length).toBeGreaterThanOrEqual(values.length / 2);
      }),
      CHECK,
    );
  });
});

describe('quantiles', () => {
  it('go from the smallest to the largest value, linear between', () => {
    expect([0, 0.25, 0.5, 1].map((q) => quantileOfSorted([10, 20, 40], q))).toEqual([10, 15, 20, 40]);
  });
});

describe('an estimate', () => {
  it('lies in its interval, which lies in the values; the same seed gives the same', () => {
    fc.assert(
      fc.property(figures, (values) => {
        const { median: middle, lo, hi, n } = estimate(values, 7);
        expect(lo).toBeLessThanOrEqual(middle);
        expect(hi).toBeGreaterThanOrEqual(middle);
        expect(lo).toBeGreaterThanOrEqual(Math.min(...values));
        expect(hi).toBeLessThanOrEqual(Math.max(...values));
        expect(n).toBe(values.length);
        expect(estimate(values, 7)).toEqual({ median: middle, lo, hi, n });
      }),
      CHECK,
    );
  });

  it('does not depend on the order of the rounds, and goes with the unit', () => {
    fc.assert(
      fc.property(figures, (values) => {
        const one = estimate(values, 3);
        expect(estimate([...values].reverse(), 3)).toEqual(one);
        const scaled = estimate(
          values.map((v) => v * 1024),
          3,
        );
        expect([scaled.median, scaled.lo, scaled.hi]).toEqual([one.median * 1024, one.lo * 1024, one.hi * 1024]);
      }),
      CHECK,
    );
  });

  it('of one value is that value, and no claim', () => {
    const one = estimate([2], 1);
    expect(one).toEqual({ median: 2, lo: 2, hi: 2, n: 1 });
    expect(differs(one)).toBeNull();
  });

  it('cuts off less than 2.5 % on each side, and approaches that with many rounds', () => {
    expect(expandedTail(2)).toBe(0);
    const tails = [6, 9, 15, 30, 1000].map(expandedTail);
    expect([...tails].sort((a, b) => a - b)).toEqual(tails);
    expect(tails[0]!).toBeLessThan(0.01);
    expect(tails.at(-1)!).toBeCloseTo(0.025, 3);
  });
});

const SKEWED = (state: RandomState): number => -Math.log(1 - uniform(state));

describe('coverage', () => {
  it.each([
    ['normal, 9 rounds', 9, normal, 0],
    ['normal, 15 rounds', 15, normal, 0],
    ['exponential, 9 rounds', 9, SKEWED, Math.LN2],
    ['exponential, 21 rounds', 21, SKEWED, Math.LN2],
    ['log-normal, 12 rounds', 12, (state: RandomState) => Math.exp(normal(state)), 1],
    ['two speeds, 11 rounds', 11, (s: RandomState) => (uniform(s) < 0.7 ? 1 : 2) + 0.01 * normal(s), 1.0056],
  ])('of %s is about 95 %%', (_name, n, draw, truth) => {
    const state: RandomState = { rng: 4711 };
    const trials = 300;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { lo, hi } = estimate(
        Array.from({ length: n }, () => draw(state)),
        trial + 1,
      );
      if (lo <= truth && truth <= hi) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.915);
    expect(covered / trials).toBeLessThanOrEqual(0.995);
  });
});

describe('a difference', () => {
  const rounds = (n: number, factor: number, state: RandomState): number[] =>
    Array.from({ length: n }, () => factor * (100 + 5 * normal(state)));

  it('between runs of the same thing is claimed at most one time in twenty or so', () => {
    const state: RandomState = { rng: 99 };
    let claimed = 0;
    for (let trial = 0; trial < 200; trial++)
      if (differs(ratioOfMedians(rounds(9, 1, state), rounds(9, 1, state), trial + 1)) === true) claimed++;
    expect(claimed / 200).toBeLessThan(0.08);
  });

  it('of 15 % beside 5 % of noise is found', () => {
    const state: RandomState = { rng: 99 };
    for (let trial = 0; trial < 20; trial++) {
      const ratio = ratioOfMedians(rounds(12, 1, state), rounds(12, 1.15, state), trial + 1);
      expect(differs(ratio)).toBe(true);
      expect(ratio.median).toBeGreaterThan(1.05);
    }
  });

  it('of a run to itself is none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), { minLength: MIN_ROUNDS, maxLength: 20 }),
        (values) => {
          const ratio = ratioOfMedians(values, values, 5);
          expect(ratio.median).toBe(1);
          expect(differs(ratio)).toBe(false);
        },
      ),
      CHECK,
    );
  });

  it('is not claimed of fewer rounds than can support it, however far apart they are', () => {
    const few = new Array<number>(MIN_ROUNDS - 1);
    expect(differs(ratioOfMedians([...few.fill(1)], [...few.fill(9)], 1))).toBeNull();
    expect(differs(ratioOfMedians([1, ...few.fill(1)], [9, ...few.fill(9)], 1))).toBe(true);
  });

  it('of nothing is not claimed', () => {
    expect(differs(estimate([], 1))).toBeNull();
    expect(differs(estimate(new Array(10).fill(Number.POSITIVE_INFINITY), 1))).toBeNull();
  });
});

describe('a random order', () => {
  it('has everything once, and is the same for the same seed', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1 }), (n, seed) => {
        const order = shuffled(n, seed);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(shuffled(n, seed)).toEqual(order);
      }),
      CHECK,
    );
    expect(shuffled(50, 1)).not.toEqual(shuffled(50, 2));
  });
});
