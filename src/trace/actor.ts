import { type Addr, NULL_PFN, type Pfn } from '../memory/address.ts';
import type { LockStat } from '../sync/lock-stat.ts';
import type { LockDep, Task } from '../sync/task.ts';
import { HISTOGRAM_DOUBLES, histogramAdd } from './histogram.ts';
import type { Inject } from './inject.ts';
import type { FullLockStat } from './lock-stat.ts';
import type { Observer } from './observer.ts';
import type { Perturb } from './perturb.ts';
import type { Stall } from './stall.ts';

/** Bits of `Actor.mode`: what a point does. 0: nothing, in a few nanoseconds. */
export const MODE = { trace: 1, perturb: 2, gate: 4, label: 8, stall: 16 } as const;

/** Takes the points of a controlled run that is recorded: names of what comes next. */
export interface Labels {
  label(point: number, a: number, b: number, c: number): void;
}

/** A thread of the model: a task, with its trace, its counters, its random stream and the observer of what it does. */
export interface Actor extends Task {
  readonly f64: Float64Array<SharedArrayBuffer>;
  /** Index of the first double of this thread's counters. */
  readonly counters: number;
  /** Index of the first double of this thread's histograms. */
  readonly histograms: number;
  /** Index of the first double of this thread's lock statistics: see lock-stat.ts. */
  readonly contention: number;
  /** What is counted of locks beyond waits; undefined: nothing. */
  readonly lockStat: LockStat | undefined;
  readonly lockHold: FullLockStat | undefined;
  readonly ringHead: Addr;
  readonly ring: Addr;
  /** Records in the ring minus one; the ring's length is a power of two. */
  readonly ringMask: number;
  readonly gate: Addr;
  /** The cell's CONTROL words, and this thread's park word: see park.ts. */
  readonly control: Addr;
  readonly parkWord: Addr;
  readonly perturb: Perturb | null;
  /** With `MODE.stall`. */
  readonly stall: Stall | null;
  /** What is made to fail in this thread: see inject.ts. */
  readonly inject: Inject | null;
  readonly observer: Observer;
  /** With `MODE.label`. */
  readonly labels: Labels | null;
  /** Milliseconds to add to performance.now() for the cell's clock: each worker's own clock starts at another moment. */
  clockOffsetMs: number;
  mode: number;
  rng: number;
  /** Serial number of the operation that runs. */
  op: number;
  /** Results of mm/fault's getUserPage: a second result would have to be allocated. */
  gupPfn: Pfn;
  gupGeneration: number;
  gupIdentity: number;
  /** The page-table entry that the last look found (orig_pte of a fault): see mm/page-table.ts. */
  gupPte: number;
}

/** What an actor is made from: all of it but what starts at 0. */
export type ActorInit = Omit<
  Actor,
  | 'rng'
  | 'op'
  | 'gupPfn'
  | 'gupGeneration'
  | 'gupIdentity'
  | 'gupPte'
  | 'labels'
  | 'lockDep'
  | 'lockStat'
  | 'lockHold'
  | 'stall'
  | 'inject'
> & {
  readonly seed: number;
  readonly labels?: Labels | null;
  readonly lockDep?: LockDep | null;
  readonly lockStat?: LockStat | undefined;
  readonly lockHold?: FullLockStat | undefined;
  readonly stall?: Stall | null;
  readonly inject?: Inject | null;
};

/** Makes a thread's actor. One call site, so that all actors have one shape. */
export const createActor = (init: ActorInit): Actor => ({
  mem: init.mem,
  tid: init.tid,
  addr: init.addr,
  hooks: init.hooks,
  lockDep: init.lockDep ?? null,
  f64: init.f64,
  counters: init.counters,
  histograms: init.histograms,
  contention: init.contention,
  lockStat: init.lockStat,
  lockHold: init.lockHold,
  ringHead: init.ringHead,
  ring: init.ring,
  ringMask: init.ringMask,
  gate: init.gate,
  control: init.control,
  parkWord: init.parkWord,
  perturb: init.perturb,
  stall: init.stall ?? null,
  inject: init.inject ?? null,
  observer: init.observer,
  labels: init.labels ?? null,
  clockOffsetMs: init.clockOffsetMs,
  mode: init.mode,
  rng: init.seed,
  op: 0,
  gupPfn: NULL_PFN,
  gupGeneration: 0,
  gupIdentity: 0,
  gupPte: 0,
});

/** The cell's clock, milliseconds. */
export const now = (actor: Actor): number => performance.now() + actor.clockOffsetMs;

/** Adds to one of the thread's own counters. */
export const count = (actor: Actor, counter: number, n = 1): void => {
  actor.f64[actor.counters + counter] += n;
};

/** Adds the time since `begunAt` to one of the thread's latency histograms, in nanoseconds; 0 says that no time was taken. */
export function recordLatency(actor: Actor, histogram: number, begunAt: number): void {
  if (begunAt === 0) return;
  const base = actor.histograms + histogram * HISTOGRAM_DOUBLES;
  histogramAdd(actor.f64, base, Math.round((now(actor) - begunAt) * 1e6));
}
