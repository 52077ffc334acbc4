import { type Addr, at, type Memory, NULL_ADDR } from '../memory/address.ts';
import { rawAdd, rawCompareExchange, rawLoad, rawNotify, rawStore } from '../sync/atomics.ts';
import { type Actor, count, now } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { lastPoint } from '../trace/lock-stat-places.ts';
import { POINT_COUNT } from '../trace/points.ts';
import { RECORD, readRecord, ringCopy, type TraceRecord } from '../trace/ring.ts';
import { ORACLE_NAMES } from './names.ts';
import { type OracleView, SIGNATURE_ROLES, VIOLATION, VIOLATION_STATE, windowAddr } from './view.ts';

/**
 * Counts a violation and, for the first few of its signature, opens a record with the window of every thread. Returns the slot for the
 * caller to fill in, to be handed over with `submit`; 0 when this one is only counted. The count is exact whatever happens to the record.
 */
export function violate(actor: Actor, view: OracleView, oracle: number): Addr {
  const { mem, f64 } = view;
  const base = (view.counts + actor.tid * view.countStride) >>> 1;
  const time = now(actor);
  if (f64[base + oracle] === 0) f64[base + ORACLE_NAMES.length + oracle] = time;
  f64[base + oracle] += 1;
  const point = Math.max(0, lastPoint(mem, actor.ringHead, actor.ring, actor.ringMask));
  f64[((view.pointCounts + actor.tid * view.pointCountStride) >>> 1) + oracle * POINT_COUNT + point] += 1;
  const role = view.roles[actor.tid] ?? 0;
  const word = at(view.nth, oracle * SIGNATURE_ROLES + role);
  // Look before counting: after the first few, the word is only read, and does not bounce between the threads or come round.
  if (rawLoad(mem, word) >= view.keep) return NULL_ADDR;
  const nth = rawAdd(mem, word, 1) + 1;
  if (nth > view.keep) return NULL_ADDR;
  const slot = takeSlot(mem, view);
  if (slot === NULL_ADDR) {
    count(actor, COUNTER['record.dropped']);
    return NULL_ADDR;
  }
  count(actor, COUNTER['record.kept']);
  mem.fill(-1, slot + 1, slot + VIOLATION.$words);
  mem[slot + VIOLATION.oracle] = oracle;
  mem[slot + VIOLATION.nth] = nth;
  mem[slot + VIOLATION.tid] = actor.tid;
  mem[slot + VIOLATION.point] = point;
  mem[slot + VIOLATION.chainLength] = 0;
  mem[slot + VIOLATION.heldLength] = 0;
  f64[(slot + VIOLATION.time) >>> 1] = time;
  // The windows at once: the other threads go on, and their rings come round.
  for (let tid = 0; tid < view.threads; tid++) {
    const window = windowAddr(slot, tid, view.window);
    const head = at(view.ringHeads, tid * view.ringHeadStride);
    const ring = at(view.rings, tid * view.ringStride);
    mem[window] = ringCopy(mem, head, ring, view.ringMask, at(window, 2), view.window);
  }
  return slot;
}

function takeSlot(mem: Memory, view: OracleView): Addr {
  for (let i = 0; i < view.slotCount; i++) {
    const slot = at(view.slots, i * view.slotStride);
    if (rawCompareExchange(mem, at(slot, VIOLATION.state), VIOLATION_STATE.free, VIOLATION_STATE.writing) === 0)
      return slot;
  }
  return NULL_ADDR;
}

/**
 * Hands a filled slot to the main thread, and wakes it: the state is stored last, and atomically, after all the rest. Whoever reads the
 * new count of records then finds this one ready.
 */
export function submit({ mem, submitted }: OracleView, slot: Addr): void {
  rawStore(mem, at(slot, VIOLATION.state), VIOLATION_STATE.ready);
  rawAdd(mem, submitted, 1);
  rawNotify(mem, submitted, 1);
}

