import { describe, expect, it } from 'vitest';
import { DEFAULT_PERTURB } from '../../src/scenario/defaults.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { type Actor, MODE } from '../../src/trace/actor.ts';
import { COUNTER } from '../../src/trace/counters.ts';
import { createPerturb, type PerturbOptions, perturbAt } from '../../src/trace/perturb.ts';
import { point } from '../../src/trace/point.ts';
import { POINT, POINT_COUNT } from '../../src/trace/points.ts';
import { createBed } from '../oracles/fixture.ts';

const NONE: PerturbOptions = {
  ...DEFAULT_PERTURB,
  always: [],
  site: 0,
  fire: 0,
  spinMaxUs: 0,
  sleep: 0,
  sleepMaxUs: 0,
};
const bed = createBed(contextCount);
const sleepWord = bed.world.gate;
const create = (options: Partial<PerturbOptions>, seed: number) =>
  createPerturb({ ...NONE, ...options }, seed, sleepWord);
const sites = (active: Uint8Array): number => active.reduce((a, b) => a + b, 0);
/** At which of 200 visits of every point it fires. */
function firings(options: Partial<PerturbOptions>, cellSeed: number, threadSeed: number): string {
  const perturb = create(options, cellSeed);
  const state = { rng: threadSeed };
  let out = '';
  for (let visit = 0; visit < 200; visit++)
    for (let p = 0; p < POINT_COUNT; p++) out += perturbAt(bed.world.mem, perturb, state, p) ? '1' : '0';
  return out;
}

describe('perturbation', () => {
  it('chooses the same sites for the same seed, and others for another', () => {
    const a = create({ site: 0.5 }, 1).active;
    expect(create({ site: 0.5 }, 1).active).toEqual(a);
    expect(create({ site: 0.5 }, 2).active).not.toEqual(a);
  });

  it('makes as many points sites as it is told, over many cells', () => {
    for (const site of [0, 0.25, 0.5, 1]) {
      let n = 0;
      for (let seed = 1; seed <= 400; seed++) n += sites(create({ site }, seed).active);
      expect(n / (400 * POINT_COUNT), `site ${site}`).toBeCloseTo(site, 1);
    }
    expect(sites(create({ site: 0 }, 3).active)).toBe(0);
    expect(sites(create({ site: 1 }, 3).active)).toBe(POINT_COUNT);
  });

  it('keeps the sites that are always asked for', () => {
    const { active } = create({ site: 0, always: ['section.started', 'fault.gotPages'] }, 3);
    expect(sites(active)).toBe(2);
    expect([active[POINT['section.started']], active[POINT['fault.gotPages']]]).toEqual([1, 1]);
  });

  it('fires at its sites only, as often as it is told', () => {
    const seed = 7;
    const { active } = create({ site: 0.5 }, seed);
    const perturb = create({ site: 0.5, fire: 0.2 }, seed);
    const state = { rng: 4711 };
    for (let p = 0; p < POINT_COUNT; p++) {
      let n = 0;
      for (let visit = 0; visit < 2000; visit++) if (perturbAt(bed.world.mem, perturb, state, p)) n++;
      if (active[p] === 0) expect(n).toBe(0);
      else expect(n / 2000, `point ${p}, seed ${seed}`).toBeCloseTo(0.2, 1);
    }
  });

  it('is the same for the same seeds of cell and thread, in every visit', () => {
    const options = { site: 0.5, fire: 0.3 };
    expect(firings(options, 5, 9)).toBe(firings(options, 5, 9));
    expect(firings(options, 5, 9)).not.toBe(firings(options, 5, 10));
    expect(firings(options, 6, 9)).not.toBe(firings(options, 5, 9));
    // It does fire, and does not always.
    expect(new Set(firings(options, 5, 9))).toEqual(new Set(['0', '1']));
  });

  it('may sleep instead of spinning, with the same stream', () => {
    const spun = firings({ site: 0.02, fire: 0.01 }, 5, 9);
    expect(spun).toContain('1');
    expect(firings({ site: 0.02, fire: 0.01, sleep: 1, sleepMaxUs: 1 }, 5, 9).length).toBe(spun.length);
  });

  it('is counted by the thread that was delayed', () => {
    const actor: Actor = { ...bed.actors[0]!, mode: MODE.perturb, perturb: create({ site: 1, fire: 1 }, 1) };
    const delays = () => bed.world.f64[actor.counters + COUNTER['perturb.delays']];
    const before = delays()!;
    for (let i = 0; i < 5; i++) point(actor, POINT['umem.inserted'], 1, 2, 3);
    expect(delays()).toBe(before + 5);
    point({ ...actor, mode: 0 }, POINT['umem.inserted'], 1, 2, 3);
    expect(delays()).toBe(before + 5);
  });
});
