import type { Addr, Memory } from '../memory/address.ts';
import { at } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { rawCompareExchange, rawExchange, rawNotify, rawWait } from './atomics.ts';
import { CONTROL } from './control.ts';

/** Subclasses that a class can have (MAX_LOCKDEP_SUBCLASSES). */
export const SUBCLASSES = 8;
/** Classes that fit; a lock of a higher class is not checked. */
const CLASS_MAX = 64;
/** Nodes that fit: a class with a subclass, once it has been held. Node 0 stands for none. */
export const NODE_MAX = 64;
/** Cycles that are told apart; what comes after them is not reported. */
const CYCLE_MAX = 64;
/** Edges of the longest cycle that is reported. */
export const PATH_MAX = 16;

/** The graph of lock orders of one cell, shared by its threads. Raw and plain words only: no step of a controlled run. */
export const LOCK_DEP = defineStruct('lock_dep', {
  lock: { words: 1, line: true },
  nodes: 1,
  cycles: 1,
  /** Locks that were not checked because the nodes had run out. */
  full: 1,
  /** Two words for each pseudo-lock: see lock-dep.ts. */
  maps: 8,
  cycle: CYCLE_MAX,
  /** By class and subclass: its node. */
  nodeOf: CLASS_MAX * SUBCLASSES,
  /** By node: its class and subclass. */
  keyOf: NODE_MAX,
  edge: NODE_MAX * NODE_MAX,
});

/**
 * How one lock was held and the next was taken, as in the kernel's graph: the first exclusively (E) or shared (S), the second as one
 * that may have to wait (N) or as a reader that never waits (R). Only SRCU's readers never wait: those of a rwsem wait behind a queued writer.
 */
export const DEP = { EN: 1, ER: 2, SN: 4, SR: 8 } as const;
const ALL = 15;
const FROM_EXCLUSIVE = DEP.EN | DEP.ER;
const TO_WAITING = DEP.EN | DEP.SN;
export const depBit = (shared: boolean, neverWaits: boolean): number => 1 << ((shared ? 2 : 0) + (neverWaits ? 1 : 0));

/** An edge: kinds that are known; kinds that lie on paths; then who recorded the first of them, and where that thread was. */
const PATH_SHIFT = 4;
const TID_SHIFT = 8;
const POINT_SHIFT = 16;
export const edgeKinds = (edge: number): number => edge & ALL;
export const edgeTid = (edge: number): number => ((edge >>> TID_SHIFT) & 0xff) - 1;
/** -1: not known. */
export const edgePoint = (edge: number): number => (edge >>> POINT_SHIFT) - 1;

const EDGE = LOCK_DEP.edge;
export const edgeAddr = (g: Addr, from: number, to: number): Addr => (g + EDGE + from * NODE_MAX + to) as Addr;

const controlled = CONTROL.current !== null;
const FREE = 0;
const LOCKED = 1;
const LOCKED_WAITERS = 2;

/** A lock of no class. Under control one thread runs at a time, and a raw operation would look like an order to the race detector. */
export function graphLock(mem: Memory, g: Addr): void {
  if (controlled || rawCompareExchange(mem, g, FREE, LOCKED) === FREE) return;
  while (rawExchange(mem, g, LOCKED_WAITERS) !== FREE) rawWait(mem, g, LOCKED_WAITERS, Number.POSITIVE_INFINITY);
}
export function graphUnlock(mem: Memory, g: Addr): void {
  if (!controlled && rawExchange(mem, g, FREE) === LOCKED_WAITERS) rawNotify(mem, g, 1);
}

/** The node of a class with a subclass, made when it is new; 0 when it has none. A plain look first: a node never changes. */
export function nodeFor(mem: Memory, g: Addr, cls: number, subclass: number): number {
  if (!(cls > 0 && cls < CLASS_MAX)) return 0;
  const key = cls * SUBCLASSES + (subclass & (SUBCLASSES - 1));
  const word = g + LOCK_DEP.nodeOf + key;
  return mem[word] !== 0 ? mem[word] : newNode(mem, g, key, word);
}

function newNode(mem: Memory, g: Addr, key: number, word: number): number {
  graphLock(mem, g);
  if (mem[word] === 0) {
    if (mem[g + LOCK_DEP.nodes] + 1 < NODE_MAX) {
      const node = ++mem[g + LOCK_DEP.nodes];
      mem[g + LOCK_DEP.keyOf + node] = key;
      mem[word] = node;
    } else mem[g + LOCK_DEP.full]++;
  }
  const node = mem[word];
  graphUnlock(mem, g);
  return node;
}

