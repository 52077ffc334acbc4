import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import { createArena, layoutArena, objectAt } from '../../src/memory/arena.ts';
import { defineStruct } from '../../src/memory/struct.ts';
import {
  INTERVAL_NODE,
  intervalNodeInit,
  intervalNodeInTree,
  intervalTreeCheck,
  intervalTreeInit,
  intervalTreeInsert,
  intervalTreeIterFirst,
  intervalTreeIterNext,
  intervalTreeRemove,
} from '../../src/odp/interval-tree.ts';

const MAX = 0x7fff_ffff;
/** The node sits inside a struct of its user, not at its start. */
const UMEM = defineStruct('umem', { before: 2, node: INTERVAL_NODE.$words, after: 1 });

function makeTree(nodes: number) {
  const layout = layoutArena([
    { name: 'root', words: 1, count: 1 },
    { name: 'umem', words: UMEM.$words, count: nodes },
  ]);
  const mem = createArena(layout);
  const root = layout.regions.root.base;
  intervalTreeInit(mem, root);
  const node = (i: number): Addr => (objectAt(layout.regions.umem, i) + UMEM.node) as Addr;
  const insert = (i: number, start: number, last: number): void => {
    mem[node(i) + INTERVAL_NODE.start] = start;
    mem[node(i) + INTERVAL_NODE.last] = last;
    intervalTreeInsert(mem, root, node(i));
  };
  const query = (start: number, last: number): number[] => {
    const found: number[] = [];
    for (let n = intervalTreeIterFirst(mem, root, start, last); n !== 0; n = intervalTreeIterNext(mem, n, start, last))
      found.push((n - node(0)) / UMEM.$words);
    return found;
  };
  return { mem, root, node, insert, query, remove: (i: number) => intervalTreeRemove(mem, root, node(i)) };
}

interface Entry {
  readonly id: number;
  readonly start: number;
  readonly last: number;
}

/** The plain list that the tree is compared with: in order of start, equal starts in order of insertion. */
const listInsert = (list: Entry[], entry: Entry): void => {
  const index = list.findIndex((e) => e.start > entry.start);
  list.splice(index < 0 ? list.length : index, 0, entry);
};
const listQuery = (list: readonly Entry[], start: number, last: number): number[] =>
  list.filter((e) => e.start <= last && e.last >= start).map((e) => e.id);

describe('compared with a list', () => {
  const NODES = 40;
  type Step = { op: 'insert' | 'remove' | 'query'; a: number; b: number; pick: number };

  const replay = (steps: readonly Step[]): void => {
    const { mem, root, node, insert, query, remove } = makeTree(NODES);
    const list: Entry[] = [];
    const free = Array.from({ length: NODES }, (_, i) => i);
    for (const { op, a, b, pick } of steps) {
      const [start, last] = [Math.min(a, b), Math.max(a, b)];
      if (op === 'insert') {
        const id = free.splice(pick % Math.max(1, free.length), 1)[0];
        if (id === undefined) continue;
        insert(id, start, last);
        listInsert(list, { id, start, last });
        expect(intervalNodeInTree(mem, node(id))).toBe(true);
      } else if (op === 'remove') {
        const [entry] = list.splice(pick % Math.max(1, list.length), 1);
        if (entry === undefined) continue;
        remove(entry.id);
        free.push(entry.id);
        expect(intervalNodeInTree(mem, node(entry.id))).toBe(false);
      } else expect(query(start, last)).toEqual(listQuery(list, start, last));
      expect(intervalTreeCheck(mem, root)).toBeNull();
      expect(query(0, MAX)).toEqual(list.map((e) => e.id));
    }
    for (const e of list) {
      // Touching from outside, from inside, and the single points at both ends.
      for (const [start, last] of [
        [e.start, e.start],
        [e.last, e.last],
        [Math.max(0, e.start - 1), Math.max(0, e.start - 1)],
        [Math.min(MAX, e.last + 1), MAX],
        [0, e.start],
      ])
        expect(query(start, last)).toEqual(listQuery(list, start, last));
    }
    for (const e of list) {
      remove(e.id);
      expect(intervalTreeCheck(mem, root)).toBeNull();
    }
    expect(mem[root]).toBe(0);
  };

  const steps = (point: fc.Arbitrary<number>) =>
    fc.array(
      fc.record({
        op: fc.constantFrom<Step['op']>('insert', 'insert', 'insert', 'remove', 'remove', 'query', 'query'),
        a: point,
        b: point,
        pick: fc.nat(1000),
      }),
      { maxLength: 120, size: 'max' },
    );

  it('finds the same on a crowded range (property)', () => {
    fc.assert(fc.property(steps(fc.nat(30)), replay), { seed: 201, numRuns: 400 });
  });

  it('finds the same on the whole range (property)', () => {
    const point = fc.oneof(fc.nat(MAX), fc.constantFrom(0, 1, MAX - 1, MAX));
    fc.assert(fc.property(steps(point), replay), { seed: 202, numRuns: 300 });
  });

  it('removes in every order of small trees', () => {
    const orders = (ids: readonly number[]): number[][] =>
      ids.length === 0 ? [[]] : ids.flatMap((id) => orders(ids.filter((i) => i !== id)).map((rest) => [id, ...rest]));
    const all = orders([0, 1, 2, 3, 4, 5]);
    for (let n = 0; n < all.length; n++) {
      const { mem, root, insert, query, remove } = makeTree(6);
      // Each order of insertion meets a different order of removal.
      for (const id of all[n]) insert(id, id * 10, id * 10 + 25);
      let left = [0, 1, 2, 3, 4, 5];
      for (const id of all[(n * 7 + 13) % all.length]) {
        remove(id);
        left = left.filter((i) => i !== id);
        expect(intervalTreeCheck(mem, root)).toBeNull();
        expect(query(0, MAX)).toEqual(left);
      }
    }
  });
});

