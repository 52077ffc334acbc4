import { describe, expect, it } from 'vitest';
import type { Exploration, ExploreViolation } from '../../src/explore/pipeline/pipeline-result.ts';
import { explorationLines } from '../../src/report/explore-result.ts';
import { PLAIN } from '../../src/report/style.ts';

const violation = (more: Partial<ExploreViolation>): ExploreViolation => ({
  oracle: 'assertion',
  object: '',
  text: 'count of -1',
  phase: 'bound',
  afterSchedules: 3,
  preemptions: 1,
  fewest: false,
  steps: 13,
  foundWith: { preemptions: 1, steps: 13 },
  schedule: [0, 1],
  folder: 'violations/1',
  ...more,
});

function linesOf(...violations: readonly ExploreViolation[]): string[] {
  const exploration: Exploration = {
    name: 'model-a',
    kind: 'program',
    strategy: null,
    threads: ['T1', 'T2'],
    verdict: 'VIOLATED',
    guarantee: null,
    why: '',
    policy: 'default',
    schedules: 3,
    steps: 50,
    redundant: 0,
    cut: 0,
    forced: 0,
    durationMs: 100,
    perSecond: 30,
    processes: 2,
    restarts: 0,
    coverage: null,
    phases: [],
    violations,
    interrupted: false,
    notes: [],
  };
  return explorationLines(exploration, [], { style: PLAIN, width: 120, verbose: false, dir: 'results/x' });
}

describe('what is printed of a violation', () => {
  it('that it has the fewest preemptions only where that was shown, and where there are any', () => {
    const fewest = (more: Partial<ExploreViolation>): string | undefined =>
      linesOf(violation(more)).find((line) => line.includes('fewest'));
    expect(fewest({})).toBeUndefined();
    expect(fewest({ fewest: true })).toBe(
      '  1 preemption is the fewest possible: all schedules without one were tried',
    );
    expect(fewest({ fewest: true, preemptions: 3 })).toBe(
      '  3 preemptions are the fewest possible: all schedules with at most 2 were tried',
    );
    expect(fewest({ fewest: true, preemptions: 0 })).toBeUndefined();
  });

  it('the file with both sides of a data race, beside how to replay it', () => {
    const replay = '  replay it: odptorture replay results/x/violations/1/schedule.replay.json';
    expect(linesOf(violation({})).at(-1)).toBe(replay);
    expect(linesOf(violation({ oracle: 'data-race', object: 'slots' })).slice(-2)).toEqual([
      replay,
      '  both sides of it: results/x/violations/1/data-race.txt',
    ]);
  });
});
