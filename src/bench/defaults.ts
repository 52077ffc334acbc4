import type { BenchStrategy } from './load-plan.ts';
import type { Suite } from './result.ts';

export const SUITES = ['primitives', 'locks', 'strategies'] as const satisfies readonly Suite[];

/** Designs that are compared when none is asked for: one of each way to keep faults out, all of them correct. */
export const DEFAULT_STRATEGIES = ['interval-notifier', 'context-count', 'range-pool', 'mmap-write', 'held-rwsem'];

/** What to measure. */
export interface SuiteOptions {
  readonly suites: readonly Suite[];
  readonly strategies: readonly BenchStrategy[];
  /** Threads that contend for a lock, and that invalidate. */
  readonly threads: readonly number[];
  /** Fewer cells: the ends of each curve. */
  readonly quick: boolean;
  /** Parts of the cells' ids, any of them; null: all. */
  readonly filter: readonly string[] | null;
}
