import { type Addr, NULL_PFN, type Pfn } from '../memory/address.ts';
import type { LockStat } from '../sync/lock-stat.ts';
import { DEFAULT_SPINS, type LockDep, type Task } from '../sync/task.ts';
import * as clockModule from './clock.ts';
import * as histogramModule from './histogram.ts';
import type { Inject } from './inject.ts';
import type { FullLockStat } from './lock-stat.ts';
import type { Observer } from './observer.ts';
import type { Perturb } from './perturb.ts';
import * as ringModule from './ring.ts';
import type { Stall } from './stall.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { hrtimeMs, storeTime } = clockModule;
const { HISTOGRAM_DOUBLES, histogramAdd } = histogramModule;
const { lastRecordTime, RING_HEAD } = ringModule;

const EPOCH = RING_HEAD.epoch;
const BEGUN = RING_HEAD.begun;
const READ = RING_HEAD.read;

/** Bits of `Actor.mode`: what a point does. 0: nothing, in a few nanoseconds. */
export const MODE = { trace: 1, perturb: 2, gate: 4, label: 8, stall: 16 } as const;
const TRACE = MODE.trace;

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
  | 'spins'
  | 'lockStat'
  | 'lockHold'
  | 'stall'
  | 'inject'
> & {
  readonly seed: number;
  readonly labels?: Labels | null;
  readonly lockDep?: LockDep | null;
  readonly spins?: number;
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
  spins: init.spins ?? DEFAULT_SPINS,
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
  mode: init.mode,
  rng: init.seed,
  op: 0,
  gupPfn: NULL_PFN,
  gupGeneration: 0,
  gupIdentity: 0,
  gupPte: 0,
});

const clockAt = ({ ringHead }: Actor, field: number): number => (ringHead + field) >>> 1;

/** The cell's clock, milliseconds: for slow paths, as the number may become an object. */
export const now = (actor: Actor): number => hrtimeMs() - actor.f64[clockAt(actor, EPOCH)];

/** Moves the zero of the thread's clock, which is that of `hrtimeMs` at first. */
export function moveEpoch(actor: Actor, byMs: number): void {
  actor.f64[clockAt(actor, EPOCH)] += byMs;
}

/**
 * Index of the double that says when the last point was passed, where points are recorded; else of one that says now. A clock read costs more
 * than all else that a point does.
 */
export function lastTime(actor: Actor): number {
  if ((actor.mode & TRACE) !== 0) return lastRecordTime(actor.mem, actor.ringHead, actor.ring, actor.ringMask);
  return timeNow(actor);
}

/** As `lastTime`, of now. */
export function timeNow(actor: Actor): number {
  const to = clockAt(actor, READ);
  storeTime(actor.f64, to, clockAt(actor, EPOCH));
  return to;
}

/** Adds to one of the thread's own counters. */
export const count = (actor: Actor, counter: number, n = 1): void => {
  actor.f64[actor.counters + counter] += n;
};

/** The operation whose latency is to be recorded begins with the point that was just passed. One at a time, and only where points do something. */
export function beginLatency(actor: Actor): void {
  if (actor.mode !== 0) actor.f64[clockAt(actor, BEGUN)] = actor.f64[lastTime(actor)];
}

/** It ends: adds its time to one of the thread's histograms. */
export function recordLatency(actor: Actor, histogram: number): void {
  if (actor.mode !== 0) addLatency(actor, histogram, clockAt(actor, BEGUN), timeNow(actor));
}

/** Adds the nanoseconds between two times, given by where they are, to one of the thread's histograms. */
export function addLatency(actor: Actor, histogram: number, since: number, until: number): void {
  const { f64 } = actor;
  histogramAdd(f64, actor.histograms + histogram * HISTOGRAM_DOUBLES, Math.round((f64[until] - f64[since]) * 1e6));
}
