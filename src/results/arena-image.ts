import type { Memory } from '../memory/address.ts';
import type { Region } from '../memory/arena.ts';
import type { AnyStruct } from '../memory/struct.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { layoutWorld, type World } from '../world/world.ts';

/** What is needed of a strategy to read an arena: how many words it has where, and their names. */
export interface ImageStrategy {
  readonly name: string;
  readonly words: Strategy['words'];
  readonly fields: { readonly ucontext?: AnyStruct; readonly umem?: AnyStruct };
}

/** A copy of a cell's arena, and all that is needed to read it. */
export interface ArenaImage {
  readonly plan: CellPlan;
  readonly strategy: ImageStrategy;
  readonly regions: readonly Region[];
  readonly words: Int32Array<ArrayBuffer>;
  /** Milliseconds since the cell's start at which the copy was begun; and how long it took. */
  readonly takenAtMs: number;
  readonly copyMs: number;
}

/** Gives the image of a running cell; null: the arena is too large to be copied while threads run. */
export type TakeImage = () => ArenaImage | null;

/** 64 MiB; the shipped scenarios' arenas have 4. */
const MAX_IMAGE_WORDS = 2 ** 24;

/**
 * Copies the model's part of an arena. Nobody is stopped: the threads go on while it is copied, from its first word to its last, so that
 * two words of the image need not be of one moment. `cellNowMs` is the cell's clock.
 */
export function takeImage(world: World, cellNowMs: () => number): ArenaImage | null {
  const { plan, strategy } = world;
  const layout = layoutWorld(plan, strategy);
  if (layout.words > MAX_IMAGE_WORDS) return null;
  const regions = Object.values<Region>(layout.regions);
  const takenAtMs = cellNowMs();
  const words = copied(world.oracles.mem, layout.words, regions);
  return {
    plan,
    strategy: { name: strategy.name, words: strategy.words, fields: strategy.fields ?? {} },
    regions,
    words,
    takenAtMs,
    copyMs: cellNowMs() - takenAtMs,
  };
}

/** Two thirds of an arena, and no state of the model: records on their way out, and figures. They are 0 in an image. */
export const LEFT_OUT: readonly string[] = ['oracle.slots', 'oracle.points', 'trace.histograms', 'lockstat.full'];

function copied(mem: Memory, words: number, regions: readonly Region[]): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(words);
  for (const { name, base, stride, count } of regions)
    if (!LEFT_OUT.includes(name)) copy.set(mem.subarray(base, base + stride * count), base);
  return copy;
}
