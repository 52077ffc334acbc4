import { describe, expect, it } from 'vitest';
import { type Addr, at, type Memory } from '../../src/memory/address.ts';
import { createArena, layoutArena } from '../../src/memory/arena.ts';
import { lastRecordTime, RECORD, RING_HEAD, readRecord, ringCopy, ringWrite } from '../../src/trace/ring.ts';

const LENGTH = 8;
const LAYOUT = layoutArena([
  { name: 'head', words: RING_HEAD.$words, count: 1, line: true },
  { name: 'ring', words: RECORD.$words * LENGTH, count: 1, line: true },
  { name: 'copy', words: RECORD.$words * LENGTH, count: 1, line: true },
]);
const HEAD = LAYOUT.regions.head.base;
const RING = LAYOUT.regions.ring.base;
const COPY = LAYOUT.regions.copy.base;

interface Ring {
  readonly mem: Memory;
  readonly f64: Float64Array;
  write(n: number): void;
  copy(max: number, into?: Memory): number[];
}

function createRing(): Ring {
  const mem = createArena(LAYOUT);
  const f64 = new Float64Array(mem.buffer);
  let next = 0;
  return {
    mem,
    f64,
    write(n) {
      for (let i = 0; i < n; i++, next++) {
        ringWrite(mem, f64, HEAD, RING, LENGTH - 1, 1, next, next * 2, -next, next >> 1);
        f64[lastRecordTime(mem, HEAD, RING, LENGTH - 1)] = next + 0.25;
      }
    },
    /** The first argument of each record that was copied. */
    copy(max, from = mem) {
      const kept = ringCopy(from, HEAD, RING, LENGTH - 1, COPY, max);
      return Array.from({ length: kept }, (_, i) => mem[at(COPY, i * RECORD.$words) + RECORD.a]!);
    },
  };
}

/** A view of the ring's memory in which `happens` runs when word `index` is read for the `nth` time. */
function interrupted(mem: Memory, index: number, nth: number, happens: () => void): Memory {
  let reads = 0;
  return new Proxy(mem, {
    get(target, property) {
      if (property === String(index) && ++reads === nth) happens();
      return Reflect.get(target, property, target);
    },
    set: (target, property, value) => Reflect.set(target, property, value, target),
  });
}

describe('a ring', () => {
  it('gives back the last records, oldest first', () => {
    const ring = createRing();
    expect(ring.copy(4)).toEqual([]);
    ring.write(3);
    expect(ring.copy(10)).toEqual([0, 1, 2]);
    expect(ring.copy(2)).toEqual([1, 2]);
    ring.write(20);
    expect(ring.copy(4)).toEqual([19, 20, 21, 22]);
  });

  it('does not give out the record that the owner may be writing over', () => {
    const ring = createRing();
    ring.write(LENGTH + 3);
    // Of a full ring the oldest stands where the next goes.
    expect(ring.copy(LENGTH)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  });

  it('gives back what was written, times and all', () => {
    const ring = createRing();
    ring.write(11);
    ring.copy(3);
    expect(readRecord(ring.mem, ring.f64, at(COPY, RECORD.$words), 5)).toEqual({
      tid: 5,
      seq: 9,
      timeMs: 9.25,
      point: 1,
      a: 9,
      b: 18,
      c: -9,
      op: 4,
    });
  });

  it('drops records that are overwritten while they are copied', () => {
    for (const late of [1, 2, 5, 8, 20]) {
      const ring = createRing();
      ring.write(12);
      // The head is read at the beginning, and after each record.
      const mem = interrupted(ring.mem, HEAD, 2, () => ring.write(late));
      const kept = ring.copy(4, mem);
      const oldest = 12 + late - LENGTH;
      // All of what is left is in order and was there during the copy.
      for (const n of kept) expect(n, `${late} more`).toBeGreaterThan(oldest);
      expect(kept).toEqual([8, 9, 10, 11].filter((n) => n > oldest));
    }
  });

  it('drops a record that was half copied when it was overwritten', () => {
    const ring = createRing();
    ring.write(12);
    // The record's argument b is read when a is in the copy already.
    const word = RING + (8 & (LENGTH - 1)) * RECORD.$words + RECORD.b;
    const mem = interrupted(ring.mem, word, 1, () => ring.write(LENGTH));
    const kept = ring.copy(4, mem);
    expect(kept).toEqual([]);
  });

  it('never mixes two records, wherever in the copy the owner comes along', () => {
    for (let index = RING; index < RING + LENGTH * RECORD.$words; index++)
      for (const late of [1, 3, LENGTH, LENGTH + 5]) {
        const ring = createRing();
        ring.write(13);
        const kept = ring.copy(
          6,
          interrupted(ring.mem, index, 1, () => ring.write(late)),
        );
        kept.forEach((a, i) => {
          const record = readRecord(ring.mem, ring.f64, at(COPY as Addr, i * RECORD.$words), 0);
          expect(record, `word ${index - RING}, ${late} more`).toMatchObject({
            seq: a,
            timeMs: a + 0.25,
            b: 2 * a,
            c: -a,
            op: a >> 1,
          });
        });
      }
  });
});
