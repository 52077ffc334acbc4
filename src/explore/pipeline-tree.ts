import { Ledger, type Phase, type PhaseFound, type PhaseHooks } from './pipeline-phases.ts';
import type { SearchJob, StretchReport, Tally, TreeJob, TreeSearch } from './process-messages.ts';
import { TreeCoordinator } from './tree-shard.ts';

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
    const shared = search.kind === 'dpor' && processes > 1;
    this.coordinator = shared ? new TreeCoordinator({ threads, maxSteps }) : null;
    this.workers = Array.from({ length: shared ? processes : 1 }, (_, i) => ({
      kind: 'tree',
      search,
      worker: shared ? i : null,
    }));
    this.jobs = [...this.workers];
  }

  get found(): ReadonlyMap<string, PhaseFound> {
    return this.ledger.found;
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
    return this.isOver() ? null : (this.jobs.shift() ?? null);
  }

  private isOver(): boolean {
    return this.ended || (this.stopAtFirst && this.ledger.found.size > 0);
  }

  report(job: SearchJob, report: StretchReport): void {
    const worker = this.workers.indexOf(job as TreeJob);
    // One of a search that was begun again since.
    if (worker < 0) return;
    this.ledger.add(job, report.tally);
    const { schedules } = this.ledger.tally();
    for (const found of report.found)
      this.ledger.keep(found, this.name, this.coordinator === null ? found.schedules : schedules);
    if (this.coordinator === null) {
      this.said = report.guarantee ?? this.said;
      this.ended ||= report.complete;
    } else this.coordinate(this.coordinator, worker, report);
    if (report.ended) this.ledger.ended(job);
    // A process that is ready late, or waits for a part, is to end as well.
    if (this.isOver()) this.hooks.stopJobs(() => true);
  }

  private coordinate(coordinator: TreeCoordinator, worker: number, { tree }: StretchReport): void {
    for (const message of tree) coordinator.receive(worker, message);
    for (const { to, message } of coordinator.outbox()) this.hooks.tell(this.workers[to]!, message);
    if (!coordinator.done || this.isOver()) return;
    this.said = coordinator.guarantee();
    this.ended = this.said !== null;
  }

  /** What a process knew of a shared tree is gone with it: the whole search begins again. */
  lost(job: SearchJob): 'again' | 'anew' | 'give-up' {
    if (this.coordinator === null) {
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
