import { expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import { createArena, layoutArena } from '../../src/memory/arena.ts';
import {
  INTERVAL_NODE,
  intervalNodeInTree,
  intervalTreeCheck,
  intervalTreeInit,
  intervalTreeInsert,
  intervalTreeIterFirst,
  intervalTreeIterNext,
  intervalTreeRemove,
} from '../../src/odp/interval-tree.ts';

const COUNT = 1_000_000;
const GRID = 16;
const { start, last, $words } = INTERVAL_NODE;

it('holds a million intervals and is right when half of them are gone', () => {
  const { regions, ...rest } = layoutArena([
    { name: 'root', words: 1, count: 1 },
    { name: 'nodes', words: $words, count: COUNT },
  ]);
  const mem = createArena({ regions, ...rest });
  const root = regions.root.base;
  const nodeOf = (i: number): Addr => (regions.nodes.base + i * $words) as Addr;
  intervalTreeInit(mem, root);

  // Interval i is [16 i, 16 i + 23]: it overlaps half of the next one, so what a query must find can be computed. 7919
  // is prime to the count: all numbers in a scattered order.
  const nth = (n: number): number => (n * 7919) % COUNT;
  for (let n = 0; n < COUNT; n++) {
    const i = nth(n);
    mem[nodeOf(i) + start] = GRID * i;
    mem[nodeOf(i) + last] = GRID * i + 23;
    intervalTreeInsert(mem, root, nodeOf(i));
  }
  expect(intervalTreeCheck(mem, root)).toBeNull();

  const query = (from: number, to: number): number[] => {
    const found: number[] = [];
    for (let n = intervalTreeIterFirst(mem, root, from, to); n !== 0; n = intervalTreeIterNext(mem, n, from, to))
      found.push((n - regions.nodes.base) / $words);
    return found;
  };
  const expected = (from: number, to: number, there: (i: number) => boolean): number[] => {
    const found: number[] = [];
    for (let i = Math.max(0, Math.ceil((from - 23) / GRID)); i < COUNT && GRID * i <= to; i++)
      if (there(i)) found.push(i);
    return found;
  };
  const compare = (there: (i: number) => boolean): void => {
    for (let n = 0; n < 20_000; n++) {
      const from = (n * 104_729 * 7) % (COUNT * GRID);
      const to = from + (n % 100);
      expect(query(from, to), `query ${from} to ${to}`).toEqual(expected(from, to, there));
    }
  };
  compare(() => true);

  for (let n = 0; n < COUNT; n++) if (nth(n) % 2 === 1) intervalTreeRemove(mem, root, nodeOf(nth(n)));
  expect(intervalTreeCheck(mem, root)).toBeNull();
  compare((i) => i % 2 === 0);
  expect(intervalNodeInTree(mem, nodeOf(7))).toBe(false);
  expect(intervalNodeInTree(mem, nodeOf(8))).toBe(true);

  let count = 0;
  let previous = -1;
  let ordered = true;
  for (let n = intervalTreeIterFirst(mem, root, 0, 0x7fff_ffff); n !== 0; count++) {
    ordered &&= mem[n + start] > previous;
    previous = mem[n + start];
    n = intervalTreeIterNext(mem, n, 0, 0x7fff_ffff);
  }
  expect(count).toBe(COUNT / 2);
  expect(ordered).toBe(true);
});
