import type { Addr, Memory } from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as clockModule from './clock.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { defineStruct } = structModule;
const { storeTime } = clockModule;

/** One trace record. `time` is a double (milliseconds since the cell's start), so a record starts at an even address. */
export const RECORD = defineStruct('trace_record', { time: 2, point: 1, seq: 1, a: 1, b: 1, c: 1, op: 1 });
const RECORD_SHIFT = 3;

/**
 * What a thread writes about its own ring and its clock. `head` is the number of records ever written, modulo 2^31, in the first of its two
 * words; the others are doubles, milliseconds: the zero of the clock, the start of the operation that is timed, and the time read last.
 */
export const RING_HEAD = defineStruct('trace_ring', { head: { words: 2, line: true }, epoch: 2, begun: 2, read: 2 });

const EPOCH = RING_HEAD.epoch;

/** A record that was read back. */
export interface TraceRecord {
  readonly tid: number;
  readonly seq: number;
  /** Milliseconds since the cell's start. */
  readonly timeMs: number;
  readonly point: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Serial number of the operation of that thread to which the record belongs. */
  readonly op: number;
}

/**
 * Writes one record. Only the owning thread writes its ring, with plain stores; `head` is stored last. A reader on another
 * thread reads `head` before and after it copies and drops what may have been overwritten meanwhile, so it needs no lock.
 */
export function ringWrite(
  mem: Memory,
  f64: Float64Array,
  head: Addr,
  ring: Addr,
  mask: number,
  point: number,
  a: number,
  b: number,
  c: number,
  op: number,
): void {
  const seq = mem[head];
  const r = ring + ((seq & mask) << RECORD_SHIFT);
  storeTime(f64, r >>> 1, (head + EPOCH) >>> 1);
  mem[r + RECORD.point] = point;
  mem[r + RECORD.seq] = seq;
  mem[r + RECORD.a] = a;
  mem[r + RECORD.b] = b;
  mem[r + RECORD.c] = c;
  mem[r + RECORD.op] = op;
  mem[head] = (seq + 1) & 0x7fffffff;
}

/** Index of the double with the time of the record that the thread wrote last. */
export const lastRecordTime = (mem: Memory, head: Addr, ring: Addr, mask: number): number =>
  (ring + (((mem[head] - 1) & mask) << RECORD_SHIFT)) >>> 1;

/**
 * Copies the last `max` records of a ring, raw, to `to`, oldest first; returns how many. Safe while the owner goes on writing:
 * a record whose `seq` word does not fit its place was overwritten during the copy and ends up dropped by the reader.
 */
export function ringCopy(mem: Memory, head: Addr, ring: Addr, mask: number, to: Addr, max: number): number {
  const end = mem[head];
  const n = Math.min(max, end, mask + 1);
  let kept = 0;
  for (let i = 0; i < n; i++) {
    const seq = end - n + i;
    const from = ring + ((seq & mask) << RECORD_SHIFT);
    const at = to + kept * RECORD.$words;
    for (let w = 0; w < RECORD.$words; w++) mem[at + w] = mem[from + w];
    // Overwritten while it was copied: the owner has come round the ring.
    if (mem[at + RECORD.seq] === seq && ((mem[head] - seq) & 0x7fffffff) <= mask) kept++;
  }
  return kept;
}

/** Reads one copied record. */
export function readRecord(mem: Memory, f64: Float64Array, at: Addr, tid: number): TraceRecord {
  return {
    tid,
    seq: mem[at + RECORD.seq],
    timeMs: f64[at >>> 1],
    point: mem[at + RECORD.point],
    a: mem[at + RECORD.a],
    b: mem[at + RECORD.b],
    c: mem[at + RECORD.c],
    op: mem[at + RECORD.op],
  };
}
