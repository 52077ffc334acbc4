import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { defineStruct } = structModule;

/**
 * The kernel's interval tree: a red-black tree ordered by `start`, in which each node also knows the largest `last`
 * below it. Nodes are embedded in other structs and never copied, so an address stays valid until its own removal.
 * `start` and `last` are both inclusive and in 0 .. 2^31 - 1; intervals may be equal, and equal starts keep the order
 * of their insertion.
 *
 * Everything here is plain reads and writes: the caller holds a lock against every writer. Unlike the kernel's, which
 * stores links so that a lockless reader at least ends, a reader of a tree that is being changed may even walk for
 * ever; none of the designs reads so. A root is one word; the kernel's also caches the leftmost node, which would only
 * save a walk that finds nothing.
 */
export const INTERVAL_NODE = defineStruct('interval_node', {
  start: 1,
  last: 1,
  /** The largest `last` in the subtree of this node. */
  subtreeLast: 1,
  /** Parent's address * 2 + colour. Off the tree: the node's own address * 2, or 0 in memory never used. */
  parent: 1,
  left: 1,
  right: 1,
});

const START = INTERVAL_NODE.start;
const LAST = INTERVAL_NODE.last;
const SUBTREE = INTERVAL_NODE.subtreeLast;
const PARENT = INTERVAL_NODE.parent;
const LEFT = INTERVAL_NODE.left;
const RIGHT = INTERVAL_NODE.right;
/** A side is the offset of its link; the other side is `BOTH - side`. */
const BOTH = LEFT + RIGHT;
const RED = 0;
const BLACK = 1;

/** Empties a tree; mirrors `root = RB_ROOT`. Nodes still in it are not told. */
export function intervalTreeInit(mem: Memory, root: Addr): void {
  mem[root] = NULL_ADDR;
}

/** Marks a node as in no tree; mirrors `RB_CLEAR_NODE`. */
export function intervalNodeInit(mem: Memory, node: Addr): void {
  mem[node + PARENT] = node << 1;
  mem[node + LEFT] = NULL_ADDR;
  mem[node + RIGHT] = NULL_ADDR;
}

/**
 * Mirrors `!RB_EMPTY_NODE`. Zeroed memory counts as in no tree too, other than in the kernel: a node without a parent
 * is the root, and the root is black.
 */
export function intervalNodeInTree(mem: Memory, node: Addr): boolean {
  const word = mem[node + PARENT];
  return word !== 0 && word !== node << 1;
}

/** Mirrors `interval_tree_insert`: `start` and `last` are set already, and the node is in no tree. */
export function intervalTreeInsert(mem: Memory, root: Addr, node: Addr): void {
  const start = mem[node + START];
  const last = mem[node + LAST];
  let parent = 0;
  let side = LEFT;
  let next = mem[root];
  while (next !== 0) {
    parent = next;
    if (mem[parent + SUBTREE] < last) mem[parent + SUBTREE] = last;
    side = start < mem[parent + START] ? LEFT : RIGHT;
    next = mem[parent + side];
  }
  mem[node + SUBTREE] = last;
  mem[node + LEFT] = 0;
  mem[node + RIGHT] = 0;
  mem[node + PARENT] = (parent << 1) | RED;
  if (parent === 0) mem[root] = node;
  else mem[parent + side] = node;
  repairInsert(mem, root, node);
}

/**
 * Mirrors `interval_tree_remove` and then `RB_CLEAR_NODE`: the node must be in this tree, and knows afterwards that it
 * is not.
 */
export function intervalTreeRemove(mem: Memory, root: Addr, node: Addr): void {
  const left = mem[node + LEFT];
  const right = mem[node + RIGHT];
  const parent = mem[node + PARENT] >>> 1;
  let colour = mem[node + PARENT] & 1;
  let child = left === 0 ? right : left;
  let above = parent;
  if (left === 0 || right === 0) {
    replaceChild(mem, root, parent, node, child);
    if (child !== 0) setParent(mem, child, parent);
    updateUpwards(mem, parent);
  } else {
    // The successor takes the node's place, colour and old subtree value; what is missing is the successor's own place.
    let successor = right;
    while (mem[successor + LEFT] !== 0) successor = mem[successor + LEFT];
    colour = mem[successor + PARENT] & 1;
    child = mem[successor + RIGHT];
    above = successor;
    if (successor !== right) {
      above = mem[successor + PARENT] >>> 1;
      mem[above + LEFT] = child;
      if (child !== 0) setParent(mem, child, above);
      mem[successor + RIGHT] = right;
      setParent(mem, right, successor);
    }
    mem[successor + LEFT] = left;
    setParent(mem, left, successor);
    replaceChild(mem, root, parent, node, successor);
    mem[successor + PARENT] = mem[node + PARENT];
    mem[successor + SUBTREE] = mem[node + SUBTREE];
    // Two climbs: the first may end below the successor, where a value did not change, but the removed interval lay
    // above that.
    updateUpwards(mem, above);
    updateUpwards(mem, successor);
  }
  // Rotations keep the subtree values right only if they were right before.
  if (colour === BLACK) repairRemove(mem, root, child, above);
  intervalNodeInit(mem, node);
}

