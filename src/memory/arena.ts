import { type Addr, LINE_WORDS, type Memory } from './address.ts';
import { alignUp } from './struct.ts';

/** What a room asks of the arena: `count` objects of `words` words each. */
export interface RegionRequest {
  readonly name: string;
  readonly words: number;
  readonly count: number;
  /** Start every object on its own cache line (default: only the region starts on one). */
  readonly line?: boolean;
}

/** Where the arena put it. Object i is at `base + i * stride`. */
export interface Region {
  readonly name: string;
  readonly base: Addr;
  readonly stride: number;
  readonly count: number;
}

export interface ArenaLayout<N extends string = string> {
  readonly words: number;
  readonly regions: Readonly<Record<N, Region>>;
}

/** The largest arena: addresses must stay small integers for V8 (31 bits), and a region must be addressable by byte. */
export const MAX_ARENA_WORDS = 2 ** 28;

/**
 * Lays the regions out one behind the other, each on a cache line. A pure function of its argument: every thread calls it with
 * the same plan and gets the same addresses, so no pointer table has to be shared.
 * Throws `RangeError` when a request makes no sense or the whole does not fit `maxWords`.
 */
export function layoutArena<const N extends string>(
  requests: readonly (RegionRequest & { readonly name: N })[],
  maxWords: number = MAX_ARENA_WORDS,
): ArenaLayout<N> {
  const regions: Record<string, Region> = {};
  // The first line stays unused: address 0 means "none".
  let next = LINE_WORDS;
  for (const request of requests) {
    const { name, words, count } = request;
    if (regions[name] !== undefined) throw new RangeError(`arena: region '${name}' is requested twice`);
    if (!Number.isInteger(words) || words <= 0 || !Number.isInteger(count) || count <= 0)
      throw new RangeError(`arena: region '${name}' asks for ${count} objects of ${words} words`);
    const stride = request.line === true ? alignUp(words, LINE_WORDS) : words;
    regions[name] = { name, base: next as Addr, stride, count };
    next = alignUp(next + stride * count, LINE_WORDS);
    if (next > maxWords)
      throw new RangeError(`arena: region '${name}' ends at word ${next}, beyond the limit of ${maxWords} words`);
  }
  const layout = { words: next, regions: regions as Record<N, Region> };
  assertLayout(layout);
  return layout;
}

/** Start-up assertion: no two regions overlap, none leaves the arena, none holds address 0. */
export function assertLayout(layout: ArenaLayout): void {
  const sorted = Object.values<Region>(layout.regions).sort((a, b) => a.base - b.base);
  let end = 1;
  let previous = 'address 0';
  for (const region of sorted) {
    if (region.base < end) throw new RangeError(`arena: '${region.name}' overlaps '${previous}'`);
    end = region.base + region.stride * region.count;
    previous = region.name;
  }
  if (end > layout.words) throw new RangeError(`arena: '${previous}' ends at ${end} of ${layout.words} words`);
}

/** Allocates the arena's buffer, zeroed. */
export function createArena(layout: ArenaLayout): Memory {
  return new Int32Array(new SharedArrayBuffer(layout.words * 4));
}

/** Address of object `index` of a region; throws `RangeError` outside it. Not for hot paths. */
export function objectAt(region: Region, index: number): Addr {
  if (!Number.isInteger(index) || index < 0 || index >= region.count)
    throw new RangeError(`arena: '${region.name}' has no object ${index}`);
  return (region.base + index * region.stride) as Addr;
}
