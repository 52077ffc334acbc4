import type { ViolationRecord } from '../../results/types.ts';
import type { Issue } from '../../scenario/errors.ts';
import type { HostOptions } from '../control/host.ts';
import type { RaceReport, RaceTotals } from '../races/race-log.ts';
import type { Picture } from '../replay/picture.ts';
import type { HowFound, Replay } from '../replay/replay-file.ts';
import type { CoverageSnapshot } from '../search/coverage.ts';
import type { BoundProgress } from '../search/preemption-bound.ts';
import type { Found } from '../search/search.ts';
import type { ToCoordinator, ToWorker } from '../search/tree-shard.ts';
import type { SubjectSpec } from '../subject/subject.ts';

/** What one process explores. */
export interface OpenRequest {
  readonly spec: SubjectSpec;
  readonly options: Omit<HostOptions, 'threads'>;
}

/** Random schedules `first` .. `first + count - 1` of a seed: the same ones whichever process runs them. */
export interface SampleJob {
  readonly kind: 'sample';
  readonly policy: SamplePolicy;
  readonly seed: number;
  readonly first: number;
  readonly count: number;
}
export const SAMPLE_POLICIES = ['random', 'pct', 'pos', 'surw', 'mix'] as const;
export type SamplePolicy = (typeof SAMPLE_POLICIES)[number];

/** A search that learns from what it has seen, each process with a seed of its own. */
export interface NoveltyJob {
  readonly kind: 'novelty';
  readonly seed: number;
}

/** One process's part in a search of the tree of all schedules. */
export interface TreeJob {
  readonly kind: 'tree';
  readonly search: TreeSearch;
  /** Number of this part among those that share the search, and how many these are; null: it has the whole tree. */
  readonly worker: number | null;
  readonly workers: number;
}
export type TreeSearch =
  | { readonly kind: 'bound'; readonly preemptions: number }
  | { readonly kind: 'dpor' }
  | { readonly kind: 'dfs' };

/** Makes a found schedule small, and checks that it repeats. */
export interface ShrinkJob {
  readonly kind: 'shrink';
  /** All schedules with at most so many preemptions were run before this was found; -1: nothing of the kind. */
  readonly boundKept: number;
  readonly found: Found;
  readonly how: HowFound;
  readonly budgetMs: number;
}

export type SearchJob = SampleJob | NoveltyJob | TreeJob;
export type Job = SearchJob | ShrinkJob;

export type ToProcess =
  | { readonly type: 'open'; readonly request: OpenRequest }
  | {
      readonly type: 'job';
      readonly id: number;
      readonly job: Job;
      readonly stopAtFirst: boolean;
    }
  /** Ends a job before its end; its last report follows. */
  | { readonly type: 'stop'; readonly id: number }
  /** From the coordinator of a shared tree. */
  | { readonly type: 'tree'; readonly id: number; readonly message: ToWorker };

/** How often a schedule ended in another way than by its end; these never pass in silence. */
export interface Tally extends RaceTotals {
  schedules: number;
  steps: number;
  /** Given up because what follows was explored before. */
  redundant: number;
  /** Given up at the step bound. */
  cut: number;
  /** A time-out or another turn of a spin loop was needed, because nobody else could run. */
  forced: number;
}
export const noTally = (): Tally => ({
  schedules: 0,
  steps: 0,
  redundant: 0,
  cut: 0,
  forced: 0,
  seen: 0,
  exempt: 0,
  escapes: 0,
  full: 0,
  dropped: 0,
});
export function addTally(to: Tally, from: Tally): void {
  for (const key of Object.keys(to) as (keyof Tally)[]) to[key] += from[key];
}

/** What a process says after each stretch of a job. */
export interface StretchReport {
  readonly tally: Tally;
  /** The first of each finding in this stretch; `schedules` counts from the start of the job. */
  readonly found: readonly Found[];
  readonly ms: number;
  /** The job is at its end, because its search is (`complete`), or because it was told to, or has its schedules. */
  readonly ended: boolean;
  readonly complete: boolean;
  /** What may be said already, or of a complete search. */
  readonly guarantee: string | null;
  /** What is new in this process's coverage since its last report; null: nothing. */
  readonly coverage: CoverageSnapshot | null;
  /** For the coordinator of a shared tree. */
  readonly tree: readonly ToCoordinator[];
  /** Of a search by preemptions. */
  readonly bound: BoundProgress | null;
}

/** What is known of a subject once its threads run. */
export interface SubjectFacts {
  readonly name: string;
  readonly names: readonly string[];
  /** Steps of the schedule in which every thread runs to its end. */
  readonly steps: number;
  /** Threads that take no step which the scheduler sees. */
  readonly unseen: readonly string[];
}

/** A schedule that a replay file holds, with all that its drawings need. */
export interface Minimized {
  readonly replay: Replay;
  readonly picture: Picture;
  /** Both sides of a data race. */
  readonly race: RaceReport | null;
  /** The record of a lock-order cycle. */
  readonly lockOrder: ViolationRecord | null;
  /** All schedules with fewer preemptions were tried. */
  readonly fewest: boolean;
  /** What the schedule was like when it was found. */
  readonly before: { readonly preemptions: number; readonly steps: number };
}

export type FromProcess =
  | { readonly type: 'ready'; readonly facts: SubjectFacts }
  | { readonly type: 'stretch'; readonly id: number; readonly report: StretchReport }
  | { readonly type: 'minimized'; readonly id: number; readonly result: Minimized | null }
  /** It cannot go on, and why: in words for the user. */
  | { readonly type: 'refused'; readonly issues: readonly Issue[] };