/**
 * Mirrors `interval_tree_iter_first`: of the nodes that overlap [start, last] the first in order of start, or
 * `NULL_ADDR`.
 */
export function intervalTreeIterFirst(mem: Memory, root: Addr, start: number, last: number): Addr {
  const node = mem[root];
  if (node === 0 || mem[node + SUBTREE] < start) return NULL_ADDR;
  return firstBelow(mem, node, start, last);
}

/** Mirrors `interval_tree_iter_next`: the next node that overlaps [start, last] after `node`, or `NULL_ADDR`. */
export function intervalTreeIterNext(mem: Memory, node: Addr, start: number, last: number): Addr {
  let at: number = node;
  for (;;) {
    const right = mem[at + RIGHT];
    if (right !== 0 && mem[right + SUBTREE] >= start) return firstBelow(mem, right, start, last);
    let from = at;
    do {
      from = at;
      at = mem[from + PARENT] >>> 1;
      if (at === 0) return NULL_ADDR;
    } while (mem[at + RIGHT] === from);
    // In order of start: once one begins too late, so do all that follow.
    if (mem[at + START] > last) return NULL_ADDR;
    if (mem[at + LAST] >= start) return at as Addr;
  }
}

/**
 * The first overlap in a subtree whose `subtreeLast` is not below `start`. If the left subtree reaches `start`, then
 * the answer is there or nowhere: the node there that reaches it begins too late, and so do all to the right of it.
 */
function firstBelow(mem: Memory, top: number, start: number, last: number): Addr {
  let node = top;
  for (;;) {
    const left = mem[node + LEFT];
    if (left !== 0 && mem[left + SUBTREE] >= start) {
      node = left;
      continue;
    }
    if (mem[node + START] > last) return NULL_ADDR;
    if (mem[node + LAST] >= start) return node as Addr;
    node = mem[node + RIGHT];
    if (node === 0 || mem[node + SUBTREE] < start) return NULL_ADDR;
  }
}

const isRed = (mem: Memory, node: number): boolean => node !== 0 && (mem[node + PARENT] & 1) === RED;

const paint = (mem: Memory, node: number, colour: number): void => {
  mem[node + PARENT] = (mem[node + PARENT] & ~1) | colour;
};

/** Changes the parent, keeps the colour. */
const setParent = (mem: Memory, node: number, parent: number): void => {
  mem[node + PARENT] = (parent << 1) | (mem[node + PARENT] & 1);
};

function replaceChild(mem: Memory, root: Addr, parent: number, from: number, to: number): void {
  if (parent === 0) mem[root] = to;
  else if (mem[parent + LEFT] === from) mem[parent + LEFT] = to;
  else mem[parent + RIGHT] = to;
}

/** The largest `last` of a node and its two subtrees. */
function computeSubtreeLast(mem: Memory, node: number): number {
  let max = mem[node + LAST];
  const left = mem[node + LEFT];
  if (left !== 0 && mem[left + SUBTREE] > max) max = mem[left + SUBTREE];
  const right = mem[node + RIGHT];
  if (right !== 0 && mem[right + SUBTREE] > max) max = mem[right + SUBTREE];
  return max;
}

/** Computes the subtree values from `node` up, until one does not change. */
function updateUpwards(mem: Memory, node: number): void {
  for (let up = node; up !== 0; up = mem[up + PARENT] >>> 1) {
    const max = computeSubtreeLast(mem, up);
    if (max === mem[up + SUBTREE]) return;
    mem[up + SUBTREE] = max;
  }
}

/** Rotates so that the child of `node` on `side` comes above it. */
function rotateUp(mem: Memory, root: Addr, node: number, side: number): void {
  const other = BOTH - side;
  const child = mem[node + side];
  const inner = mem[child + other];
  const parent = mem[node + PARENT] >>> 1;
  mem[node + side] = inner;
  if (inner !== 0) setParent(mem, inner, node);
  mem[child + other] = node;
  setParent(mem, child, parent);
  replaceChild(mem, root, parent, node, child);
  setParent(mem, node, child);
  // The pair spans the same nodes as before.
  mem[child + SUBTREE] = mem[node + SUBTREE];
  mem[node + SUBTREE] = computeSubtreeLast(mem, node);
}

