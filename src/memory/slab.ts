import type { Addr, Memory } from './address.ts';
import * as addressModule from './address.ts';
import type { Region, RegionRequest } from './arena.ts';
import * as structModule from './struct.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;

/**
 * Fixed-size object allocator, after Bonwick's magazines. It hands out indices 1 .. count (0 means "none"); where the
 * objects lie is the caller's affair. Each thread has a magazine, a small stack of free indices that only it writes;
 * magazines are refilled from, and emptied into, a depot shared by all, half a magazine at a time, so that its lock is
 * taken once in M/2 operations.
 *
 * Free indices are kept in arrays, not in lists threaded through the objects: a double free may then put an index on
 * two stacks, but it can not close a list into a loop or lose its tail.
 *
 * What of a double free is caught: one after the other, always, also across threads if anything orders the two calls
 * (the second finds the state word free and changes nothing). Two that race may both succeed, because the state word is
 * plain. The extra copy is then dropped when it is popped while the object is allocated, and counted (`slabDropped`).
 * Only a second race, of two pops of both copies at the same moment, hands an object out twice. Not caught: a second free
 * after the object was handed out again, which looks like its new owner's.
 */

/**
 * The depot's lock, injected: memory/ imports nothing and may not call Atomics. `a` has `DEPOT_LOCK_WORDS` words, zero
 * when free.
 */
export interface DepotLock {
  lock(mem: Memory, a: Addr): void;
  unlock(mem: Memory, a: Addr): void;
}

export const DEPOT_LOCK_WORDS = 4;

const DEPOT = defineStruct('slab_depot', {
  lock: { words: DEPOT_LOCK_WORDS, line: true },
  /** Free indices on the stack that follows. */
  depth: 1,
  /** Indices that found no room: only after a racing double free. */
  dropped: 1,
  /** As many words as there are objects. */
  stack: { words: 1, line: true },
});

const MAGAZINE = defineStruct('slab_magazine', {
  depth: 1,
  /** Popped indices that were allocated already: copies left by a racing double free. */
  dropped: 1,
  stack: 1,
});

const FREE = 0;
const ALLOCATED = 1;

/** Where a slab lies. Every thread builds the same view from the same layout. */
export interface Slab {
  readonly name: string;
  readonly count: number;
  readonly threads: number;
  /** Indices that a magazine holds at most. */
  readonly magazine: number;
  /** Indices moved between a magazine and the depot at once. */
  readonly batch: number;
  /** The state word of object i is at `states + i * stateStride`. */
  readonly states: Addr;
  readonly stateStride: number;
  readonly magazines: Addr;
  readonly magazineStride: number;
  readonly depot: Addr;
}

export type SlabRegionName<N extends string> = `${N}.state` | `${N}.magazine` | `${N}.depot`;

/**
 * What a slab of `count` objects for `threads` threads asks of the arena. `magazine` is the most that a thread keeps to
 * itself. `.state` is for objects that have no room for the word in themselves: see `slabView`. Throws `RangeError` on sizes that make no
 * sense.
 */
export function slabRegions<const N extends string>(
  name: N,
  count: number,
  threads: number,
  magazine: number,
): readonly (RegionRequest & { readonly name: SlabRegionName<N> })[] {
  assertSizes(name, count, threads, magazine);
  return [
    { name: `${name}.state`, words: 1, count: count + 1 },
    { name: `${name}.magazine`, words: MAGAZINE.stack + magazine, count: threads, line: true },
    { name: `${name}.depot`, words: DEPOT.stack + count, count: 1, line: true },
  ];
}

/**
 * The view of a slab in a layout that holds its regions; the sizes must be those that `slabRegions` was given. `states`: where the objects
 * have their state words, one each; of index 0 too. Side by side sixteen of them share a cache line, and it goes to and fro between threads that
 * take and free objects of their own.
 */
export function slabView(
  regions: Readonly<Record<string, Region>>,
  name: string,
  count: number,
  threads: number,
  magazine: number,
  states: Pick<Region, 'base' | 'stride' | 'count'> = findRegion(regions, `${name}.state`),
): Slab {
  assertSizes(name, count, threads, magazine);
  const magazines = findRegion(regions, `${name}.magazine`);
  const depot = findRegion(regions, `${name}.depot`);
  if (
    states.count !== count + 1 ||
    magazines.count !== threads ||
    magazines.stride < MAGAZINE.stack + magazine ||
    depot.stride < DEPOT.stack + count
  )
    throw new RangeError(`slab '${name}': the layout was made for other sizes`);
  return {
    name,
    count,
    threads,
    magazine,
    batch: Math.max(1, magazine >>> 1),
    states: states.base,
    stateStride: states.stride,
    magazines: magazines.base,
    magazineStride: magazines.stride,
    depot: depot.base,
  };
}

