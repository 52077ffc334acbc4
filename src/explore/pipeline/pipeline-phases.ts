import type { CoverageSnapshot } from '../search/coverage.ts';
import { type Found, findingKey } from '../search/search.ts';
import type { ToWorker } from '../search/tree-shard.ts';
import type { JobSource } from './coordinator.ts';
import {
  addTally,
  type NoveltyJob,
  noTally,
  type SampleJob,
  type SamplePolicy,
  type SearchJob,
  type StretchReport,
  type Tally,
} from './process-messages.ts';
import { batchEnd } from './process-search.ts';

/** A finding as a phase counts it. */
export interface PhaseFound extends Found {
  /** Schedules of this phase up to this one; `schedules` is the same. */
  readonly phase: string;
}

/** A part of the pipeline: gives its jobs away and adds up what came of them. */
export interface Phase extends JobSource {
  readonly name: string;
  /** With those of jobs that still run. */
  tally(): Tally;
  readonly found: ReadonlyMap<string, PhaseFound>;
  /** Nothing is left to explore. */
  readonly complete: boolean;
  readonly guarantee: string | null;
}

/** What runs a phase: it can end jobs that are no longer wanted. */
export interface PhaseHooks {
  stopJobs(which: (job: SearchJob) => boolean): void;
  /** Sends a message to the process that has a job. */
  tell(job: SearchJob, message: ToWorker): void;
  covered(coverage: CoverageSnapshot): void;
}

/** Sums over jobs, of which one may be given again. */
export class Ledger {
  readonly found = new Map<string, PhaseFound>();
  private readonly running = new Map<SearchJob, Tally>();
  private readonly done = noTally();

  add(job: SearchJob, tally: Tally): Tally {
    const sum = this.running.get(job) ?? noTally();
    addTally(sum, tally);
    this.running.set(job, sum);
    return sum;
  }
  ended(job: SearchJob): void {
    addTally(this.done, this.running.get(job) ?? noTally());
    this.running.delete(job);
  }
  lost(job: SearchJob): void {
    this.running.delete(job);
  }
  tally(): Tally {
    const sum = { ...this.done };
    for (const tally of this.running.values()) addTally(sum, tally);
    return sum;
  }
  /** Keeps the earlier of two that are the same; true when it is new or earlier. */
  keep(found: Found, phase: string, schedules: number): boolean {
    const key = findingKey(found.finding);
    const known = this.found.get(key);
    if (known !== undefined && known.schedules <= schedules) return false;
    this.found.set(key, { ...found, phase, schedules });
    return true;
  }
}

/** A batch is about this long: a crash loses no more, and the shares of the processes come out even. */
const BATCH_MS = 300;
const FIRST_BATCH = 256;
const MAX_BATCH = 1 << 20;

export interface SampleOptions {
  readonly policy: SamplePolicy;
  readonly seed: number;
  readonly next: number;
  /** Batches that an earlier run had begun. */
  readonly left: readonly (readonly [first: number, count: number])[];
  /** Number behind the last schedule. */
  readonly end: number;
  readonly stopAtFirst: boolean;
}

/** Schedules by number, in batches, on whichever process has room. */
export class SamplePhase implements Phase {
  readonly name: string;
  readonly depth = 2;
  readonly stopAtFirst: boolean;
  readonly guarantee = null;
  private readonly options: SampleOptions;
  private readonly hooks: PhaseHooks;
  private readonly ledger = new Ledger();
  private readonly left: (readonly [number, number])[];
  private readonly running = new Map<SearchJob, number>();
  private nextIndex: number;
  private batch = FIRST_BATCH;
  /** Number of the first schedule with a finding. */
  private foundAt = Number.POSITIVE_INFINITY;

  constructor(options: SampleOptions, hooks: PhaseHooks) {
    this.name = options.policy;
    this.stopAtFirst = options.stopAtFirst;
    this.options = options;
    this.hooks = hooks;
    this.nextIndex = options.next;
    this.left = [...options.left];
  }