describe('overlap', () => {
  it('is inclusive at both ends', () => {
    const { insert, query } = makeTree(1);
    insert(0, 10, 20);
    expect(query(0, 9)).toEqual([]);
    expect(query(0, 10)).toEqual([0]);
    expect(query(20, 20)).toEqual([0]);
    expect(query(21, MAX)).toEqual([]);
    expect(query(12, 13)).toEqual([0]);
  });

  it('finds all of many equal intervals, in order of insertion', () => {
    const { mem, root, insert, query, remove } = makeTree(100);
    for (let i = 0; i < 100; i++) insert(99 - i, 5, 5);
    expect(query(5, 5)).toEqual(Array.from({ length: 100 }, (_, i) => 99 - i));
    for (let i = 0; i < 100; i += 2) remove(i);
    expect(query(0, MAX)).toEqual(Array.from({ length: 50 }, (_, i) => 99 - 2 * i));
    expect(intervalTreeCheck(mem, root)).toBeNull();
  });

  it('finds nothing in an empty tree', () => {
    expect(makeTree(1).query(0, MAX)).toEqual([]);
  });
});

describe('a node', () => {
  it('knows whether it is in a tree: never used, alone, removed, put back', () => {
    const { mem, root, node, insert, remove } = makeTree(1);
    expect(intervalNodeInTree(mem, node(0))).toBe(false);
    intervalNodeInit(mem, node(0));
    expect(intervalNodeInTree(mem, node(0))).toBe(false);
    insert(0, 1, 2);
    expect(intervalNodeInTree(mem, node(0))).toBe(true);
    remove(0);
    expect(intervalNodeInTree(mem, node(0))).toBe(false);
    expect(mem[root]).toBe(0);
    insert(0, 3, 4);
    expect(intervalNodeInTree(mem, node(0))).toBe(true);
  });

  it('leaves the words around it alone', () => {
    const { mem, node, insert, remove } = makeTree(20);
    const around = (i: number) => [node(i) - 2, node(i) - 1, node(i) + INTERVAL_NODE.$words];
    for (let i = 0; i < 20; i++) for (const word of around(i)) mem[word] = 4711;
    for (let i = 0; i < 20; i++) insert(i, (i * 7) % 20, 25);
    for (let i = 0; i < 20; i++) remove((i * 3) % 20);
    for (let i = 0; i < 20; i++) for (const word of around(i)) expect(mem[word]).toBe(4711);
  });
});

describe('intervalTreeCheck', () => {
  const { left, right, parent, start, last, subtreeLast } = INTERVAL_NODE;
  const cases: [string, (mem: Int32Array, top: number) => void, RegExp][] = [
    ['a red root', (mem, top) => (mem[top + parent] &= ~1), /is red/],
    ['a black height', (mem, top) => (mem[mem[top + left] + parent] ^= 1), /black heights/],
    ['a subtree value too small', (mem, top) => mem[top + subtreeLast]--, /subtree last/],
    ['a subtree value too large', (mem, top) => mem[mem[top + left] + subtreeLast]++, /subtree last/],
    ['starts out of order', (mem, top) => (mem[mem[top + left] + start] = mem[top + start] + 1), /outside|spans/],
    ['an interval that ends before it starts', (mem, top) => (mem[top + last] = mem[top + start] - 1), /spans/],
    ['a wrong parent', (mem, top) => (mem[mem[top + right] + parent] += 2), /names parent/],
    ['a loop', (mem, top) => (mem[mem[top + right] + right] = top), /names parent/],
    ['a link out of memory', (mem, top) => (mem[top + left] = mem.length), /no address/],
  ];
  it.each(cases)('finds %s', (_what, damage, message) => {
    const { mem, root, insert } = makeTree(7);
    for (let i = 0; i < 7; i++) insert(i, i * 10, i * 10 + 5);
    expect(intervalTreeCheck(mem, root)).toBeNull();
    damage(mem, mem[root]);
    expect(intervalTreeCheck(mem, root)).toMatch(message);
  });

  it('finds a red child of a red node', () => {
    const { mem, root, insert } = makeTree(4);
    for (let i = 0; i < 4; i++) insert(i, i * 10, i * 10 + 5);
    // 4 nodes: a black root with two black children, one of which has a red child. Paint both children red.
    for (const side of [left, right]) mem[mem[mem[root] + side] + parent] &= ~1;
    expect(intervalTreeCheck(mem, root)).toMatch(/red child/);
  });
});
