import { describe, expect, it } from 'vitest';
import { type SampleOptions, SamplePhase } from '../../src/explore/pipeline/pipeline-phases.ts';
import {
  noTally,
  type SampleJob,
  type SearchJob,
  type StretchReport,
} from '../../src/explore/pipeline/process-messages.ts';
import type { Found } from '../../src/explore/search/search.ts';

const phaseOf = (options: Partial<SampleOptions>, stopped: SearchJob[] = []) => {
  const jobs = new Set<SearchJob>();
  const phase = new SamplePhase(
    { policy: 'pos', seed: 1, next: 0, left: [], end: 100_000, stopAtFirst: true, ...options },
    {
      stopJobs: (which) => {
        for (const job of jobs) if (which(job)) stopped.push(job);
      },
      tell: () => {},
      covered: () => {},
    },
  );
  const next = (): SampleJob | null => {
    const job = phase.next();
    if (job !== null) jobs.add(job);
    return job;
  };
  return { phase, next };
};

const report = (schedules: number, ended: boolean, found: readonly Found[] = []): StretchReport => ({
  tally: { ...noTally(), schedules, steps: schedules * 10 },
  found,
  ms: 100,
  ended,
  complete: false,
  guarantee: null,
  coverage: null,
  tree: [],
  bound: null,
});
const foundAfter = (schedules: number): Found => ({
  finding: { oracle: 'assertion', object: '', text: 'wrong' },
  schedules,
  schedule: [0, 1],
  preemptions: 1,
});

describe('batches of a sampler', () => {
  it('cover every number once, up to the end', () => {
    const { phase, next } = phaseOf({ end: 5000 });
    const seen: number[] = [];
    for (let job = next(); job !== null; job = next()) {
      for (let i = 0; i < job.count; i++) seen.push(job.first + i);
      phase.report(job, report(job.count, true));
    }
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    expect(phase.complete).toBe(true);
    expect(phase.tally().schedules).toBe(5000);
  });

  it('one that a dead process had is counted once', () => {
    const { phase, next } = phaseOf({ end: 200 });
    const job = next()!;
    phase.report(job, report(50, false));
    expect(phase.tally().schedules).toBe(50);
    phase.lost(job);
    expect(phase.tally().schedules).toBe(0);
    expect(phase.position().left).toEqual([[job.first, job.count]]);
    phase.report(job, report(job.count, true));
    expect(phase.tally().schedules).toBe(job.count);
  });

  it('one that was stopped leaves what it has not run', () => {
    const { phase, next } = phaseOf({ next: 1000, end: 3000 });
    const job = next()!;
    phase.report(job, report(100, true));
    expect(phase.position()).toEqual({ next: job.first + job.count, left: [[1100, job.count - 100]] });
    // Another run begins with that.
    const later = phaseOf({ ...phase.position(), end: 3000 });
    expect(later.next()).toMatchObject({ first: 1100, count: job.count - 100 });
  });

  it('the first finding is the one with the lowest number, whoever is faster', () => {
    const stopped: SearchJob[] = [];
    const { phase, next } = phaseOf({ next: 1000 }, stopped);
    const [a, b, c] = [next()!, next()!, next()!];
    phase.report(b, report(10, true, [foundAfter(10)]));
    // What comes behind it is no longer of interest, what comes before is.
    expect(stopped).toContain(c);
    expect(stopped).not.toContain(a);
    expect(next()).toBeNull();
    phase.report(a, report(7, true, [foundAfter(7)]));
    expect([...phase.found.values()].map(({ schedules }) => schedules)).toEqual([a.first + 7]);
    // The other way round it comes out the same.
    phase.report(c, report(3, true, [foundAfter(3)]));
    expect([...phase.found.values()].map(({ schedules }) => schedules)).toEqual([a.first + 7]);
  });
});
