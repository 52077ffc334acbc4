/** Mixes words into one seed (murmur3's finaliser over a running hash), never 0. */
export function mixSeed(...words: readonly number[]): number {
  let h = 0x9e3779b9 | 0;
  for (const w of words) {
    h = (h ^ w) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h === 0 ? 1 : h | 0;
}

/** A thing with a random state: one 32-bit word, not 0. */
export interface RandomState {
  rng: number;
}

/** Next 32 random bits, as a signed word (xorshift32, Marsaglia 2003). */
export function nextRandom(state: RandomState): number {
  let x = state.rng;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  state.rng = x;
  return x;
}

/** Uniform in 0 .. bound - 1; the bias is below bound / 2^32. */
export const randomBelow = (state: RandomState, bound: number): number =>
  Math.floor(((nextRandom(state) >>> 0) / 4294967296) * bound);
