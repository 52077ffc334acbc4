import type { Histogram } from '../trace/histogram.ts';
import type { MetricName } from './metrics.ts';
import type { Heat, Params, SharedLock, Suite } from './result.ts';

/** How long a cell runs, and what its threads draw from. */
export interface CellTime {
  /** At most so long each thread runs its code before the start, milliseconds: see crew-thread.ts. */
  readonly practiceMs: number;
  readonly warmupMs: number;
  readonly cellMs: number;
  /** Readings within a cell, for the map of latency over time. */
  readonly slices: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** What one round of a cell gave. */
export interface CellRun {
  readonly metrics: Readonly<Partial<Record<MetricName, number>>>;
  /** What the group's reference took in the same thread, in turn with it. */
  readonly beside?: Readonly<Partial<Record<MetricName, number>>>;
  /** Operations of each thread; empty where they do not do the same. */
  readonly perThread: readonly number[];
  /** By class and mode of lock: waited time, as part of the threads' time. */
  readonly lockWait: Readonly<Record<string, number>>;
  /** By class and mode, locks that more than one thread takes; absent: not counted. */
  readonly sharedLocks?: Readonly<Record<string, SharedLock>>;
  /** Of the latency that the cell is about, nanoseconds. */
  readonly histogram: Histogram | null;
  readonly heat: Heat | null;
}

export interface Base {
  readonly id: string;
  /** Each figure by the one that it is a ratio of. */
  readonly figures: Readonly<Partial<Record<MetricName, MetricName>>>;
}

/** A cell of a bench: what it is, and how one round of it is run. */
export interface CellSpec {
  readonly id: string;
  readonly suite: Suite;
  readonly group: string;
  readonly subject: string;
  readonly params: Params;
  readonly threads: number;
  /** The cell that it is compared with in every round; its own id when it is the reference. */
  readonly reference: string | null;
  /** The cell of the same subject that it is a multiple of, in every round, and the figures that say so: see derived.ts. */
  readonly base?: Base;
  readonly run: (time: CellTime) => Promise<CellRun>;
}

/** `locks/mutex read=90 threads=2`. */
export const cellId = (group: string, subject: string, params: Params): string =>
  [`${group}/${subject}`, ...Object.entries(params).map(([name, value]) => `${name}=${value}`)].join(' ');
