import { type CoverageSnapshot, createCoverage } from '../search/coverage.ts';

/** Executions that are told apart: what a checkpoint can hold, too. */
export const COVERAGE_KEPT = 500_000;

/** What all processes have seen in sampled schedules, together. */
export interface CoverageBook {
  /** `sampled` false: of a search that learns, whose schedules are not drawn independently. */
  add(coverage: CoverageSnapshot, sampled: boolean): void;
  /** Null: nothing was sampled. */
  summary(): CoverageWords | null;
  /** Hardly anything new comes any more. */
  flat(): boolean;
  save(): CoverageState | null;
}

export interface CoverageWords {
  readonly distinct: number;
  /** There are more than could be told apart. */
  readonly atLeast: boolean;
  /** Estimated number of distinct executions; a lower bound too. */
  readonly estimate: number;
  /** Chance that the next sampled schedule is one that was seen. */
  readonly share: number;
}

export interface CoverageState {
  readonly snapshot: CoverageSnapshot;
  /** Of the sampler alone, once another search has begun. */
  readonly share: number | null;
}

/** Flat: fewer than one in so many schedules was a new one, over so many schedules. */
const FLAT_ONE_IN = 1000;
const FLAT_WINDOW = 20_000;

export function createCoverageBook(saved: CoverageState | null): CoverageBook {
  const coverage = createCoverage({ keepMax: COVERAGE_KEPT });
  if (saved !== null) coverage.add(saved.snapshot);
  let share = saved?.share ?? null;
  let windowAt = coverage.summary();
  let flat = false;
  return {
    add(delta, sampled) {
      if (!sampled) share ??= coverage.share();
      coverage.add(delta);
      const now = coverage.summary();
      if (now.schedules - windowAt.schedules < FLAT_WINDOW) return;
      flat = (now.executions - windowAt.executions) * FLAT_ONE_IN < now.schedules - windowAt.schedules;
      windowAt = now;
    },
    summary() {
      const { schedules, executions, atLeast, estimate } = coverage.summary();
      if (schedules === 0) return null;
      return { distinct: executions, atLeast, estimate, share: share ?? coverage.share() };
    },
    flat: () => flat,
    save() {
      const snapshot = coverage.snapshot();
      return snapshot.schedules === 0 ? null : { snapshot, share };
    },
  };
}
