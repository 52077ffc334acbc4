import type { Addr, Memory, Pfn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { DepotLock, Slab } from '../memory/slab.ts';
import * as slabModule from '../memory/slab.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as mutexModule from '../sync/mutex.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as observerModule from '../trace/observer.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_PFN } = addressModule;
const { slabAlloc, slabFree, slabInit, slabInUse } = slabModule;
const { defineStruct } = structModule;
const { add, compareExchange, load, loadAfterAtomic, rawLoad, rawStore, readOnce, store, storeRelease } = atomicsModule;
const { dataRace, dataRaceStore } = dataRaceModule;
const { LOCK_CLASS } = lockClassModule;
const { MUTEX, mutexInit } = mutexModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { CAP, shouldFail } = injectModule;
const { LIFE } = observerModule;
const { point } = pointModule;
const { POINT } = pointsModule;

/** A page frame: the kernel's struct page, with the page's payload shrunk to a stamp. */
export const FRAME = defineStruct('frame', {
  /** References: 1 of the page cache, 1 of each page-table entry, and those of getUserPage while it lasts. */
  refcount: { words: 1, line: true },
  /** Rises each time the frame is freed; wraps modulo 2^32. */
  generation: 1,
  /** Page-table entries that map a file frame; for an anonymous frame it is not kept (it has one mapping at most). */
  mapcount: 1,
  /** The payload: which page of which backing this is, how often it was written, and the identity's complement. */
  identity: 1,
  version: 1,
  guard: 1,
  /** 1 while a page cache holds the frame; changes only under `folioLock`, or before the frame can be found. */
  inCache: 1,
  /** Reverse map through which its page-table entries are found (0: none yet), and its page there: see rmap-root.ts. */
  mapping: 1,
  index: 1,
  /** The allocator's. */
  slabState: 1,
  folioLock: MUTEX.$words,
});

/** Payload of a free frame: SLUB's POISON_FREE. No identity has this value. */
export const POISON = 0x6b6b6b6b;
/** Stamps of file pages have this bit; those of anonymous pages are 1 .. 2^30 - 1. */
export const FILE_IDENTITY = 0x40000000;
export const MAX_FILES = 64;
export const MAX_FILE_PAGES = 2 ** 20;

/** The stamp of page `index` of a file. */
export const fileIdentity = (fileId: number, index: number): number => FILE_IDENTITY | (fileId << 20) | index;
/** The file that a stamp of a file page names. */
export const identityFile = (identity: number): number => (identity >>> 20) & (MAX_FILES - 1);
export const isFileIdentity = (identity: number): boolean => (identity & FILE_IDENTITY) !== 0;

/** All frames of a world. Frame 0 does not exist. */
export interface FramePool {
  readonly base: Addr;
  readonly stride: number;
  /** Frames 1 .. count. */
  readonly count: number;
  readonly slab: Slab;
  readonly depotLock: DepotLock;
}

export const frameAddr = (frames: FramePool, pfn: Pfn): Addr => at(frames.base, pfn * frames.stride);

const FREED = POINT['frame.freed'];
const FAILED = COUNTER['fail.allocation'];
const REFCOUNT = FRAME.refcount;
const GENERATION = FRAME.generation;
const IDENTITY = FRAME.identity;
const VERSION = FRAME.version;
const GUARD = FRAME.guard;
const MAPCOUNT = FRAME.mapcount;
const IN_CACHE = FRAME.inCache;
const MAPPING = FRAME.mapping;

/** Poisons all payloads and fills the allocator. Before the threads start. */
export function framesInit(mem: Memory, frames: FramePool): void {
  slabInit(mem, frames.slab);
  for (let pfn = 1; pfn <= frames.count; pfn++) {
    const f = frameAddr(frames, pfn as Pfn);
    mem.fill(0, f, f + FRAME.$words);
    mem[f + GENERATION] = 1;
    mem[f + IDENTITY] = POISON;
    mutexInit(mem, at(f, FRAME.folioLock), LOCK_CLASS.folio_lock);
  }
}

/**
 * alloc_page, with `refs` references and a stamped payload. Returns 0 when there is none (ENOMEM). Tells the observer that a frame is
 * used again, and whether its poison is intact: if not, somebody wrote to it while it was free.
 */
export function allocFrame(actor: Actor, frames: FramePool, identity: number, refs = 1): Pfn {
  const { mem } = actor;
  const pfn = shouldFail(actor, CAP.fail_page_alloc)
    ? NULL_PFN
    : (slabAlloc(mem, frames.slab, actor.tid, frames.depotLock) as Pfn);
  if (pfn === NULL_PFN) {
    count(actor, FAILED);
    return pfn;
  }
  const f = frameAddr(frames, pfn);
  actor.observer.frameReused(actor, pfn, readOnce(actor, at(f, IDENTITY)) === POISON);
  // Plain stores: nobody can reach the frame before it is published under a page-table lock or the page cache's lock. Only a
  // stale device entry could, and what that reads is judged by the generation, which rose before.
  mem[f + IDENTITY] = identity;
  mem[f + GUARD] = ~identity;
  mem[f + VERSION] = 0;
  mem[f + MAPCOUNT] = 0;
  mem[f + IN_CACHE] = 0;
  mem[f + MAPPING] = 0;
  // Last: reclaim looks at frames at random, and leaves those without a reference alone. What it may see of the others above is old
  // at worst, and then it finds no entry that maps the frame.
  mem[f + REFCOUNT] = refs;
  return pfn;
}

/** get_page: one more reference to a frame on which the caller's lock guarantees one already. */
export function getFrame(actor: Actor, frames: FramePool, pfn: Pfn): void {
  add(actor, at(frameAddr(frames, pfn), REFCOUNT), 1);
}

/** folio_try_get: a reference to a frame that may be free; false when it is. */
export function tryGetFrame(actor: Actor, frames: FramePool, pfn: Pfn): boolean {
  const word = at(frameAddr(frames, pfn), REFCOUNT);
  for (let n = load(actor, word); n > 0; ) {
    const found = compareExchange(actor, word, n, n + 1);
    if (found === n) return true;
    n = found;
  }
  return false;
}

/** folio_ref_count. */
export const frameRefs = (actor: Actor, frames: FramePool, pfn: Pfn): number =>
  load(actor, at(frameAddr(frames, pfn), REFCOUNT));

/** put_page: drops a reference, and frees the frame with the last one. Below zero somebody has put what he did not have. */
export function putFrame(actor: Actor, frames: FramePool, pfn: Pfn): void {
  const f = frameAddr(frames, pfn);
  const before = add(actor, at(f, REFCOUNT), -1);
  if (before === 1) freeFrame(actor, frames, pfn, f);
  else if (before <= 0) actor.observer.freedTwice(actor, LIFE.frame, pfn);
}

/**
 * free_unref_page. The order carries the oracles:
 * 1. The generation rises before the payload is poisoned. A device reads the payload, then compares generations; the other way
 *    round it could read poison and still find its own generation: corruption without the use after free that caused it.
 * 2. Both come before the frame can be allocated again, or its next owner's entries could record the old generation, and be
 *    taken for stale when it rises under them.
 * The release keeps the poison behind the generation also where stores may overtake each other.
 */
function freeFrame(actor: Actor, frames: FramePool, pfn: Pfn, f: Addr): void {
  const { mem } = actor;
  const identity = mem[f + IDENTITY];
  // Not counted up in one step: of two who put the last reference, one has it.
  const generation = (mem[f + GENERATION] + 1) | 0;
  storeRelease(actor, at(f, GENERATION), generation);
  storeRelease(actor, at(f, IDENTITY), POISON);
  point(actor, FREED, pfn, generation, identity);
  slabFree(mem, frames.slab, actor.tid, pfn, frames.depotLock);
}

/** The frame's generation now. */
export const frameGeneration = (actor: Actor, frames: FramePool, pfn: Pfn): number =>
  load(actor, at(frameAddr(frames, pfn), GENERATION));

/** Reads the payload: the identity found, or POISON when the frame is free or the guard does not fit (a torn or foreign write). */
export function stampLoad(actor: Actor, frames: FramePool, pfn: Pfn): number {
  const f = frameAddr(frames, pfn);
  // Before what the caller loads next by `load`: a generation that is not older than the payload.
  const identity = loadAfterAtomic(actor, at(f, IDENTITY));
  return dataRace(actor.mem, at(f, GUARD)) === ~identity ? identity : POISON;
}

/** As `stampLoad`, for a look from outside the model. */
export function stampRead(mem: Memory, frames: FramePool, pfn: Pfn): number {
  const f = frameAddr(frames, pfn);
  const identity = rawLoad(mem, at(f, IDENTITY));
  return mem[f + GUARD] === ~identity ? identity : POISON;
}

/**
 * Writes the payload, as the CPU's stores and a device's writes do. It asks no questions: a device that writes through a stale
 * entry really destroys the stamp of whoever owns the frame by then.
 */
export function stampStore(actor: Actor, frames: FramePool, pfn: Pfn, identity: number): void {
  const { mem } = actor;
  const f = frameAddr(frames, pfn);
  store(actor, at(f, IDENTITY), identity);
  // Racy on purpose, as the program's data and the device's are: all who rightly write a frame write the same stamp, and a guard
  // that does not fit is what tells on the others. A version may be lost; it only has to move.
  dataRaceStore(mem, at(f, GUARD), ~identity);
  dataRaceStore(mem, at(f, VERSION), (dataRace(mem, at(f, VERSION)) + 1) | 0);
}

/** As `stampStore`, from outside the model. */
export function stampWrite(mem: Memory, frames: FramePool, pfn: Pfn, identity: number): void {
  const f = frameAddr(frames, pfn);
  rawStore(mem, at(f, IDENTITY), identity);
  mem[f + GUARD] = ~identity;
  mem[f + VERSION] = (mem[f + VERSION] + 1) | 0;
}

/** Frames handed out; exact when all threads are quiet. */
export const framesInUse = (mem: Memory, frames: FramePool): number => slabInUse(mem, frames.slab);
