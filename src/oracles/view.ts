import type { Hca } from '../hca/device.ts';
import { type Addr, at, type Memory } from '../memory/address.ts';
import type { ArenaLayout, RegionRequest } from '../memory/arena.ts';
import { defineStruct } from '../memory/struct.ts';
import type { MmWorld } from '../mm/mm.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import { POINT_COUNT } from '../trace/points.ts';
import { RECORD } from '../trace/ring.ts';
import { ORACLE_NAMES } from './names.ts';

/** Longest wait-for chain that a record keeps. */
export const CHAIN_MAX = 16;
/** Holds of a thread that a record keeps. */
export const HELD_KEPT = 16;

/**
 * One violation on its way to the main thread: what it is about, then the last trace records of every thread. `state` moves free ->
 * writing -> ready, and back to free when the main thread has read it. -1 means "does not apply" in every other word.
 */
export const VIOLATION = defineStruct('violation', {
  state: { words: 1, line: true },
  oracle: 1,
  nth: 1,
  tid: 1,
  time: 2,
  umem: 1,
  key: 1,
  mm: 1,
  start: 1,
  last: 1,
  page: 1,
  frame: 1,
  entryGeneration: 1,
  frameGeneration: 1,
  expectedIdentity: 1,
  foundIdentity: 1,
  value: 1,
  expectedValue: 1,
  seq: 1,
  /** Which of several reasons: see detail() of each oracle. */
  reason: 1,
  chainLength: 1,
  /**
   * Deadlock: for each thread of the cycle its tid, what it waits for, the address, and the tid that it waits for. Lock order: for each
   * edge who recorded it, its kinds and that thread's point, and the two locks by class and subclass: see `OrderFound`.
   */
  chain: CHAIN_MAX * 4,
  heldLength: 1,
  /**
   * Lock order: what the thread holds, each hold's word and its class and subclass. Deadlock: who holds the slots of the pools in it, for
   * each slot a tid and the pool.
   */
  held: HELD_KEPT * 2,
  /** The last step of the protocol that the thread had passed. */
  point: 1,
});
export const VIOLATION_STATE = { free: 0, writing: 1, ready: 2 } as const;

export interface OracleBounds {
  readonly starvationAttempts: number;
  readonly starvationOpportunities: number;
  readonly starvationTicks: number;
}

/** What the oracles see: all of the model, and words of their own. */
export interface OracleView {
  readonly mem: Memory;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly mm: MmWorld;
  readonly hca: Hca;
  readonly contexts: readonly Ucontext[];
  readonly threads: number;
  /** By tid: number of the thread's role, for signatures. */
  readonly roles: readonly number[];
  readonly tasks: Addr;
  readonly taskStride: number;
  readonly ringHeads: Addr;
  readonly ringHeadStride: number;
  readonly rings: Addr;
  readonly ringStride: number;
  readonly ringMask: number;
  readonly parkWords: readonly Addr[];
  readonly control: Addr;
  readonly gate: Addr;
  readonly bounds: OracleBounds;
  /** Each thread's own doubles: count of each oracle, then the time of its first. */
  readonly counts: Addr;
  readonly countStride: number;
  /** Each thread's own doubles: the same counts by oracle and the last point that the thread had passed. */
  readonly pointCounts: Addr;
  readonly pointCountStride: number;
  /** By signature (oracle and role): how many so far, to keep the first few in full. */
  readonly nth: Addr;
  readonly keep: number;
  /** Rises with each record that is handed over: what the main thread sleeps on. */
  readonly submitted: Addr;
  readonly slots: Addr;
  readonly slotStride: number;
  readonly slotCount: number;
  readonly window: number;
  /** By device entry: the last entry that stale-mapping has reported, so that one lasting entry is one violation. */
  readonly reported: Addr;
  /** The same for hw-sw-disagree: the last key. */
  readonly disagreed: Addr;
}

/** Roles that a signature can tell apart. */
export const SIGNATURE_ROLES = 32;

export interface OracleOptions {
  readonly threads: number;
  readonly slots: number;
  readonly window: number;
  readonly entries: number;
}

/** A window is a count and the records, for each thread; a record holds a double, so it starts at an even word. */
const windowWords = (o: OracleOptions): number => 2 + o.window * RECORD.$words;
export const slotWords = (o: OracleOptions): number => VIOLATION.$words + o.threads * windowWords(o);
export const windowAddr = (slot: Addr, tid: number, window: number): Addr =>
  at(slot, VIOLATION.$words + tid * (2 + window * RECORD.$words));

export const oracleRegions = (o: OracleOptions): RegionRequest[] => [
  { name: 'oracle.counts', words: ORACLE_NAMES.length * 4, count: o.threads, line: true },
  { name: 'oracle.nth', words: 1, count: ORACLE_NAMES.length * SIGNATURE_ROLES },
  { name: 'oracle.slots', words: slotWords(o), count: o.slots, line: true },
  { name: 'oracle.reported', words: 1, count: o.entries },
  { name: 'oracle.disagreed', words: 1, count: o.entries },
  { name: 'oracle.points', words: ORACLE_NAMES.length * POINT_COUNT * 2, count: o.threads, line: true },
  { name: 'oracle.submitted', words: 1, count: 1 },
];

/** The part of the view that lies in the oracles' own regions. */
export function oracleWords(layout: ArenaLayout, o: OracleOptions) {
  const { regions } = layout;
  return {
    counts: regions['oracle.counts']!.base,
    countStride: regions['oracle.counts']!.stride,
    nth: regions['oracle.nth']!.base,
    submitted: regions['oracle.submitted']!.base,
    slots: regions['oracle.slots']!.base,
    slotStride: regions['oracle.slots']!.stride,
    slotCount: o.slots,
    window: o.window,
    reported: regions['oracle.reported']!.base,
    disagreed: regions['oracle.disagreed']!.base,
    pointCounts: regions['oracle.points']!.base,
    pointCountStride: regions['oracle.points']!.stride,
  };
}