/**
 * The `count` to ask for so that `objects` can always be had: the other threads' magazines may hold back `magazine`
 * free objects each.
 */
export function slabSizeFor(objects: number, threads: number, magazine: number): number {
  return objects + (threads - 1) * magazine;
}

/** Makes all objects free and all in the depot. Before the threads start, or when the arena is reset. */
export function slabInit(mem: Memory, slab: Slab): void {
  const { count, depot } = slab;
  for (let i = 0; i <= count; i++) mem[stateOf(slab, i)] = FREE;
  for (let tid = 0; tid < slab.threads; tid++) {
    const m = magazineOf(slab, tid);
    mem[m + MAGAZINE.depth] = 0;
    mem[m + MAGAZINE.dropped] = 0;
  }
  mem.fill(0, depot, depot + DEPOT.stack);
  // Low indices on top: they are handed out first.
  for (let i = 0; i < count; i++) mem[depot + DEPOT.stack + i] = count - i;
  mem[depot + DEPOT.depth] = count;
}

/**
 * Takes a free object, or returns 0 when this thread's magazine and the depot are both empty. Objects in other threads'
 * magazines can not be reached, so it may fail early: `count - (threads - 1) * magazine` objects are always obtainable,
 * see `slabSizeFor`.
 */
export function slabAlloc(mem: Memory, slab: Slab, tid: number, lock: DepotLock): number {
  const m = magazineOf(slab, tid);
  for (;;) {
    let depth = mem[m + MAGAZINE.depth];
    if (depth === 0) {
      depth = refill(mem, slab, m, lock);
      if (depth === 0) return 0;
    }
    const index = mem[m + MAGAZINE.stack + depth - 1];
    mem[m + MAGAZINE.depth] = depth - 1;
    if (mem[stateOf(slab, index)] === FREE) {
      mem[stateOf(slab, index)] = ALLOCATED;
      return index;
    }
    mem[m + MAGAZINE.dropped]++;
  }
}

/**
 * Gives an object back; any thread may, not only the one that took it. Returns false, with nothing changed, when the
 * object was free already or is none of this slab's. What the caller wrote into the object is ordered before its next
 * use: by the magazine's owner being one thread, or by the depot's lock.
 */
export function slabFree(mem: Memory, slab: Slab, tid: number, index: number, lock: DepotLock): boolean {
  if (!slabAllocated(mem, slab, index)) return false;
  const m = magazineOf(slab, tid);
  if (mem[m + MAGAZINE.depth] >= slab.magazine) empty(mem, slab, m, slab.batch, lock);
  // The state goes first: whoever pops the index must find it free.
  mem[stateOf(slab, index)] = FREE;
  const depth = mem[m + MAGAZINE.depth];
  mem[m + MAGAZINE.stack + depth] = index;
  mem[m + MAGAZINE.depth] = depth + 1;
  return true;
}

/** True while `index` is handed out. A plain read: on another thread's object it may be late. */
export function slabAllocated(mem: Memory, slab: Slab, index: number): boolean {
  return index > 0 && index <= slab.count && mem[stateOf(slab, index)] === ALLOCATED;
}

/** Objects handed out; exact when all threads are quiet and no double free raced. */
export function slabInUse(mem: Memory, slab: Slab, threads: number = slab.threads): number {
  let free = mem[slab.depot + DEPOT.depth];
  for (let tid = 0; tid < threads; tid++) free += mem[magazineOf(slab, tid) + MAGAZINE.depth];
  return slab.count - free;
}

/**
 * Copies of an index that were found and thrown away. Anything but 0 says that two threads freed one object at the same
 * moment.
 */
export function slabDropped(mem: Memory, slab: Slab): number {
  let dropped = mem[slab.depot + DEPOT.dropped];
  for (let tid = 0; tid < slab.threads; tid++) dropped += mem[magazineOf(slab, tid) + MAGAZINE.dropped];
  return dropped;
}

