import type { Host } from '../control/host.ts';
import type { Sched, ScheduleOutcome } from '../control/sched.ts';
import { type Coverage, type CoverageSnapshot, createCoverage } from '../search/coverage.ts';
import { DepthFirst } from '../search/dfs.ts';
import { Dpor } from '../search/dpor.ts';
import { createNovelty } from '../search/novelty.ts';
import { type BoundProgress, PreemptionBound } from '../search/preemption-bound.ts';
import { createProfile, type Profile } from '../search/profile.ts';
import { createMix, createSampler } from '../search/sampler.ts';
import type { Search } from '../search/search.ts';
import { TreeWorker } from '../search/tree-shard.ts';
import { COVERAGE_KEPT } from './pipeline-coverage.ts';
import type { SampleJob, SearchJob, TreeJob } from './process-messages.ts';

/** A search as a job runs it. */
export interface JobSearch {
  readonly search: Search;
  onSchedule(sched: Sched, outcome: ScheduleOutcome): void;
  /** What is new since the last call; null: nothing. */
  coverage(): CoverageSnapshot | null;
  /** This process's part of a shared tree. */
  readonly worker: TreeWorker | null;
  /** Others have a part in this search, and may have to know how far it is. */
  readonly shared: boolean;
  /** Of a search by preemptions. */
  bound(): BoundProgress | null;
}

/** What a process keeps from one job to the next. */
export interface SearchMemory {
  /** What the first schedules of a sampler have told, by seed. */
  readonly profiles: Map<number, Profile>;
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
  shared: false,
  bound: () => null,
});

function treeSearch({ search, worker, workers }: TreeJob, { engine }: Host): JobSearch {
  const { threads, maxSteps } = engine.sched;
  const alone = (one: Search): JobSearch => ({
    search: one,
    onSchedule: () => {},
    coverage: () => null,
    worker: null,
    shared: workers > 1,
    bound: () => null,
  });
  switch (search.kind) {
    case 'bound': {
      const bound = new PreemptionBound({ maxPreemptions: search.preemptions, shard: worker ?? 0, shards: workers });
      return { ...alone(bound), bound: () => bound.progress() };
    }
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
 * The first schedules of every sampler are random walks, from which PCT and SURW learn which words threads contend for. What they know
 * then stays as it is, so that every later schedule depends on the seed and its number alone: not on which process runs it, nor on
 * what else that process has run.
 */
const LEARNING = 16;

function sampleSearch(job: SampleJob, host: Host, memory: SearchMemory): Search {
  const { policy, seed, first } = job;
  if (policy === 'random' || policy === 'pos' || first < LEARNING)
    return createSampler(policy === 'pos' ? 'pos' : 'random', { seed, first, profile: UNUSED });
  let profile = memory.profiles.get(seed);
  if (profile === undefined) {
    profile = learned(seed, host);
    memory.profiles.set(seed, profile);
  }
  const options = { seed, first, profile };
  return policy === 'mix' ? createMix(options) : createSampler(policy, options);
}

/** A profile that learns no more. */
const silent = (profile: Profile): Profile => ({ ...profile, learn: () => {} });
const UNUSED = silent(createProfile());

/** Runs the learning schedules once more: they may have run in another process. */
function learned(seed: number, { engine }: Host): Profile {
  const profile = createProfile();
  const search = createSampler('random', { seed, first: 0, profile });
  for (let i = 0; i < LEARNING; i++) search.learn(engine.sched, engine.run(search.next()!));
  return silent(profile);
}

/** Schedules behind this one know more than those before it: a batch never has both. */
export const batchEnd = (first: number, count: number): number =>
  first < LEARNING ? Math.min(first + count, LEARNING) : first + count;
