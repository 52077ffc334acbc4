import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import type { Step } from '../control/steps.ts';
import { TO_ITS_END } from '../policies/follow.ts';

/** A thread runs until it has done `end` steps of its own; Infinity: until it ends. */
export interface Segment {
  readonly tid: number;
  readonly end: number;
}

/** A schedule as its switches. */
export function segmentsOf(tids: readonly number[]): Segment[] {
  const done = new Map<number, number>();
  const segments: Segment[] = [];
  tids.forEach((tid, i) => {
    const end = (done.get(tid) ?? 0) + 1;
    done.set(tid, end);
    if (i > 0 && tids[i - 1] === tid) segments[segments.length - 1] = { tid, end };
    else segments.push({ tid, end });
  });
  return segments;
}

/**
 * The wishes that ask for these segments. A segment that was taken out is made up for by the next one of its thread: that is what
 * takes a switch out of a schedule and leaves the rest as it was.
 */
export function wishesOf(segments: readonly Segment[]): number[] {
  const reached = new Map<number, number>();
  const wishes: number[] = [];
  for (const { tid, end } of segments) {
    if (end === Number.POSITIVE_INFINITY) wishes.push(tid | TO_ITS_END);
    else for (let n = reached.get(tid) ?? 0; n < end; n++) wishes.push(tid);
    reached.set(tid, Math.max(end, reached.get(tid) ?? 0));
  }
  return wishes;
}

/** True where a thread was stopped that could have gone on: step `i` is the first of another one. */
export const isPreemption = (steps: readonly Step[], i: number): boolean =>
  i > 0 && steps[i]!.tid !== steps[i - 1]!.tid && (steps[i]!.enabled & (1 << steps[i - 1]!.tid)) !== 0;

export const preemptionsOf = (steps: readonly Step[]): number => steps.filter((_, i) => isPreemption(steps, i)).length;

const DATA_OPS: readonly number[] = [
  OP.load,
  OP.store,
  OP.add,
  OP.or,
  OP.and,
  OP.exchange,
  OP.compareExchange,
  OP.relax,
];
/** Steps by which threads wait for each other, where a reader expects a switch. */
export const isSync = (step: Step): boolean => !DATA_OPS.includes(step.op);
/** A plain read or write of a word. */
export const isData = (step: Step): boolean => DATA_OPS.includes(step.op) && step.access !== ACCESS.local;

/** What is to be made small, the first first. */
export interface Cost {
  readonly preemptions: number;
  readonly switches: number;
  /** Preemptions that are not beside a synchronization. */
  readonly astray: number;
  readonly steps: number;
}

export function costOf(steps: readonly Step[]): Cost {
  let preemptions = 0;
  let switches = 0;
  let astray = 0;
  for (let i = 1; i < steps.length; i++) {
    const stopped = steps[i - 1]!;
    if (steps[i]!.tid === stopped.tid) continue;
    switches++;
    if (!isPreemption(steps, i)) continue;
    preemptions++;
    const next = steps.slice(i).find((step) => step.tid === stopped.tid);
    if (!isSync(stopped) && (next === undefined || !isSync(next))) astray++;
  }
  return { preemptions, switches, astray, steps: steps.length };
}

export const isLess = (a: Cost, b: Cost): boolean => {
  if (a.preemptions !== b.preemptions) return a.preemptions < b.preemptions;
  if (a.switches !== b.switches) return a.switches < b.switches;
  if (a.astray !== b.astray) return a.astray < b.astray;
  return a.steps < b.steps;
};

/** A lock that is taken or given back orders its sections, but which comes first is free. */
const isLock = (step: Step): boolean => OP_INFO[step.op]!.lock !== undefined;

/** Who touched an object last. */
interface Touched {
  write: number;
  /** Reads since. */
  reads: number[];
}

/**
 * For each step the bits of the steps that it depends on, itself included: its thread's steps before it, what does not commute with
 * it, and who woke it. Without `locks`, the order that locks make is left out.
 */
export function dependencies(steps: readonly Step[], locks = true): bigint[] {
  const past: bigint[] = [];
  const lastOf = new Map<number, number>();
  const objects = new Map<number, Touched>();
  steps.forEach((step, i) => {
    const before = [lastOf.get(step.tid) ?? -1, step.cause];
    if (step.access !== ACCESS.local && (locks || !isLock(step))) {
      const touched = objects.get(step.addr) ?? { write: -1, reads: [] };
      before.push(touched.write);
      if (step.access === ACCESS.write) {
        before.push(...touched.reads);
        objects.set(step.addr, { write: i, reads: [] });
      } else objects.set(step.addr, { write: touched.write, reads: [...touched.reads, i] });
    }
    let bits = 1n << BigInt(i);
    for (const j of before) if (j >= 0 && j < i) bits |= past[j]!;
    lastOf.set(step.tid, i);
    past.push(bits);
  });
  return past;
}

/** Indices of the steps that step `of` depends on, with itself. */
export function causalPast(steps: readonly Step[], of: number): number[] {
  const bits = dependencies(steps)[of] ?? 0n;
  return steps.flatMap((_, i) => (((bits >> BigInt(i)) & 1n) === 1n ? [i] : []));
}
