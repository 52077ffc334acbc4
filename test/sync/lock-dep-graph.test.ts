import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArena, layoutArena } from '../../src/sync/index.ts';
import {
  addEdge,
  closingPath,
  createSearch,
  DEP,
  edgeAddr,
  LOCK_DEP,
  nodeFor,
  SUBCLASSES,
} from '../../src/sync/lock-dep-graph.ts';

const LAYOUT = layoutArena([{ name: 'graph', words: LOCK_DEP.$words, count: 1, line: true }]);
const GRAPH = LAYOUT.regions.graph.base;

/** An edge with one kind; the kinds' letters by bit: E E S S for the first lock, N R N R for the second. */
type Edge = readonly [from: number, to: number, kind: number];
const isShared = (kind: number): boolean => kind === DEP.SN || kind === DEP.SR;
const neverWaits = (kind: number): boolean => kind === DEP.ER || kind === DEP.SR;
/** A thread that waits at the end of `x` for one that holds as at the beginning of `y`. */
const waits = (x: Edge, y: Edge): boolean => x[1] === y[0] && !(neverWaits(x[2]) && isShared(y[2]));

/** Whether `edge` closes a cycle over `edges`, by all pairs (Floyd and Warshall), edges as the vertices. */
function closes(edges: readonly Edge[], edge: Edge): boolean {
  const n = edges.length;
  const reach = edges.map((x) => edges.map((y) => waits(x, y)));
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++) if (reach[i]![k]) for (let j = 0; j < n; j++) if (reach[k]![j]) reach[i]![j] = true;
  return edges.some((x, i) => waits(edge, x) && edges.some((y, j) => (i === j || reach[i]![j]!) && waits(y, edge)));
}

const NODES = 6;
const edgeOf = fc.tuple(
  fc.integer({ min: 1, max: NODES }),
  fc.integer({ min: 1, max: NODES }),
  fc.constantFrom(...Object.values(DEP)),
);

describe('the graph of lock orders', () => {
  it('closes the cycles that all pairs of edges say it does', () => {
    fc.assert(
      fc.property(fc.array(edgeOf, { maxLength: 40 }), (asked) => {
        const mem = createArena(LAYOUT);
        for (let cls = 1; cls <= NODES; cls++) nodeFor(mem, GRAPH, cls, 0);
        const search = createSearch();
        const kept: Edge[] = [];
        for (const edge of asked) {
          const [from, to, kind] = edge;
          const word = edgeAddr(GRAPH, from, to);
          if (from === to || (mem[word]! & kind) !== 0) continue;
          const n = closingPath(mem, GRAPH, from, to, kind, search);
          expect(n > 0, `${edge} after ${kept.join(' ')}`).toBe(closes(kept, edge));
          if (n > 0) {
            const path = [...search.path.subarray(0, n)];
            expect([path[0], path[n - 1]]).toEqual([to, from]);
            // A way around over the edges of the path alone.
            const used = kept.filter(([x, y]) => path.some((node, i) => node === x && path[i + 1] === y));
            expect(closes(used, edge), `path ${path}`).toBe(true);
          } else kept.push(edge);
          addEdge(mem, word, kind, n > 0, 0, -1);
        }
      }),
      { seed: 20261123, numRuns: 600 },
    );
  });

  it('tells subclasses apart, and says so when it is full', () => {
    const mem = createArena(LAYOUT);
    const nodes = new Set<number>();
    for (let cls = 1; cls <= 10; cls++)
      for (let sub = 0; sub < SUBCLASSES; sub++) nodes.add(nodeFor(mem, GRAPH, cls, sub));
    // 0 is for those that found no room.
    expect(nodes.size).toBe(64);
    expect(mem[GRAPH + LOCK_DEP.full]).toBe(80 - 63);
    expect(nodeFor(mem, GRAPH, 0, 0)).toBe(0);
    expect(nodeFor(mem, GRAPH, 64, 0)).toBe(0);
  });
});
