import type { WakeNode, WakeStep } from './dpor-wakeup.ts';

/** Counts of schedules. */
export interface DporStats {
  /** Inequivalent executions: the schedules that came to an end of their own, also a deadlock or a thread that threw. */
  readonly complete: number;
  /** Schedules that were given up because all that could go on was explored before. */
  readonly redundant: number;
  /** Schedules that carried the other threads on past the step at which one threw. */
  readonly continued: number;
  /** Reversals of a race that turned out not to be possible. */
  readonly stuck: number;
  /** Schedules that were cut off at the greatest number of steps. */
  readonly limited: number;
}

/** A node of the search, for whoever takes it over: see tree-shard.ts. */
export interface NodeState {
  /** Tids of the steps before it. */
  readonly prefix: readonly number[];
  /** Threads that can go on, as bits. */
  readonly enabled: number;
  /** Steps that need not be taken from here any more: what follows them is explored elsewhere. */
  readonly asleep: readonly WakeStep[];
  /** Of those, as bits: threads that must not sleep all the same; threads that threw. */
  readonly awake: number;
  readonly thrown: number;
  /** What is still to be explored. */
  readonly branches: readonly WakeNode[];
}

/** A part of the search: what follows a branch of somebody else's node. */
export interface SubtreeJob {
  /** Its first step included. */
  readonly prefix: readonly number[];
  readonly asleep: readonly WakeStep[];
  readonly awake: number;
  readonly thrown: number;
  /** What is to be explored behind `prefix` first of all. */
  readonly branches: readonly WakeNode[];
}

/** News about a node that belongs to somebody else: the one behind `prefix`. */
export type ForeignNews =
  /** A race is to be reversed there. */
  | { readonly kind: 'reversal'; readonly prefix: readonly number[]; readonly steps: readonly WakeStep[] }
  /** What the first step of the job that began there turned out to do. */
  | { readonly kind: 'took'; readonly prefix: readonly number[]; readonly step: WakeStep }
  /** That step threw; `others` could go on instead. */
  | {
      readonly kind: 'threw';
      readonly prefix: readonly number[];
      readonly step: WakeStep;
      readonly others: readonly WakeStep[];
    };

export const NO_STATS: DporStats = { complete: 0, redundant: 0, continued: 0, stuck: 0, limited: 0 };

/** What may be said of a search that has come to its end. */
export function exhausted({ complete, limited }: DporStats, maxSteps: number, forced: boolean): string {
  const assuming = forced ? ', assuming a time-out only when nobody else can run' : '';
  if (limited === 0) return `exhaustive: ${complete} executions${assuming}`;
  return `exhaustive up to ${maxSteps} steps: ${complete} executions and ${limited} cut off there${assuming}`;
}
