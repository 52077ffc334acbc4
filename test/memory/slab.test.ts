import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArena, layoutArena } from '../../src/memory/arena.ts';
import {
  slabAlloc,
  slabAllocated,
  slabCheck,
  slabDropped,
  slabFlush,
  slabFree,
  slabInit,
  slabInUse,
  slabRegions,
  slabSizeFor,
  slabView,
} from '../../src/memory/slab.ts';
import { testLock } from './depot-lock.ts';

function makeSlab(count: number, threads: number, magazine: number) {
  const guard = { words: 1, count: 16 } as const;
  const layout = layoutArena([...slabRegions('obj', count, threads, magazine), { name: 'guard', ...guard }]);
  const mem = createArena(layout);
  const slab = slabView(layout.regions, 'obj', count, threads, magazine);
  slabInit(mem, slab);
  return { mem, slab, guard: layout.regions.guard };
}

describe('one thread', () => {
  it('gets every object once, low indices first, then 0', () => {
    const { mem, slab } = makeSlab(50, 1, 8);
    const got = Array.from({ length: 50 }, () => slabAlloc(mem, slab, 0, testLock));
    expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(Math.max(...got.slice(0, 4))).toBe(4);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(0);
    expect(slabInUse(mem, slab)).toBe(50);
    expect(slabFree(mem, slab, 0, 17, testLock)).toBe(true);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(17);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(0);
  });

  it('reuses what it freed last', () => {
    const { mem, slab } = makeSlab(20, 2, 4);
    const a = slabAlloc(mem, slab, 0, testLock);
    const b = slabAlloc(mem, slab, 0, testLock);
    slabFree(mem, slab, 0, a, testLock);
    slabFree(mem, slab, 0, b, testLock);
    expect([slabAlloc(mem, slab, 0, testLock), slabAlloc(mem, slab, 0, testLock)]).toEqual([b, a]);
  });

  it('takes the lock once in half a magazine of operations', () => {
    const { mem, slab } = makeSlab(64, 1, 16);
    let locks = 0;
    const counting = { lock: () => void locks++, unlock: () => {} };
    const got = Array.from({ length: 64 }, () => slabAlloc(mem, slab, 0, counting));
    expect(locks).toBe(8);
    for (const index of got) slabFree(mem, slab, 0, index, counting);
    // 64 frees: the first 16 fill the magazine, each flush makes room for 8.
    expect(locks).toBe(8 + 6);
  });

  it('works with magazines of one object', () => {
    const { mem, slab } = makeSlab(3, 2, 1);
    const got = [0, 1, 0, 1].map((tid) => slabAlloc(mem, slab, tid, testLock));
    expect(got).toEqual([1, 2, 3, 0]);
    for (const index of [1, 2, 3]) expect(slabFree(mem, slab, 1, index, testLock)).toBe(true);
    expect(slabCheck(mem, slab)).toBeNull();
    expect(slabInUse(mem, slab)).toBe(0);
  });

  it('starts afresh after slabInit', () => {
    const { mem, slab } = makeSlab(10, 2, 4);
    for (let i = 0; i < 7; i++) slabAlloc(mem, slab, i & 1, testLock);
    slabInit(mem, slab);
    expect(slabInUse(mem, slab)).toBe(0);
    expect(slabCheck(mem, slab)).toBeNull();
    expect(slabAlloc(mem, slab, 1, testLock)).toBe(1);
  });
});

