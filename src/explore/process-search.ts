import { type Coverage, type CoverageSnapshot, createCoverage } from './coverage.ts';
import { DepthFirst } from './dfs.ts';
import { Dpor } from './dpor.ts';
import type { Host } from './host.ts';
import { createNovelty } from './novelty.ts';
import { COVERAGE_KEPT } from './pipeline-coverage.ts';
import { PreemptionBound } from './preemption-bound.ts';
import type { SampleJob, SearchJob, TreeJob } from './process-messages.ts';
import { createProfile, type Profile } from './profile.ts';
import { createMix, createSampler, type SamplerOptions } from './sampler.ts';
import type { Sched, ScheduleOutcome } from './sched.ts';
import type { Search } from './search.ts';
import { TreeWorker } from './tree-shard.ts';

/** A search as a job runs it. */
export interface JobSearch {
  readonly search: Search;
  onSchedule(sched: Sched, outcome: ScheduleOutcome): void;
  /** What is new since the last call; null: nothing. */
  coverage(): CoverageSnapshot | null;
  /** This process's part of a shared tree. */
  readonly worker: TreeWorker | null;
}

/** What a process keeps from one job to the next. */
export interface SearchMemory {
  /** What the first schedules of a sampler have told, by policy and seed. */
  readonly profiles: Map<string, Profile>;
  readonly coverage: Coverage;
}
export const createMemory = (): SearchMemory => ({
  profiles: new Map(),
  coverage: createCoverage({ keepMax: COVERAGE_KEPT }),
});

export function searchFor(job: SearchJob, host: Host, memory: SearchMemory): JobSearch {
  switch (job.kind) {
    case 'sample':
      return covered(sampleSearch(job, host, memory), memory);
    case 'novelty':
      return covered(createNovelty({ seed: job.seed }), memory);
    case 'tree':
      return treeSearch(job, host);
  }
}

const covered = (search: Search, { coverage }: SearchMemory): JobSearch => ({
  search,
  onSchedule: (sched, outcome) => coverage.note(sched, outcome),
  coverage: () => coverage.takeDelta(),
  worker: null,
});

function treeSearch({ search, worker }: TreeJob, { engine }: Host): JobSearch {
  const { threads, maxSteps } = engine.sched;
  const alone = (one: Search): JobSearch => ({ search: one, onSchedule: () => {}, coverage: () => null, worker: null });
  switch (search.kind) {
    case 'bound':
      return alone(new PreemptionBound({ maxPreemptions: search.preemptions }));
    case 'dfs':
      return alone(new DepthFirst({ maxSteps }));
    case 'dpor': {
      if (worker === null) return alone(new Dpor({ threads, maxSteps }));
      const shared = new TreeWorker({ threads, maxSteps });
      return { ...alone(shared), worker: shared };
    }
  }
}

/**
 * The first schedules of a sampler tell it about the program. What it knows then stays as it is, so that every later schedule
 * depends on the seed and its number alone: not on which process runs it, nor on what else that process has run.
 */
const LEARNING = 128;

function sampleSearch(job: SampleJob, host: Host, memory: SearchMemory): Search {
  const make = (options: SamplerOptions): Search =>
    job.policy === 'mix' ? createMix(options) : createSampler(job.policy, options);
  if (job.policy === 'random' || job.policy === 'pos') return make({ seed: job.seed, first: job.first });
  const learn = make({ seed: job.seed, first: job.first, profile: silent(createProfile()) });
  if (job.first < LEARNING) return learn;
  const key = `${job.policy} ${job.seed}`;
  let profile = memory.profiles.get(key);
  if (profile === undefined) {
    profile = learned(make, job.seed, host);
    memory.profiles.set(key, profile);
  }
  return make({ seed: job.seed, first: job.first, profile });
}

/** Runs the learning schedules once more, each with what was known then: nothing. */
function learned(make: (options: SamplerOptions) => Search, seed: number, { engine }: Host): Profile {
  const profile = createProfile();
  const search = make({ seed, first: 0, profile: silent(createProfile()) });
  for (let i = 0; i < LEARNING; i++) profile.learn(engine.sched, engine.run(search.next()!));
  return silent(profile);
}

/** A profile that learns no more. */
const silent = (profile: Profile): Profile => ({ ...profile, learn: () => {} });

/** Schedules behind this one know more than those before it: a batch never has both. */
export const batchEnd = (first: number, count: number): number =>
  first < LEARNING ? Math.min(first + count, LEARNING) : first + count;