  get found(): ReadonlyMap<string, PhaseFound> {
    return this.ledger.found;
  }
  get complete(): boolean {
    return this.left.length === 0 && this.running.size === 0 && this.nextIndex >= this.options.end;
  }
  tally(): Tally {
    return this.ledger.tally();
  }
  /** Where another run would go on. */
  position(): { next: number; left: [number, number][] } {
    const left: [number, number][] = this.left.map(([first, count]) => [first, count]);
    for (const [job, done] of this.running) {
      const { first, count } = job as SampleJob;
      if (done < count) left.push([first + done, count - done]);
    }
    return { next: this.nextIndex, left };
  }

  next(): SampleJob | null {
    const range = this.left.shift() ?? this.newRange();
    if (range === null) return null;
    const [first, count] = range;
    // With a finding, only schedules before it are of interest: which one is the first must not depend on the machine.
    if (first >= this.foundAt) {
      this.left.unshift(range);
      return null;
    }
    const { policy, seed } = this.options;
    const job: SampleJob = { kind: 'sample', policy, seed, first, count };
    this.running.set(job, 0);
    return job;
  }

  private newRange(): readonly [number, number] | null {
    const first = this.nextIndex;
    if (first >= Math.min(this.options.end, this.foundAt)) return null;
    const end = Math.min(batchEnd(first, this.batch), this.options.end);
    this.nextIndex = end;
    return [first, end - first];
  }

  report(job: SearchJob, report: StretchReport): void {
    const { first, count } = job as SampleJob;
    const sum = this.ledger.add(job, report.tally);
    this.running.set(job, sum.schedules);
    if (report.coverage !== null) this.hooks.covered(report.coverage);
    if (report.ms > 0 && report.tally.schedules > 0)
      this.batch = Math.min(MAX_BATCH, Math.ceil((report.tally.schedules / report.ms) * BATCH_MS));
    for (const found of report.found) this.keep(found, first);
    if (!report.ended) return;
    this.ledger.ended(job);
    this.running.delete(job);
    if (sum.schedules < count) this.left.push([first + sum.schedules, count - sum.schedules]);
  }

  private keep(found: Found, first: number): void {
    this.ledger.keep(found, this.name, first + found.schedules);
    if (!this.stopAtFirst) return;
    this.foundAt = Math.min(this.foundAt, first + found.schedules);
    this.hooks.stopJobs((job) => (job as SampleJob).first >= this.foundAt);
  }

  lost(job: SearchJob): 'again' {
    this.ledger.lost(job);
    this.running.set(job, 0);
    return 'again';
  }
}

/** Searches that learn: one on each process, each with its own seed, until they are stopped. */
export class NoveltyPhase implements Phase {
  readonly name = 'novelty';
  readonly depth = 1;
  readonly stopAtFirst: boolean;
  readonly complete = false;
  readonly guarantee = null;
  private readonly hooks: PhaseHooks;
  private readonly ledger = new Ledger();
  private readonly jobs: NoveltyJob[];

  constructor(seed: number, processes: number, stopAtFirst: boolean, hooks: PhaseHooks) {
    this.stopAtFirst = stopAtFirst;
    this.hooks = hooks;
    this.jobs = Array.from({ length: processes }, (_, i) => ({ kind: 'novelty', seed: ((seed + i - 1) >>> 0) + 1 }));
  }

  get found(): ReadonlyMap<string, PhaseFound> {
    return this.ledger.found;
  }
  tally(): Tally {
    return this.ledger.tally();
  }
  next(): NoveltyJob | null {
    return this.jobs.shift() ?? null;
  }
  report(job: SearchJob, report: StretchReport): void {
    this.ledger.add(job, report.tally);
    if (report.coverage !== null) this.hooks.covered(report.coverage);
    const { schedules } = this.ledger.tally();
    for (const found of report.found) this.ledger.keep(found, this.name, schedules);
    if (report.ended) this.ledger.ended(job);
    if (report.found.length > 0 && this.stopAtFirst) this.hooks.stopJobs(() => true);
  }
  lost(job: SearchJob): 'again' {
    this.ledger.lost(job);
    return 'again';
  }
}
