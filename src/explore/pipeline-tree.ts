import { Ledger, type Phase, type PhaseFound, type PhaseHooks } from './pipeline-phases.ts';
import type { SearchJob, StretchReport, Tally, TreeJob, TreeSearch } from './process-messages.ts';

/** A search of the tree of all schedules, which ends when it has seen them, or those within its bound. */
export class TreePhase implements Phase {
  readonly name: string;
  readonly depth = 1;
  readonly stopAtFirst: boolean;
  private readonly hooks: PhaseHooks;
  private readonly ledger = new Ledger();
  private readonly jobs: TreeJob[];
  private ended = false;
  private said: string | null = null;

  constructor(name: string, search: TreeSearch, stopAtFirst: boolean, hooks: PhaseHooks) {
    this.name = name;
    this.stopAtFirst = stopAtFirst;
    this.hooks = hooks;
    this.jobs = [{ kind: 'tree', search, shard: null }];
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
    return this.jobs.shift() ?? null;
  }
  report(job: SearchJob, report: StretchReport): void {
    this.ledger.add(job, report.tally);
    const { schedules } = this.ledger.tally();
    for (const found of report.found) this.ledger.keep(found, this.name, Math.min(found.schedules, schedules));
    this.said = report.guarantee ?? this.said;
    if (report.complete) this.ended = true;
    if (report.ended) this.ledger.ended(job);
    if (report.found.length > 0 && this.stopAtFirst) this.hooks.stopJobs(() => true);
  }
  lost(job: SearchJob): void {
    this.ledger.lost(job);
  }
}
