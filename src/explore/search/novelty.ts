import type { ScheduleRequest } from '../control/engine.ts';
import { OUTCOME } from '../control/sched.ts';
import { readSchedule } from '../control/steps.ts';
import { pickerId } from '../policies/index.ts';
import { createHandOffReader } from './hand-off.ts';
import { mix32, randomStream, scheduleSeed } from './random-stream.ts';
import type { Search } from './search.ts';

export interface NoveltyOptions {
  readonly seed: number;
}

/** A schedule that showed something new. */
interface Kept {
  readonly schedule: readonly number[];
  /** Hand-offs that it was the first to show, and those that its mutants were. */
  worth: number;
  /** Mutants that were made of it. */
  tried: number;
}

/** More than that are never kept: the one that gave least makes room. */
const KEEP_MAX = 1024;
/** So often, a schedule from scratch instead of a mutant. */
const FRESH_SHARE = 0.2;
/** So often, a random walk behind the cut instead of POS. */
const WALK_SHARE = 0.1;

/**
 * A search that is guided by what is new, as fuzzers are (the idea is that of Fest, NSDI 2026). It keeps the schedules in which an
 * object went from one thread to another in a way not seen before, or right behind another hand-off than before, and mutates them:
 * cut at a random place, and behind it sampled afresh by POS, or now and then by a random walk. What gave much and was tried little
 * comes first.
 */
export function createNovelty(options: NoveltyOptions): Search {
  const pos = pickerId('pos');
  const walk = pickerId('random');
  const random = randomStream(options.seed ^ 0x3f84d5b5);
  const reader = createHandOffReader();
  const seen = new Set<number>();
  const kept: Kept[] = [];
  let parent: Kept | null = null;
  let index = 0;

  const next = (): ScheduleRequest => {
    const seed = scheduleSeed(options.seed, index++);
    const policy = random() < WALK_SHARE ? walk : pos;
    parent = kept.length === 0 || random() < FRESH_SHARE ? null : drawKept(kept, random);
    if (parent === null) return { prefix: [], policy: pos, seed };
    parent.tried++;
    const cut = Math.floor(random() * parent.schedule.length);
    return { prefix: parent.schedule.slice(0, cut), policy, seed };
  };
  return {
    name: 'novelty',
    next,
    learn(sched, outcome) {
      if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) return;
      const before = seen.size;
      let previous = 0;
      reader.read(sched, (pair) => {
        seen.add(pair);
        seen.add(successive(previous, pair));
        previous = pair;
      });
      const gain = seen.size - before;
      if (gain === 0) return;
      if (parent !== null) parent.worth += gain;
      if (kept.length >= KEEP_MAX) kept.splice(leastWorth(kept), 1);
      kept.push({ schedule: readSchedule(sched), worth: gain, tried: 0 });
    },
    guarantee: () => null,
  };
}

const fold = (pair: number): number => mix32((pair | 0) ^ mix32(Math.floor(pair / 0x1_0000_0000)));
/** Names two hand-offs in a row; below 0, so that it is no hand-off itself. */
const successive = (first: number, second: number): number =>
  -1 - (fold(first) & 0x1f_ffff) * 0x1_0000_0000 - (mix32(fold(first) + Math.imul(fold(second), 31)) >>> 0);

const weight = ({ worth, tried }: Kept): number => worth / (1 + tried);

function drawKept(kept: readonly Kept[], random: () => number): Kept {
  // The smaller part of the draws is even, so that nothing that was kept is ever out of the game.
  if (random() < 0.25) return kept[Math.floor(random() * kept.length)]!;
  let left = random() * kept.reduce((sum, one) => sum + weight(one), 0);
  for (const one of kept) {
    left -= weight(one);
    if (left < 0) return one;
  }
  return kept.at(-1)!;
}

function leastWorth(kept: readonly Kept[]): number {
  let least = 0;
  kept.forEach((one, i) => {
    if (weight(one) < weight(kept[least]!)) least = i;
  });
  return least;
}
