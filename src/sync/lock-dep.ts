import type { Addr, Memory } from '../memory/address.ts';
import { CLS_OFFSET, LOCK_CLASS } from './lock-class.ts';
import {
  addEdge,
  closingPath,
  createSearch,
  depBit,
  edgeAddr,
  edgeKinds,
  edgePoint,
  edgeTid,
  graphLock,
  graphUnlock,
  isNewCycle,
  LOCK_DEP,
  mapAddrOf,
  nodeFor,
  PATH_MAX,
} from './lock-dep-graph.ts';
import { HELD, HELD_MAX, type HeldMode, heldMode, type LockDep, popHeld, pushHeld, TASK, type Task } from './task.ts';

export { LOCK_DEP, SUBCLASSES } from './lock-dep-graph.ts';

/**
 * The kernel's lockdep over the classes of these locks: an order in which two locks were ever taken is remembered, and a second
 * order that could meet it in a deadlock is reported although no deadlock has happened. Differences: no interrupts, no wait types, no chain cache; an
 * edge goes from every held lock to the new one, not only from the last; a cycle is left in the graph as known, so the checker goes on.
 *
 * As there: a trylock is held, but nothing held comes before it; locks are told apart by class and subclass, so two of one class without an
 * annotation are recursion; rwsem readers count as waiting (a writer in the queue keeps them out), SRCU readers do not, while
 * `synchronizeSrcu` waits for all of them: its mutex is of the same class as the readers'. Completions and wait queues are not
 * tracked (nobody owns them; the kernel took the attempt out in 4.15): the deadlock oracle sees those.
 */

/** Pseudo-locks: nobody waits for them; they stand for a context. */
export const PSEUDO = {
  /**
   * A GFP_KERNEL allocation may enter direct reclaim: held around reclaim's work, and taken and given back at the entry of
   * every allocation that may reclaim (fs_reclaim_acquire, might_alloc), so that the order is known before memory is short.
   */
  fsReclaim: 0,
  /** Held around the callbacks of invalidate_range_start, and, as another subclass, around those of invalidate_range_end. */
  mmuNotifierRangeStart: 1,
} as const;
export type Pseudo = (typeof PSEUDO)[keyof typeof PSEUDO];
const PSEUDO_CLASS = [LOCK_CLASS.fs_reclaim, LOCK_CLASS.mmu_notifier_invalidate_range_start] as const;

/** `lock_map_acquire`. Without lock-dep it does nothing. */
export function lockMapAcquire(task: Task, map: Pseudo, subclass = 0): void {
  if (task.lockDep === null) return;
  task.lockDep.subclass = subclass;
  pushHeld(task, task.lockDep.mapAddr(map), HELD.map);
}
/** `lock_map_release`. */
export function lockMapRelease(task: Task, map: Pseudo): void {
  if (task.lockDep !== null) popHeld(task, task.lockDep.mapAddr(map), HELD.map);
}

/** One edge of a cycle in words: who recorded it, its kinds, its locks by class and subclass. */
export const FOUND_EDGE = 4;
/** What is reported. The arrays are used again for the next. */
export interface OrderFound {
  /** The new lock is of the class and subclass of one that is held. */
  recursive: boolean;
  /** The lock that is being acquired. */
  lock: Addr;
  mode: HeldMode;
  /** Its class and subclass. */
  key: number;
  /** Which of the task's holds the new edge comes from. */
  hold: number;
  /** The new edge first, then those that lead back from its end to its beginning: tid, kinds | (point + 1) << 4, from, to. */
  edges: number;
  readonly chain: Int32Array;
  /** Holds of the task before the lock. */
  held: number;
  /** By hold: class and subclass, -1 for what has none. */
  readonly heldKeys: Int32Array;
}

/** Takes what the checker finds. */
export interface LockDepSink {
  /** Two orders that could meet, or one lock twice. Called once for each cycle of classes, before the task waits. */
  order(task: Task, found: OrderFound): void;
  /** A release of a lock that the task does not hold. */
  notOwner(task: Task, lock: Addr, mode: HeldMode): void;
  /** The point at which the task was last, or -1. */
  where(task: Task): number;
}

export interface LockDepOptions {
  /** The arena itself, also where the task's memory is watched. */
  readonly mem: Memory;
  /** `LOCK_DEP` words of the cell. */
  readonly graph: Addr;
  /** `HELD_MAX` words of this thread: the node of each hold. */
  readonly held: Addr;
  readonly sink: LockDepSink;
}

/** Once for each zeroed arena. */
export function lockDepInit(mem: Memory, graph: Addr): void {
  for (const [map, cls] of PSEUDO_CLASS.entries()) mem[mapAddrOf(graph, map) + CLS_OFFSET] = cls;
}

const HELD_COUNT = TASK.heldCount;
const HELD_FIRST = TASK.held;
const isShared = (mode: HeldMode): boolean => mode === HELD.read || mode === HELD.srcu;

interface Checker {
  readonly options: LockDepOptions;
  readonly found: OrderFound;
  readonly search: ReturnType<typeof createSearch>;
}

