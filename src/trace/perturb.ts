import type { Addr, Memory } from '../memory/address.ts';
import { sleepMs } from '../sync/atomics.ts';
import { POINT, POINT_COUNT, type PointName } from './points.ts';
import { mixSeed, nextRandom, type RandomState, randomBelow } from './random.ts';

/**
 * Random delays at points, in two levels as FoundationDB's Buggify has them: is this site active in this cell at all, and if so,
 * does it fire this time? Two levels give cells in which one step is slow all the time beside cells in which it never is.
 */
export interface PerturbOptions {
  /** Probability that a point is a site in this cell, 0 .. 1. */
  readonly site: number;
  /** Probability that an active site fires, 0 .. 1. */
  readonly fire: number;
  /** Longest spun delay, microseconds; below 100 a delay is spun, as a sleep takes 97 or more. */
  readonly spinMaxUs: number;
  /** Of the delays that fire, the part that sleeps instead (which hands the core to another thread), 0 .. 1. */
  readonly sleep: number;
  /** Longest sleep, microseconds. */
  readonly sleepMaxUs: number;
  /** Points that are sites in every cell, whatever the draw. */
  readonly always: readonly PointName[];
}

export interface Perturb {
  readonly options: PerturbOptions;
  /** 1 for each point that is a site in this cell. */
  readonly active: Uint8Array;
  /** `fire` scaled to 2^31. */
  readonly fireBelow: number;
  /** A word nobody writes: the place to sleep. */
  readonly sleepWord: Addr;
}

/** Chooses the sites of a cell; the same for all its threads. `seed` is the cell's. */
export function createPerturb(options: PerturbOptions, seed: number, sleepWord: Addr): Perturb {
  const state: RandomState = { rng: mixSeed(seed, 0x7e57) };
  const active = new Uint8Array(POINT_COUNT);
  for (let p = 0; p < POINT_COUNT; p++) active[p] = (nextRandom(state) >>> 1) / 2 ** 31 < options.site ? 1 : 0;
  for (const name of options.always) active[POINT[name]] = 1;
  return { options, active, fireBelow: Math.floor(options.fire * 2 ** 31), sleepWord };
}

/** Delays the caller, or not. Returns true when it did. */
export function perturbAt(mem: Memory, perturb: Perturb, state: RandomState, point: number): boolean {
  if (perturb.active[point] === 0) return false;
  if (nextRandom(state) >>> 1 >= perturb.fireBelow) return false;
  const { options } = perturb;
  if ((nextRandom(state) >>> 1) / 2 ** 31 < options.sleep) {
    sleepMs(mem, perturb.sleepWord, randomBelow(state, options.sleepMaxUs) / 1000);
  } else {
    const end = performance.now() + randomBelow(state, options.spinMaxUs) / 1000;
    while (performance.now() < end);
  }
  return true;
}
