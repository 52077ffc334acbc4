import type { CoverageWords } from './pipeline-coverage.ts';

/** Where an exploration stands; sent a few times a second while it runs. */
export interface ExploreProgress {
  readonly phase: string;
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly schedules: number;
  readonly perSecond: number;
  /** Of sampled schedules; null: none yet. */
  readonly coverage: CoverageWords | null;
  readonly found: number;
  readonly processes: number;
}

/** Schedules per second over the last seconds, not over the whole: a phase that stalls must show. */
export function createRate(windowMs: number): (now: number, schedules: number) => number {
  const samples: { at: number; schedules: number }[] = [];
  return (now, schedules) => {
    samples.push({ at: now, schedules });
    while (samples.length > 2 && now - samples[0]!.at > windowMs) samples.shift();
    const first = samples[0]!;
    return now > first.at ? ((schedules - first.schedules) / (now - first.at)) * 1000 : 0;
  };
}
