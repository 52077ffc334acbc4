import { nthSeed } from '../scenario/resolve.ts';
import { mixSeed, randomBelow } from '../trace/random.ts';
import type { Entry } from './entries.ts';

/** One cell of a soak. */
export interface Slot {
  readonly index: number;
  readonly rotation: number;
  readonly entry: Entry;
  readonly seed: number;
}

export interface Rotations {
  /** The cell with this number. The same for the same entries and seed, whatever ran before: a resume needs the number alone. */
  at(index: number): Slot;
  /** Cells before rotation `n`. */
  before(n: number): number;
}

/**
 * Lays out the rotations of a campaign. In each, an entry of weight w stands w times (0.5: in every second one), `repeatEach` cells in a
 * row each time, in an order that is shuffled by the seed; and each canary once, in the first rotation before all else: whether the
 * harness sees anything is worth knowing early.
 */
export function createRotations(entries: readonly Entry[], seed: number, repeatEach: number): Rotations {
  const canaries = entries.filter(({ canary }) => canary);
  const others = entries.filter(({ canary }) => !canary);
  const turns = ({ weight }: Entry, n: number): number => Math.floor(weight * n + 1e-9);
  const before = (n: number): number =>
    n * canaries.length + others.reduce((sum, entry) => sum + turns(entry, n) * repeatEach, 0);
  let cached = { rotation: -1, cells: [] as Entry[] };

  const cellsOf = (rotation: number): Entry[] => {
    if (cached.rotation === rotation) return cached.cells;
    const groups = others.flatMap((entry) =>
      Array.from({ length: turns(entry, rotation + 1) - turns(entry, rotation) }, () =>
        Array.from({ length: repeatEach }, () => entry),
      ),
    );
    const watched = canaries.map((entry) => [entry]);
    const rng = { rng: mixSeed(seed, rotation) };
    const order = rotation === 0 ? [...watched, ...shuffled(groups, rng)] : shuffled([...groups, ...watched], rng);
    cached = { rotation, cells: order.flat() };
    return cached.cells;
  };

  return {
    before,
    at(index) {
      const rotation = rotationOf(index, before);
      const entry = cellsOf(rotation)[index - before(rotation)]!;
      return { index, rotation, entry, seed: entry.seed ?? nthSeed(seed, index) };
    },
  };
}

/** The rotation in which a cell lies; every rotation has a canary, so that none is empty. */
function rotationOf(index: number, before: (n: number) => number): number {
  let low = 0;
  let high = index + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (before(middle) <= index) low = middle;
    else high = middle;
  }
  return low;
}

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], rng: { rng: number }): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomBelow(rng, i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
