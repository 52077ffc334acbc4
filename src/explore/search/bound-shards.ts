import { type BoundProgress, boundGuarantee, keptBound } from './preemption-bound.ts';
import { type Found, findingKey } from './search.ts';

/** Where a shard has found something: behind how many preemptions, and which of its schedules with so many it was. */
interface Place {
  readonly bound: number;
  readonly nth: number;
  readonly shard: number;
}

const NOTHING: BoundProgress = { counts: [0], kept: -1, exhausted: false, limited: false, forced: false };

/**
 * The shards of one search by preemptions, put together. Their schedules have an order that no clock decides: by preemptions, then
 * by their number within the shard, then by shard. The first finding in it is the first one of the whole; a shard that is still before
 * it goes on until it is not.
 */
export class BoundShards {
  private readonly progress: BoundProgress[];
  private readonly ended: boolean[];
  private readonly first = new Map<string, { readonly place: Place; readonly found: Found }>();

  constructor(shards: number) {
    this.progress = Array.from({ length: shards }, () => NOTHING);
    this.ended = this.progress.map(() => false);
  }

  report(shard: number, progress: BoundProgress, found: readonly Found[], complete: boolean): void {
    this.progress[shard] = progress;
    if (complete) this.ended[shard] = true;
    for (const one of found) {
      const key = findingKey(one.finding);
      const place = placeOf(progress, shard, one.schedules);
      const known = this.first.get(key);
      if (known === undefined || isBefore(place, known.place)) this.first.set(key, { place, found: one });
    }
  }

  /** It begins again. */
  lost(shard: number): void {
    this.progress[shard] = NOTHING;
    this.ended[shard] = false;
  }

  /** Every shard is at its end. */
  get complete(): boolean {
    return this.ended.every((ended) => ended);
  }

  guarantee(): string | null {
    return boundGuarantee(this.progress);
  }

  /** All schedules with at most so many preemptions were run to their end; -1: not even those with none. */
  get kept(): number {
    return this.progress.some(({ limited }) => limited) ? -1 : keptBound(this.progress);
  }

  /** Nothing that this shard may still find comes before what was found. */
  isBehind(shard: number): boolean {
    const first = this.firstPlace();
    return first !== null && (this.ended[shard] === true || isBefore(first, this.nextPlace(shard)));
  }

  /** Of each finding the first schedule, numbered as one process alone could have run them. */
  found(): Found[] {
    return [...this.first.values()].map(({ place, found }) => ({ ...found, schedules: this.numberOf(place) }));
  }

  private firstPlace(): Place | null {
    let first: Place | null = null;
    for (const { place } of this.first.values()) if (first === null || isBefore(place, first)) first = place;
    return first;
  }

  private nextPlace(shard: number): Place {
    const { counts } = this.progress[shard]!;
    const bound = counts.length - 1;
    // Schedules without a preemption are the first shard's.
    if (bound === 0 && shard > 0) return { bound: 1, nth: 1, shard };
    return { bound, nth: counts[bound]! + 1, shard };
  }

  private numberOf({ bound, nth, shard }: Place): number {
    return this.progress.reduce((sum, { counts }, i) => {
      const before = counts.slice(0, bound).reduce((a, b) => a + b, 0);
      return sum + before + Math.min(counts[bound] ?? 0, i <= shard ? nth : nth - 1);
    }, 0);
  }
}

/** Place of a shard's `n`-th schedule. */
function placeOf({ counts }: BoundProgress, shard: number, n: number): Place {
  let nth = n;
  let bound = 0;
  while (bound < counts.length - 1 && nth > counts[bound]!) nth -= counts[bound++]!;
  return { bound, nth, shard };
}

const isBefore = (a: Place, b: Place): boolean =>
  a.bound !== b.bound ? a.bound < b.bound : a.nth !== b.nth ? a.nth < b.nth : a.shard < b.shard;
