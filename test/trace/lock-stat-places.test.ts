import { describe, expect, it } from 'vitest';
import { contextCount } from '../../src/strategies/context-count.ts';
import { lastPoint, PLACES_DOUBLES, placeCount, placeKey, topPlaces } from '../../src/trace/lock-stat-places.ts';
import { point } from '../../src/trace/point.ts';
import { POINT, POINT_COUNT } from '../../src/trace/points.ts';
import { createBed } from '../oracles/fixture.ts';

describe('places of contention', () => {
  const add = (f64: Float64Array, list: number, role: number, p: number, n: number): void => {
    f64[placeCount(f64, list, placeKey(role, p))] += n;
  };

  it('are summed over threads, the most frequent first', () => {
    const f64 = new Float64Array(2 * PLACES_DOUBLES);
    const lists = [0, PLACES_DOUBLES];
    add(f64, 0, 0, -1, 3);
    add(f64, 0, 2, POINT_COUNT - 1, 5);
    add(f64, PLACES_DOUBLES, 0, -1, 4);
    add(f64, PLACES_DOUBLES, 1, 0, 1);
    expect(topPlaces(f64, lists, 2)).toEqual([
      { role: 0, point: -1, count: 7 },
      { role: 2, point: POINT_COUNT - 1, count: 5 },
    ]);
    expect(topPlaces(f64, lists, 9)).toHaveLength(3);
  });

  it('beyond those that a list tells apart are counted together, in its own words', () => {
    const f64 = new Float64Array(PLACES_DOUBLES + 1);
    for (let role = 0; role < 40; role++) add(f64, 0, role, 5, 1);
    expect(topPlaces(f64, [0], 100).map(({ count }) => count)).toEqual(Array(16).fill(1));
    expect(f64[PLACES_DOUBLES - 1]).toBe(24);
    expect(f64[PLACES_DOUBLES]).toBe(0);
  });

  it('have a number for each point', () => {
    expect(POINT_COUNT).toBeLessThan(255);
  });

  it('are the last point that is no lock’s own', () => {
    const [actor] = createBed(contextCount).actors;
    const last = () => lastPoint(actor!.mem, actor!.ringHead, actor!.ring, actor!.ringMask);
    actor!.mem[actor!.ringHead] = 0;
    expect(last()).toBe(-1);
    point(actor!, POINT['madvise.enter'], 0, 0, 0);
    point(actor!, POINT['lock.contended'], 0, 0, 0);
    point(actor!, POINT['lock.acquired'], 0, 0, 0);
    expect(last()).toBe(POINT['madvise.enter']);
  });
});