/** Makes one thread's checker. */
export function createLockDep(options: LockDepOptions): LockDep {
  const { mem, graph, held, sink } = options;
  const checker: Checker = { options, found: newFound(), search: createSearch() };
  const self: LockDep = {
    subclass: 0,
    nest: 0,
    acquiring(task, lock, mode) {
      const node = nodeFor(mem, graph, mem[lock + CLS_OFFSET], self.subclass);
      if (node !== 0) check(checker, task, lock, mode, node, mem[task.addr + HELD_COUNT], self.nest);
    },
    acquired(task, lock, mode, n) {
      const node = nodeFor(mem, graph, mem[lock + CLS_OFFSET], self.subclass);
      if (node !== 0) check(checker, task, lock, mode, node, n, self.nest);
      if (n < HELD_MAX) mem[held + n] = node;
      self.subclass = 0;
      self.nest = 0;
    },
    acquiredAtOnce(lock, n) {
      if (n < HELD_MAX) mem[held + n] = nodeFor(mem, graph, mem[lock + CLS_OFFSET], 0);
    },
    acquiredRaw(n) {
      if (n < HELD_MAX) mem[held + n] = 0;
    },
    removed(n, count) {
      for (let i = n + 1; i < count; i++) mem[held + i - 1] = mem[held + i];
    },
    notOwner: (task, lock, mode) => sink.notOwner(task, lock, mode),
    mapAddr: (map) => mapAddrOf(graph, map),
  };
  return self;
}

const newFound = (): OrderFound => ({
  recursive: false,
  lock: 0 as Addr,
  mode: HELD.mutex,
  key: 0,
  hold: 0,
  edges: 0,
  held: 0,
  chain: new Int32Array(PATH_MAX * FOUND_EDGE),
  heldKeys: new Int32Array(HELD_MAX),
});

/** The hot half: one test of a bit for each of the `n` holds that comes before `lock`. */
function check(c: Checker, task: Task, lock: Addr, mode: HeldMode, node: number, n: number, nest: Addr | 0): void {
  const { mem, graph, held } = c.options;
  const neverWaits = mode === HELD.srcu;
  const holds = n < HELD_MAX ? n : HELD_MAX;
  for (let i = 0; i < holds; i++) {
    const from = mem[held + i];
    if (from === 0) continue;
    const fromMode = heldMode(mem[task.addr + HELD_FIRST + i]);
    const kind = depBit(isShared(fromMode), neverWaits);
    if ((mem[edgeAddr(graph, from, node)] & kind) !== 0) continue;
    // A reader that never waits may come again inside itself.
    if (from === node && ((neverWaits && isShared(fromMode)) || (nest !== 0 && holdsLock(c, task, nest, n)))) continue;
    c.found.held = holds;
    learn(c, task, lock, mode, from, node, kind, i);
  }
}

function holdsLock({ options: { mem } }: Checker, task: Task, lock: number, n: number): boolean {
  for (let i = 0; i < n; i++) if ((mem[task.addr + HELD_FIRST + i] & 0x0fffffff) === lock) return true;
  return false;
}

/** The slow half: an order that nobody has taken yet. */
function learn(
  c: Checker,
  task: Task,
  lock: Addr,
  mode: HeldMode,
  from: number,
  to: number,
  kind: number,
  hold: number,
): void {
  const { mem, graph, sink } = c.options;
  const edge = edgeAddr(graph, from, to);
  const point = sink.where(task);
  graphLock(mem, graph);
  // Another thread may have been faster.
  if ((mem[edge] & kind) !== 0) {
    graphUnlock(mem, graph);
    return;
  }
  const { path } = c.search;
  let nodes = 0;
  if (from === to) {
    nodes = 1;
    path[0] = from;
  } else nodes = closingPath(mem, graph, from, to, kind, c.search);
  addEdge(mem, edge, kind, nodes > 0, task.tid, point);
  const isNew = nodes > 0 && isNewCycle(mem, graph, path, nodes);
  if (isNew) {
    describe(c, task, from, to, kind, point, nodes);
    c.found.lock = lock;
    c.found.mode = mode;
    c.found.hold = hold;
  }
  graphUnlock(mem, graph);
  if (isNew) sink.order(task, c.found);
}

function describe(
  { options: { mem, graph, held }, found, search: { path } }: Checker,
  task: Task,
  from: number,
  to: number,
  kind: number,
  point: number,
  nodes: number,
): void {
  const keyOf = (node: number): number => (node === 0 ? -1 : mem[graph + LOCK_DEP.keyOf + node]);
  found.recursive = from === to;
  found.key = keyOf(to);
  setEdge(found.chain, 0, task.tid, kind, point, keyOf(from), keyOf(to));
  found.edges = nodes;
  for (let i = 1; i < nodes; i++) {
    const word = mem[edgeAddr(graph, path[i - 1], path[i])];
    setEdge(found.chain, i, edgeTid(word), edgeKinds(word), edgePoint(word), keyOf(path[i - 1]), keyOf(path[i]));
  }
  for (let i = 0; i < found.held; i++) found.heldKeys[i] = keyOf(mem[held + i]);
}

function setEdge(
  chain: Int32Array,
  i: number,
  tid: number,
  kinds: number,
  point: number,
  from: number,
  to: number,
): void {
  chain[i * FOUND_EDGE] = tid;
  chain[i * FOUND_EDGE + 1] = kinds | ((point + 1) << 4);
  chain[i * FOUND_EDGE + 2] = from;
  chain[i * FOUND_EDGE + 3] = to;
}