describe('several threads (by tid)', () => {
  it('behaves as a set does (property)', () => {
    const THREADS = 3;
    const step = fc.record({
      op: fc.constantFrom('alloc', 'alloc', 'alloc', 'free', 'free', 'again', 'wild', 'flush'),
      tid: fc.nat(THREADS - 1),
      pick: fc.nat(1000),
    });
    const sizes = fc.record({ count: fc.integer({ min: 1, max: 24 }), magazine: fc.integer({ min: 1, max: 7 }) });
    fc.assert(
      fc.property(sizes, fc.array(step, { maxLength: 150 }), ({ count, magazine }, steps) => {
        const { mem, slab } = makeSlab(count, THREADS, magazine);
        const taken = new Set<number>();
        for (const { op, tid, pick } of steps) {
          const chosen = [...taken][pick % Math.max(1, taken.size)] ?? 0;
          const free = 1 + (pick % count);
          if (op === 'alloc') {
            const index = slabAlloc(mem, slab, tid, testLock);
            if (index === 0) expect(taken.size).toBeGreaterThanOrEqual(count - (THREADS - 1) * magazine);
            else {
              expect(taken.has(index)).toBe(false);
              expect(index >= 1 && index <= count).toBe(true);
              taken.add(index);
            }
          } else if (op === 'free') {
            expect(slabFree(mem, slab, tid, chosen, testLock)).toBe(taken.delete(chosen));
          } else if (op === 'again') {
            if (!taken.has(free)) {
              const before = mem.slice();
              expect(slabFree(mem, slab, tid, free, testLock)).toBe(false);
              expect(mem).toEqual(before);
            }
          } else if (op === 'wild') {
            for (const index of [0, -1, count + 1, count + pick + 1, -pick])
              expect(slabFree(mem, slab, tid, index, testLock)).toBe(false);
          } else slabFlush(mem, slab, tid, testLock);
          expect(slabInUse(mem, slab)).toBe(taken.size);
          expect(slabCheck(mem, slab)).toBeNull();
        }
        for (let i = 1; i <= count; i++) expect(slabAllocated(mem, slab, i)).toBe(taken.has(i));
        // With the other magazines flushed nothing is out of reach.
        for (let tid = 1; tid < THREADS; tid++) slabFlush(mem, slab, tid, testLock);
        while (taken.size < count) taken.add(slabAlloc(mem, slab, 0, testLock));
        expect(taken.has(0)).toBe(false);
        expect(slabAlloc(mem, slab, 0, testLock)).toBe(0);
      }),
      { seed: 103, numRuns: 300 },
    );
  });

  it('lets one thread have slabSizeFor objects when the others hold back all they can, and not one more', () => {
    const count = slabSizeFor(100, 4, 8);
    expect(count).toBe(124);
    const { mem, slab } = makeSlab(count, 4, 8);
    const all = Array.from({ length: count }, () => slabAlloc(mem, slab, 0, testLock));
    for (let tid = 1; tid < 4; tid++)
      for (let i = 0; i < 8; i++) slabFree(mem, slab, tid, all[(tid - 1) * 8 + i], testLock);
    for (let i = 24; i < count; i++) slabFree(mem, slab, 0, all[i], testLock);
    for (let i = 0; i < 100; i++) expect(slabAlloc(mem, slab, 0, testLock)).not.toBe(0);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(0);
    expect(slabInUse(mem, slab)).toBe(100);
    slabFlush(mem, slab, 2, testLock);
    expect(slabAlloc(mem, slab, 0, testLock)).not.toBe(0);
  });
});

describe('a racing double free', () => {
  /** What the race leaves: both calls saw the object allocated, so both freed it. */
  function freeTwice(mem: Int32Array, states: number, index: number, free: (tid: number) => boolean) {
    expect(free(0)).toBe(true);
    mem[states + index] = 1;
    expect(free(1)).toBe(true);
  }

  it('does not hand the object out twice: the copy is dropped and counted', () => {
    const { mem, slab } = makeSlab(10, 2, 4);
    const index = slabAlloc(mem, slab, 0, testLock);
    freeTwice(mem, slab.states, index, (tid) => slabFree(mem, slab, tid, index, testLock));
    expect(slabCheck(mem, slab)).toMatch(/free twice/);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(index);
    expect(slabDropped(mem, slab)).toBe(0);
    expect(slabAlloc(mem, slab, 1, testLock)).not.toBe(index);
    expect(slabDropped(mem, slab)).toBe(1);
    expect(slabInUse(mem, slab)).toBe(2);
    expect(slabCheck(mem, slab)).toBeNull();
  });

  it('can not make the depot write past its end', () => {
    const { mem, slab, guard } = makeSlab(4, 2, 4);
    mem.fill(77, guard.base, guard.base + guard.count);
    const indices = Array.from({ length: 4 }, () => slabAlloc(mem, slab, 0, testLock));
    for (const index of indices) freeTwice(mem, slab.states, index, (tid) => slabFree(mem, slab, tid, index, testLock));
    slabFlush(mem, slab, 0, testLock);
    slabFlush(mem, slab, 1, testLock);
    expect(slabDropped(mem, slab)).toBe(4);
    expect([...mem.subarray(guard.base, guard.base + guard.count)]).toEqual(Array(16).fill(77));
    expect(slabCheck(mem, slab)).toBeNull();
  });
});

describe('slabCheck', () => {
  it.each([
    ['an allocated object on a stack', 3, 1, /allocated and in the depot/],
    ['a lost object', 1, 0, /free but on no stack/],
  ])('finds %s', (_what, index, state, message) => {
    const { mem, slab } = makeSlab(10, 1, 2);
    expect(slabAlloc(mem, slab, 0, testLock)).toBe(1);
    expect(slabCheck(mem, slab)).toBeNull();
    mem[slab.states + index] = state;
    expect(slabCheck(mem, slab)).toMatch(message);
  });
});

describe('wrong sizes', () => {
  it.each([
    [0, 1, 1],
    [1, 0, 1],
    [1, 1, 0],
    [1.5, 1, 1],
  ])('are refused: %s objects, %s threads, magazines of %s', (count, threads, magazine) => {
    expect(() => slabRegions('bad', count, threads, magazine)).toThrow(RangeError);
  });

  it('are refused when the view is not that of the layout', () => {
    const { regions } = layoutArena(slabRegions('obj', 10, 2, 4));
    expect(() => slabView(regions, 'other', 10, 2, 4)).toThrow(/no region 'other.state'/);
    expect(() => slabView(regions, 'obj', 11, 2, 4)).toThrow(/other sizes/);
    expect(() => slabView(regions, 'obj', 10, 3, 4)).toThrow(/other sizes/);
    expect(() => slabView(regions, 'obj', 10, 2, 40)).toThrow(/other sizes/);
  });
});