/** `node` is red and its parent may be: move the clash up, or rotate it away. */
function repairInsert(mem: Memory, root: Addr, inserted: number): void {
  let node = inserted;
  for (;;) {
    let parent = mem[node + PARENT] >>> 1;
    if (parent === 0) {
      paint(mem, node, BLACK);
      return;
    }
    if (!isRed(mem, parent)) return;
    const grand = mem[parent + PARENT] >>> 1;
    const side = mem[grand + LEFT] === parent ? LEFT : RIGHT;
    const uncle = mem[grand + BOTH - side];
    if (isRed(mem, uncle)) {
      paint(mem, parent, BLACK);
      paint(mem, uncle, BLACK);
      paint(mem, grand, RED);
      node = grand;
      continue;
    }
    if (mem[parent + side] !== node) {
      rotateUp(mem, root, parent, BOTH - side);
      parent = node;
    }
    paint(mem, parent, BLACK);
    paint(mem, grand, RED);
    rotateUp(mem, root, grand, side);
    return;
  }
}

/**
 * Paths through `short` (perhaps no node, hence its parent) are one black node short: move that up, or rotate it away.
 */
function repairRemove(mem: Memory, root: Addr, short: number, above: number): void {
  let node = short;
  let parent = above;
  while (parent !== 0 && !isRed(mem, node)) {
    // The side that lacks a black node can be empty, the other can not: so comparing with the left link is enough.
    const side = mem[parent + LEFT] === node ? LEFT : RIGHT;
    const other = BOTH - side;
    let sibling = mem[parent + other];
    if (isRed(mem, sibling)) {
      paint(mem, sibling, BLACK);
      paint(mem, parent, RED);
      rotateUp(mem, root, parent, other);
      sibling = mem[parent + other];
    }
    if (!isRed(mem, mem[sibling + LEFT]) && !isRed(mem, mem[sibling + RIGHT])) {
      paint(mem, sibling, RED);
      node = parent;
      parent = mem[node + PARENT] >>> 1;
      continue;
    }
    if (!isRed(mem, mem[sibling + other])) {
      paint(mem, mem[sibling + side], BLACK);
      paint(mem, sibling, RED);
      rotateUp(mem, root, sibling, side);
      sibling = mem[parent + other];
    }
    paint(mem, sibling, mem[parent + PARENT] & 1);
    paint(mem, parent, BLACK);
    paint(mem, mem[sibling + other], BLACK);
    rotateUp(mem, root, parent, other);
    return;
  }
  if (node !== 0) paint(mem, node, BLACK);
}

/** Deeper than any tree of 2^28 words can be: 2 * log2(2^28 / 6 + 1). */
const MAX_DEPTH = 52;

/**
 * Checks the whole tree: links, colours, black heights, order, subtree values. Returns null, or the first thing wrong.
 * For tests and dumps; ends on any contents of memory, because a node is entered only from the parent that it names.
 */
export function intervalTreeCheck(mem: Memory, root: Addr): string | null {
  const top = mem[root];
  if (top === 0) return null;
  if (!isNodeAddr(mem, top)) return `the root word holds ${top}, which is no address`;
  if (isRed(mem, top)) return `root ${top} is red`;
  const result = checkBelow(mem, top, 0, -1, 0x7fff_ffff, 0);
  return typeof result === 'string' ? result : null;
}

const isNodeAddr = (mem: Memory, node: number): boolean => node > 0 && node + INTERVAL_NODE.$words <= mem.length;

/** The black height of a subtree whose starts must lie in [min, max], or what is wrong with it. */
function checkBelow(
  mem: Memory,
  node: number,
  parent: number,
  min: number,
  max: number,
  depth: number,
): number | string {
  if (node === 0) return 0;
  if (!isNodeAddr(mem, node)) return `node ${parent} links to ${node}, which is no address`;
  if (mem[node + PARENT] >>> 1 !== parent)
    return `node ${node} names parent ${mem[node + PARENT] >>> 1}, not ${parent}`;
  if (depth >= MAX_DEPTH) return `node ${node} is deeper than ${MAX_DEPTH}`;
  const start = mem[node + START];
  const last = mem[node + LAST];
  if (start > last || start < 0) return `node ${node} spans ${start} to ${last}`;
  if (start < min || start > max) return `node ${node} starts at ${start}, outside ${min} to ${max}`;
  const left = mem[node + LEFT];
  const right = mem[node + RIGHT];
  const leftHeight = checkBelow(mem, left, node, min, start, depth + 1);
  if (typeof leftHeight === 'string') return leftHeight;
  const rightHeight = checkBelow(mem, right, node, start, max, depth + 1);
  if (typeof rightHeight === 'string') return rightHeight;
  if (leftHeight !== rightHeight) return `node ${node} has black heights ${leftHeight} and ${rightHeight}`;
  if (isRed(mem, node) && (isRed(mem, left) || isRed(mem, right))) return `red node ${node} has a red child`;
  if (mem[node + SUBTREE] !== computeSubtreeLast(mem, node))
    return `node ${node} says subtree last ${mem[node + SUBTREE]}, not ${computeSubtreeLast(mem, node)}`;
  return leftHeight + (isRed(mem, node) ? 0 : 1);
}
