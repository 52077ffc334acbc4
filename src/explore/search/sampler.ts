import type { ScheduleRequest } from '../control/engine.ts';
import { bitCount, PARAMETER_WORDS } from '../control/sched.ts';
import { pickerId } from '../policies/index.ts';
import { markContended, PCT, PCT_MAX_DEPTH } from '../policies/pct.ts';
import { SURW } from '../policies/surw.ts';
import { type Contended, createProfile, type Profile } from './profile.ts';
import { randomStream, scheduleSeed } from './random-stream.ts';
import type { Search } from './search.ts';

export const SAMPLERS = ['random', 'pct', 'pos', 'surw'] as const;
export type SamplerName = (typeof SAMPLERS)[number];

export interface SamplerOptions {
  readonly seed: number;
  /** This search runs the schedules `first`, `first + stride`, ...: what a schedule's seed is depends on nothing but its number. */
  readonly first?: number;
  readonly stride?: number;
  /** What is known of the program already; shared by searches that run one after the other. */
  readonly profile?: Profile;
  /** PCT: the depth of bugs that are looked for; without it, 2 to 6 in turn. */
  readonly depth?: number;
}

const NO_PREFIX: readonly number[] = [];
const PCT_DEPTHS = [2, 3, 4, 5, 6];

type Make = (index: number, seed: number, profile: Profile) => ScheduleRequest;

/** Samples schedules by one policy, for as long as it is asked to. */
export const createSampler = (policy: SamplerName, options: SamplerOptions): Search =>
  sampler(policy, options, makerOf(policy, options));

/** Of ten schedules four are by POS, four by SURW and two by PCT, in an order that is drawn: the default. */
const MIX: readonly SamplerName[] = ['pos', 'surw', 'pos', 'surw', 'pct', 'pos', 'surw', 'pos', 'surw', 'pct'];

/** POS and SURW in turn, PCT for a fifth. */
export function createMix(options: SamplerOptions): Search {
  const makers = MIX.map((policy) => makerOf(policy, options));
  return sampler('mix', options, (index, seed, profile) => {
    const block = Math.floor(index / MIX.length);
    return makers[placeInBlock(options.seed, block, index % MIX.length)]!(index, seed, profile);
  });
}

function sampler(name: string, options: SamplerOptions, make: Make): Search {
  const profile = options.profile ?? createProfile();
  const stride = options.stride ?? 1;
  let index = options.first ?? 0;
  return {
    name,
    next() {
      const request = make(index, scheduleSeed(options.seed, index), profile);
      index += stride;
      return request;
    },
    learn: (sched, outcome) => profile.learn(sched, outcome),
    guarantee: () => null,
  };
}

function makerOf(name: SamplerName, options: SamplerOptions): Make {
  const policy = pickerId(name);
  switch (name) {
    case 'pct':
      return (index, seed, profile) => {
        const depth = Math.min(PCT_MAX_DEPTH, options.depth ?? PCT_DEPTHS[index % PCT_DEPTHS.length]!);
        return { prefix: NO_PREFIX, policy, seed, parameters: pctParameters(depth, profile) };
      };
    case 'surw':
      return (_index, seed, profile) => ({
        prefix: NO_PREFIX,
        policy,
        seed,
        parameters: surwParameters(profile, randomStream(seed)),
      });
    default:
      return (_index, seed) => ({ prefix: NO_PREFIX, policy, seed });
  }
}

/** Place of the `n`-th schedule of a block in MIX: a shuffle that depends on nothing but the seed and the block. */
function placeInBlock(seed: number, block: number, n: number): number {
  const random = randomStream(scheduleSeed(seed ^ 0x5bd1e995, block));
  const places = MIX.map((_, i) => i);
  for (let i = 0; ; i++) {
    const j = i + Math.floor(random() * (places.length - i));
    const place = places[j]!;
    places[j] = places[i]!;
    if (i === n) return place;
  }
}

function pctParameters(depth: number, profile: Profile): Int32Array {
  const parameters = new Int32Array(PARAMETER_WORDS);
  parameters[PCT.depth] = depth;
  parameters[PCT.length] = profile.length();
  for (const { addr } of profile.contended()) markContended(parameters, addr);
  return parameters;
}

/**
 * As in the paper's evaluation: the steps on one word are interesting, drawn in proportion to how often it is used. Not as there, taking
 * a lock counts too, and a word that is used under one lock only does not: its steps come in the order of the lock's.
 */
function surwParameters(profile: Profile, random: () => number): Int32Array {
  const parameters = new Int32Array(PARAMETER_WORDS);
  const word = drawWord(profile.contended(), random);
  if (word === null) return parameters;
  parameters[SURW.wordCount] = 1;
  parameters[SURW.words] = word.addr;
  word.steps.forEach((steps, tid) => {
    parameters[SURW.remaining + tid] = steps === 0 ? 0 : Math.max(1, Math.round(steps));
  });
  return parameters;
}

function drawWord(words: readonly Contended[], random: () => number): Contended | null {
  const open = words.filter(({ guarded, total }) => !guarded && total > 0);
  const widest = open.reduce((most, { threads }) => Math.max(most, bitCount(threads)), 0);
  // A word of few threads says little about the others: half of the most is enough.
  const candidates = open.filter(({ threads }) => 2 * bitCount(threads) >= widest);
  let left = random() * candidates.reduce((sum, { total }) => sum + total, 0);
  for (const word of candidates) {
    left -= word.total;
    if (left < 0) return word;
  }
  return candidates.at(-1) ?? null;
}