/** Words that a search needs, of one thread. */
export interface Search {
  readonly queue: Int32Array;
  readonly parent: Int32Array;
  /** What `closingPath` has found: the nodes from the new edge's end back to its beginning. */
  readonly path: Int32Array;
}
export const createSearch = (): Search => ({
  queue: new Int32Array(NODE_MAX * 2),
  parent: new Int32Array(NODE_MAX * 2),
  path: new Int32Array(PATH_MAX),
});

const UNSEEN = -2;
const ROOT = -1;

/**
 * Looks for the shortest path by which a new edge `from` -> `to` of the given kind would close a cycle in which every thread may really
 * wait (check_noncircular with hlock_conflict, 'strong' paths): nowhere in it may a reader that never waits be followed by a shared hold of
 * the same lock. Returns the number of nodes of `search.path`, from `to` to `from`; 0: none. With the graph's lock held.
 */
export function closingPath(mem: Memory, g: Addr, from: number, to: number, kind: number, search: Search): number {
  const { queue, parent } = search;
  const shared = (kind & FROM_EXCLUSIVE) === 0;
  const nodes = mem[g + LOCK_DEP.nodes];
  parent.fill(UNSEEN);
  // A state is a node, and whether the path so far ends there in nothing but readers that never wait.
  let end = 0;
  queue[end++] = to * 2 + ((kind & TO_WAITING) === 0 ? 1 : 0);
  parent[queue[0]] = ROOT;
  for (let i = 0; i < end; i++) {
    const state = queue[i];
    const node = state >>> 1;
    for (let next = 1; next <= nodes; next++) {
      let kinds = (mem[edgeAddr(g, node, next)] >>> PATH_SHIFT) & ALL;
      if ((state & 1) !== 0) kinds &= FROM_EXCLUSIVE;
      if (kinds === 0) continue;
      const onlyReaders = (kinds & TO_WAITING) === 0;
      if (next === from && !(onlyReaders && shared)) return tracePath(search, state, from);
      const reached = next * 2 + (onlyReaders ? 1 : 0);
      if (parent[reached] !== UNSEEN || parent[next * 2] !== UNSEEN) continue;
      parent[reached] = state;
      queue[end++] = reached;
    }
  }
  return 0;
}

function tracePath({ parent, path }: Search, last: number, from: number): number {
  let n = 1;
  for (let s = last; s !== ROOT; s = parent[s]) n++;
  const kept = Math.min(n, PATH_MAX);
  path[kept - 1] = from;
  // A path that is too long keeps its end: the edges nearest to the lock that is held.
  for (let s = last, i = kept - 2; i >= 0; s = parent[s], i--) path[i] = s >>> 1;
  return kept;
}

/** Records an edge. One that closes a cycle is known from then on, and lies on no path: the cycles that come later are others. */
export function addEdge(mem: Memory, edge: Addr, kind: number, closes: boolean, tid: number, point: number): void {
  const who = mem[edge] === 0 ? ((tid + 1) << TID_SHIFT) | (((point + 1) & 0x7fff) << POINT_SHIFT) : 0;
  mem[edge] |= kind | (closes ? 0 : kind << PATH_SHIFT) | who;
}

const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** Whether the cycle of these nodes, wherever it begins, is seen for the first time; from then on it has been. With the graph's lock held. */
export function isNewCycle(mem: Memory, g: Addr, path: Int32Array, n: number): boolean {
  let first = 0;
  for (let i = 1; i < n; i++) if (path[i] < path[first]) first = i;
  let hash = FNV_OFFSET;
  for (let i = 0; i < n; i++) hash = Math.imul(hash ^ path[(first + i) % n], FNV_PRIME);
  const count = mem[g + LOCK_DEP.cycles];
  for (let i = 0; i < count; i++) if (mem[g + LOCK_DEP.cycle + i] === hash) return false;
  if (count === CYCLE_MAX) return false;
  mem[g + LOCK_DEP.cycle + count] = hash;
  mem[g + LOCK_DEP.cycles] = count + 1;
  return true;
}

/** Address of the graph's pseudo-lock `map`. */
export const mapAddrOf = (g: Addr, map: number): Addr => at(g, LOCK_DEP.maps + map * 2);