/** A violation as the main thread reads it. */
export interface RawViolation {
  readonly fields: Readonly<Record<keyof Omit<typeof VIOLATION, `$${string}`>, number>>;
  readonly timeMs: number;
  readonly chain: readonly { readonly tid: number; readonly kind: number; readonly addr: Addr; readonly on: number }[];
  /** Lock order: holds of the thread, the oldest first. Deadlock: holders of slots. See VIOLATION.held. */
  readonly held: readonly { readonly word: number; readonly key: number }[];
  readonly window: readonly TraceRecord[];
}

/** Main thread: takes every violation that is ready, oldest first, and frees its slot. */
export function drainViolations(view: OracleView): RawViolation[] {
  const { mem, f64 } = view;
  const out: RawViolation[] = [];
  for (let i = 0; i < view.slotCount; i++) {
    const slot = at(view.slots, i * view.slotStride);
    if (rawLoad(mem, at(slot, VIOLATION.state)) !== VIOLATION_STATE.ready) continue;
    out.push(readViolation(mem, f64, view, slot));
    rawStore(mem, at(slot, VIOLATION.state), VIOLATION_STATE.free);
  }
  return out.sort((a, b) => a.timeMs - b.timeMs);
}

function readViolation(mem: Memory, f64: Float64Array, view: OracleView, slot: Addr): RawViolation {
  const fields: Record<string, number> = {};
  for (const [name, offset] of Object.entries(VIOLATION))
    if (typeof offset === 'number') fields[name] = mem[slot + offset];
  const chain = [];
  for (let i = 0; i < mem[slot + VIOLATION.chainLength]; i++) {
    const c = slot + VIOLATION.chain + i * 4;
    chain.push({ tid: mem[c], kind: mem[c + 1], addr: mem[c + 2] as Addr, on: mem[c + 3] });
  }
  const held = [];
  for (let i = 0; i < mem[slot + VIOLATION.heldLength]; i++) {
    const h = slot + VIOLATION.held + i * 2;
    held.push({ word: mem[h], key: mem[h + 1] });
  }
  const window: TraceRecord[] = [];
  for (let tid = 0; tid < view.threads; tid++) {
    const w = windowAddr(slot, tid, view.window);
    for (let i = 0; i < mem[w]; i++) window.push(readRecord(mem, f64, at(w, 2 + i * RECORD.$words), tid));
  }
  window.sort((a, b) => a.timeMs - b.timeMs || a.tid - b.tid || a.seq - b.seq);
  return {
    fields: fields as RawViolation['fields'],
    timeMs: f64[(slot + VIOLATION.time) >>> 1],
    chain,
    held,
    window,
  };
}

/** One thread's violations of an oracle, by the last point that it had passed. */
export interface PointCount {
  readonly tid: number;
  readonly oracle: number;
  readonly point: number;
  readonly count: number;
}

/** Every violation, by thread, oracle and point; exact, and by oracle the same sums as `countOf`. */
export function pointCounts(view: OracleView): PointCount[] {
  const out: PointCount[] = [];
  for (let tid = 0; tid < view.threads; tid++) {
    const base = (view.pointCounts + tid * view.pointCountStride) >>> 1;
    for (let i = 0; i < ORACLE_NAMES.length * POINT_COUNT; i++) {
      const count = view.f64[base + i]!;
      if (count > 0) out.push({ tid, oracle: Math.floor(i / POINT_COUNT), point: i % POINT_COUNT, count });
    }
  }
  return out;
}

/** Sum over all threads of one oracle's count, and the time of its first, milliseconds. */
export function countOf(view: OracleView, oracle: number): { count: number; firstAtMs: number } {
  let total = 0;
  let first = Number.POSITIVE_INFINITY;
  for (let tid = 0; tid < view.threads; tid++) {
    const base = (view.counts + tid * view.countStride) >>> 1;
    const n = view.f64[base + oracle];
    if (n === 0) continue;
    total += n;
    first = Math.min(first, view.f64[base + ORACLE_NAMES.length + oracle]);
  }
  return { count: total, firstAtMs: total === 0 ? 0 : first };
}
