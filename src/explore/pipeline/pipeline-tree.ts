import { BoundShards } from '../search/bound-shards.ts';
import { findingKey } from '../search/search.ts';
import { TreeCoordinator } from '../search/tree-shard.ts';
import { Ledger, type Phase, type PhaseFound, type PhaseHooks } from './pipeline-phases.ts';
import type { SearchJob, StretchReport, Tally, TreeJob, TreeSearch } from './process-messages.ts';

export interface TreeOptions {
  readonly search: TreeSearch;
  readonly stopAtFirst: boolean;
  readonly threads: number;
  readonly maxSteps: number;
  readonly processes: number;
}

/** A search of the tree of all schedules, which ends when it has seen them, or those within its bound. */
export class TreePhase implements Phase {
  readonly name: string;
  readonly depth = 1;
  readonly stopAtFirst: boolean;
  private readonly options: TreeOptions;
  private readonly hooks: PhaseHooks;
  private ledger = new Ledger();
  private jobs: TreeJob[] = [];
  /** Jobs by their worker's number; and who hands out parts to them, when there are several. */
  private workers: TreeJob[] = [];
  private coordinator: TreeCoordinator | null = null;
  /** Of a search by preemptions, whose parts need nothing of each other. */
  private bound: BoundShards | null = null;
  private begunAnew = false;
  private ended = false;
  private said: string | null = null;

  constructor(options: TreeOptions, hooks: PhaseHooks) {
    this.name = options.search.kind;
    this.stopAtFirst = options.stopAtFirst;
    this.options = options;
    this.hooks = hooks;
    this.begin();
  }

  private begin(): void {
    const { search, processes, threads, maxSteps } = this.options;
    const workers = search.kind === 'dfs' ? 1 : processes;
    this.coordinator = search.kind === 'dpor' && workers > 1 ? new TreeCoordinator({ threads, maxSteps }) : null;
    this.bound = search.kind === 'bound' ? new BoundShards(workers) : null;
    this.workers = Array.from({ length: workers }, (_, i) => ({
      kind: 'tree',
      search,
      worker: workers > 1 ? i : null,
      workers,
    }));
    this.jobs = [...this.workers];
  }

  get found(): ReadonlyMap<string, PhaseFound> {
    if (this.bound === null) return this.ledger.found;
    return new Map(this.bound.found().map((one) => [findingKey(one.finding), { ...one, phase: this.name }]));
  }
  /** All schedules with at most so many preemptions were run to their end; -1: nothing of the kind is known. */
  get boundKept(): number {
    return this.bound?.kept ?? -1;
  }
  get complete(): boolean {
    return this.ended;
  }
  get guarantee(): string | null {
    return this.said;
  }
  /** Nothing was left out: not by a bound on preemptions, nor by one on steps. */
  get exhaustive(): boolean {
    return this.ended && this.said?.startsWith('exhaustive: ') === true;
  }
  tally(): Tally {
    return this.ledger.tally();
  }
  next(): TreeJob | null {
    for (let job = this.jobs.shift(); job !== undefined; job = this.jobs.shift()) if (!this.isOver(job)) return job;
    return null;
  }

  /** Nothing is left to do for a job. */
  private isOver(job: TreeJob): boolean {
    if (this.ended) return true;
    if (!this.stopAtFirst) return false;
    return this.bound === null ? this.ledger.found.size > 0 : this.bound.isBehind(job.worker ?? 0);
  }

  report(job: SearchJob, report: StretchReport): void {
    const worker = this.workers.indexOf(job as TreeJob);
    // One of a search that was begun again since.
    if (worker < 0) return;
    this.ledger.add(job, report.tally);
    if (this.bound !== null) this.addBound(this.bound, worker, report);
    else this.addTree(worker, report);
    if (report.ended) this.ledger.ended(job);
    // A process that is ready late, or waits for a part, is to end as well.
    this.hooks.stopJobs((one) => this.isOver(one as TreeJob));
  }

  private addBound(bound: BoundShards, worker: number, report: StretchReport): void {
    if (report.bound !== null) bound.report(worker, report.bound, report.found, report.complete);
    this.said = bound.guarantee() ?? this.said;
    this.ended = bound.complete;
  }

  private addTree(worker: number, report: StretchReport): void {
    const { schedules } = this.ledger.tally();
    for (const found of report.found)
      this.ledger.keep(found, this.name, this.coordinator === null ? found.schedules : schedules);
    if (this.coordinator !== null) {
      this.coordinate(this.coordinator, worker, report);
      return;
    }
    this.said = report.guarantee ?? this.said;
    this.ended ||= report.complete;
  }

  private coordinate(coordinator: TreeCoordinator, worker: number, { tree }: StretchReport): void {
    for (const message of tree) coordinator.receive(worker, message);
    for (const { to, message } of coordinator.outbox()) this.hooks.tell(this.workers[to]!, message);
    if (!coordinator.done || this.isOver(this.workers[worker]!)) return;
    this.said = coordinator.guarantee();
    this.ended = this.said !== null;
  }

  /** What a process knew of a shared tree is gone with it: the whole search begins again. */
  lost(job: SearchJob): 'again' | 'anew' | 'give-up' {
    if (this.coordinator === null) {
      this.bound?.lost((job as TreeJob).worker ?? 0);
      this.ledger.lost(job);
      return 'again';
    }
    if (this.begunAnew) return 'give-up';
    this.begunAnew = true;
    const { found } = this.ledger;
    this.ledger = new Ledger();
    for (const one of found.values()) this.ledger.keep(one, one.phase, one.schedules);
    this.hooks.stopJobs(() => true);
    this.begin();
    return 'anew';
  }
}
