/** Mixes 32 bits well: murmur3's finalizer. */
export function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The seed of schedule `index` of a search: 32 bits, not 0; neighbours have nothing in common. */
export function scheduleSeed(seed: number, index: number): number {
  const high = Math.floor(index / 0x1_0000_0000);
  const mixed = mix32(mix32(mix32(seed ^ 0x2545f491) + (index | 0)) ^ Math.imul(high + 1, 0x9e3779b9));
  return mixed === 0 ? 0x6d2b79f5 : mixed;
}

/** Random numbers for the driver's decisions: numbers in [0, 1). */
export function randomStream(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return (mix32(state) >>> 0) / 0x1_0000_0000;
  };
}