/** Returns the whole magazine of `tid` to the depot: before a thread leaves, or when another runs dry. */
export function slabFlush(mem: Memory, slab: Slab, tid: number, lock: DepotLock): void {
  const m = magazineOf(slab, tid);
  const depth = mem[m + MAGAZINE.depth];
  if (depth > 0) empty(mem, slab, m, depth, lock);
}

/**
 * Looks through all stacks while the threads are quiet: every object is either allocated or on exactly one stack.
 * Returns null, or the first thing wrong. Allocates; for audits and tests.
 */
export function slabCheck(mem: Memory, slab: Slab): string | null {
  const seen = new Uint8Array(slab.count + 1);
  const { depot } = slab;
  let wrong = checkStack(mem, slab, seen, 'the depot', depot + DEPOT.stack, mem[depot + DEPOT.depth], slab.count);
  for (let tid = 0; tid < slab.threads && wrong === null; tid++) {
    const m = magazineOf(slab, tid);
    const where = `the magazine of thread ${tid}`;
    wrong = checkStack(mem, slab, seen, where, m + MAGAZINE.stack, mem[m + MAGAZINE.depth], slab.magazine);
  }
  for (let index = 1; index <= slab.count && wrong === null; index++)
    if (mem[stateOf(slab, index)] === FREE && seen[index] === 0) wrong = `object ${index} is free but on no stack`;
  return wrong;
}

function checkStack(
  mem: Memory,
  slab: Slab,
  seen: Uint8Array,
  where: string,
  stack: number,
  depth: number,
  depthMax: number,
): string | null {
  if (depth < 0 || depth > depthMax) return `${where} has depth ${depth}`;
  for (let i = 0; i < depth; i++) {
    const index = mem[stack + i];
    if (index < 1 || index > slab.count) return `${where} holds ${index}, which is no object`;
    if (mem[stateOf(slab, index)] !== FREE) return `object ${index} is allocated and in ${where}`;
    if (seen[index] !== 0) return `object ${index} is free twice, again in ${where}`;
    seen[index] = 1;
  }
  return null;
}

const stateOf = (slab: Slab, index: number): number => slab.states + index * slab.stateStride;

const magazineOf = (slab: Slab, tid: number): Addr => at(slab.magazines, tid * slab.magazineStride);

/** Moves up to a batch from the depot into the empty magazine; returns its new depth. */
function refill(mem: Memory, slab: Slab, m: Addr, lock: DepotLock): number {
  const { depot } = slab;
  lock.lock(mem, at(depot, DEPOT.lock));
  const depth = mem[depot + DEPOT.depth];
  const taken = Math.min(depth, slab.batch);
  const from = depot + DEPOT.stack + depth - taken;
  for (let i = 0; i < taken; i++) mem[m + MAGAZINE.stack + i] = mem[from + i];
  mem[depot + DEPOT.depth] = depth - taken;
  lock.unlock(mem, at(depot, DEPOT.lock));
  mem[m + MAGAZINE.depth] = taken;
  return taken;
}

/** Moves the top `n` of a magazine to the depot. */
function empty(mem: Memory, slab: Slab, m: Addr, n: number, lock: DepotLock): void {
  const { depot } = slab;
  const left = mem[m + MAGAZINE.depth] - n;
  lock.lock(mem, at(depot, DEPOT.lock));
  const depth = mem[depot + DEPOT.depth];
  // Only copies left by a racing double free can overfill the depot; writing on would destroy the neighbour.
  const room = slab.count - depth;
  const moved = Math.min(n, room);
  for (let i = 0; i < moved; i++) mem[depot + DEPOT.stack + depth + i] = mem[m + MAGAZINE.stack + left + i];
  mem[depot + DEPOT.depth] = depth + moved;
  mem[depot + DEPOT.dropped] += n - moved;
  lock.unlock(mem, at(depot, DEPOT.lock));
  mem[m + MAGAZINE.depth] = left;
}

function findRegion(regions: Readonly<Record<string, Region>>, name: string): Region {
  const region = regions[name];
  if (region === undefined) throw new RangeError(`slab: the layout has no region '${name}'`);
  return region;
}

function assertSizes(name: string, count: number, threads: number, magazine: number): void {
  for (const size of [count, threads, magazine])
    if (!Number.isInteger(size) || size <= 0)
      throw new RangeError(
        `slab '${name}': ${count} objects, ${threads} threads, magazines of ${magazine} make no sense`,
      );
}
