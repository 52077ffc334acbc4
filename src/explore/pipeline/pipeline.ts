import { findingKey } from '../search/search.ts';
import type { Finding } from '../subject/subject.ts';
import type { Pool } from './coordinator.ts';
import { type CoverageBook, type CoverageState, type CoverageWords, createCoverageBook } from './pipeline-coverage.ts';
import { NoveltyPhase, type Phase, type PhaseFound, type PhaseHooks, SamplePhase } from './pipeline-phases.ts';
import type { Policy } from './pipeline-policy.ts';
import type { ExplorePhase } from './pipeline-result.ts';
import { type TreeOptions, TreePhase } from './pipeline-tree.ts';
import { addTally, noTally, type SamplePolicy, type Tally, type TreeSearch } from './process-messages.ts';
import { createRate, type ExploreProgress } from './progress.ts';

export interface PipelineOptions {
  readonly policy: Policy;
  /** Preemptions up to which `default` and `bound` go; null: 2 for `default`, without end for `bound`. */
  readonly bound: number | null;
  /** Schedules at most; null: as many as the time allows. */
  readonly schedules: number | null;
  /** Of all runs of this exploration together, milliseconds. */
  readonly durationMs: number;
  readonly seed: number;
  readonly stopAtFirst: boolean;
  /** With `stopAtFirst` off: a finding that ends it all the same. */
  readonly wanted?: (finding: Finding) => boolean;
  readonly maxSteps: number;
}

export interface PipelineHooks {
  readonly signal: AbortSignal;
  progress(progress: ExploreProgress): void;
  /** Called now and then with what another run needs to go on. */
  checkpoint(state: PipelineState): void;
  note(text: string): void;
}

/** A finding with the number of the schedule, over all phases, that showed it first. */
export interface PipelineFound extends PhaseFound {
  readonly afterSchedules: number;
}

/** How far an exploration has come: plain data, in the checkpoint. */
export interface PipelineState {
  readonly elapsedMs: number;
  readonly tally: Tally;
  /** Phases that are over, or that were begun and cut. */
  readonly phases: readonly ExplorePhase[];
  readonly found: readonly PipelineFound[];
  /** Where the sampler goes on; null before it has begun. */
  readonly sampler: { readonly next: number; readonly left: readonly (readonly [number, number])[] } | null;
  /** Phase that runs. */
  readonly current: string | null;
  readonly guarantee: string | null;
  readonly proved: boolean;
  /** All schedules with at most so many preemptions were run to their end; -1: nothing of the kind. */
  readonly boundKept: number;
  readonly coverage: CoverageState | null;
}

export const startState = (): PipelineState => ({
  elapsedMs: 0,
  tally: noTally(),
  phases: [],
  found: [],
  sampler: null,
  current: null,
  guarantee: null,
  proved: false,
  boundKept: -1,
  coverage: null,
});

/** Shares of the time that the searches of the tree may take in `default`, counted from the start. */
const BOUND_UNTIL = 0.25;
const DPOR_UNTIL = 0.55;
const DEFAULT_BOUND = 2;
const MAX_BOUND = 1000;

const PROGRESS_MS = 250;
const FIRST_CHECKPOINT_MS = 500;
const CHECKPOINT_MS = 2000;
const RATE_WINDOW_MS = 3000;

/** The phases of one exploration, one after the other. */
export class Pipeline {
  private readonly pool: Pool;
  private readonly options: PipelineOptions;
  private readonly hooks: PipelineHooks;
  private readonly from: PipelineState;
  private readonly begunAt = performance.now();
  private readonly tally: Tally;
  private readonly phases: ExplorePhase[];
  private readonly found = new Map<string, PipelineFound>();
  private readonly coverage: CoverageBook;
  private readonly rate = createRate(RATE_WINDOW_MS);
  private sampler: PipelineState['sampler'];
  private guarantee: string | null;
  private proved: boolean;
  private boundKept: number;
  private phase: Phase | null = null;
  private phaseBegunAt = 0;
  private nextCheckpointAt = performance.now() + FIRST_CHECKPOINT_MS;

  constructor(pool: Pool, options: PipelineOptions, hooks: PipelineHooks, from: PipelineState) {
    this.pool = pool;
    this.options = options;
    this.hooks = hooks;
    this.from = from;
    this.tally = { ...noTally(), ...from.tally };
    this.phases = [...from.phases];
    for (const one of from.found) this.found.set(findingKey(one.finding), one);
    this.coverage = createCoverageBook(from.coverage);
    this.sampler = from.sampler;
    this.guarantee = from.guarantee;
    this.proved = from.proved;
    this.boundKept = from.boundKept;
  }

  async run(): Promise<PipelineState> {
    const timer = setInterval(() => this.tick(), PROGRESS_MS);
    const onAbort = (): void => this.pool.stop();
    this.hooks.signal.addEventListener('abort', onAbort);
    try {
      await this.runPolicy(this.options.policy);
    } finally {
      clearInterval(timer);
      this.hooks.signal.removeEventListener('abort', onAbort);
    }
    return this.state();
  }

  /** What was seen in sampled schedules; null: none were. */
  covered(): CoverageWords | null {
    return this.coverage.summary();
  }

  /** All that another run needs. */
  state(): PipelineState {
    const running = this.phase;
    const tally = this.totals();
    return {
      elapsedMs: this.elapsed(),
      tally,
      phases: running === null ? this.phases : [...this.phases, this.phaseResult(running)],
      found: [...this.found.values()],
      sampler: running instanceof SamplePhase ? running.position() : this.sampler,
      current: running?.name ?? null,
      guarantee: this.guarantee,
      proved: this.proved,
      boundKept: this.boundKept,
      coverage: this.coverage.save(),
    };
  }

  private elapsed(): number {
    return this.from.elapsedMs + performance.now() - this.begunAt;
  }
  private totals(): Tally {
    const sum = { ...this.tally };
    if (this.phase !== null) addTally(sum, this.phase.tally());
    return sum;
  }
  /** Nothing more is to be done: by a finding, a proof, a signal, or because the budget is used up. */
  private over(): boolean {
    const { stopAtFirst, schedules, durationMs } = this.options;
    return (
      this.proved ||
      this.hooks.signal.aborted ||
      (stopAtFirst && this.found.size > 0) ||
      this.hasWanted(this.found) ||
      this.elapsed() >= durationMs ||
      (schedules !== null && this.tally.schedules >= schedules)
    );
  }

  private hasWanted(found: ReadonlyMap<string, PhaseFound>): boolean {
    const { wanted } = this.options;
    return wanted !== undefined && [...found.values()].some((one) => wanted(one.finding));
  }

  private async runPolicy(policy: Policy): Promise<void> {
    switch (policy) {
      case 'default':
        return this.runAll();
      case 'bound':
        return this.runTree(boundSearch(this.options.bound ?? MAX_BOUND), 1);
      case 'dpor':
      case 'dfs':
        return this.runTree({ kind: policy }, 1);
      case 'novelty':
        return this.runNovelty();
      default:
        await this.runSampler(policy, false);
    }
  }

  private async runAll(): Promise<void> {
    await this.runTree(boundSearch(this.options.bound ?? DEFAULT_BOUND), BOUND_UNTIL);
    await this.runTree({ kind: 'dpor' }, DPOR_UNTIL);
    await this.runSampler('mix', true);
    await this.runNovelty();
  }

  private async runTree(search: TreeSearch, until: number): Promise<void> {
    // A search that another run has cut off starts afresh; one that came to its end is not repeated.
    if (this.phases.some((phase) => phase.name === search.kind && phase.complete)) return;
    const phase = new TreePhase(this.treeOptions(search), this.phaseHooks());
    await this.runPhase(phase, until);
    this.boundKept = Math.max(this.boundKept, phase.boundKept);
    if (phase.guarantee === null || this.proved) return;
    // What a proof says is not made weaker by what came before it.
    this.guarantee = phase.guarantee;
    this.proved = phase.exhaustive;
  }

  private treeOptions(search: TreeSearch): TreeOptions {
    const { stopAtFirst, maxSteps } = this.options;
    return { search, stopAtFirst, maxSteps, threads: this.pool.facts.names.length, processes: this.pool.size };
  }

  private async runSampler(policy: SamplePolicy, mayFlatten: boolean): Promise<void> {
    const { schedules, seed, stopAtFirst } = this.options;
    const { next, left } = this.sampler ?? { next: 0, left: [] };
    // Schedules that are still to be run: first those of batches that an earlier run had begun.
    let open = schedules === null ? Number.MAX_SAFE_INTEGER - next : schedules - this.tally.schedules;
    const begun = left.map(([first, count]) => {
      const some = Math.min(count, open);
      open -= some;
      return [first, some] as const;
    });
    const end = next + open;
    const phase = new SamplePhase(
      { policy, seed, next, left: begun.filter(([, count]) => count > 0), end, stopAtFirst },
      this.phaseHooks(),
    );
    await this.runPhase(phase, 1, mayFlatten);
  }

  private async runNovelty(): Promise<void> {
    const { seed, stopAtFirst } = this.options;
    await this.runPhase(new NoveltyPhase(seed, this.pool.size, stopAtFirst, this.phaseHooks()), 1);
  }

  private phaseHooks(): PhaseHooks {
    return {
      stopJobs: (which) => this.pool.stopJobs(which),
      tell: (job, message) => this.pool.tell(job, message),
      covered: (coverage) => this.coverage.add(coverage, this.phase instanceof SamplePhase),
    };
  }

  /** Runs a phase until its end, or until `until` of the time has passed. */
  private async runPhase(phase: Phase, until: number, mayFlatten = false): Promise<void> {
    if (this.over()) return;
    this.phase = phase;
    this.phaseBegunAt = performance.now();
    const left = this.options.durationMs * until - this.elapsed();
    const timer = setTimeout(() => this.pool.stop(), Math.max(0, left));
    const watch = setInterval(() => {
      if (this.enough(until) || this.hasWanted(phase.found) || (mayFlatten && this.coverage.flat())) this.pool.stop();
    }, PROGRESS_MS / 5);
    try {
      await this.pool.run(phase);
    } finally {
      clearTimeout(timer);
      clearInterval(watch);
      this.endPhase(phase);
    }
  }

  private enough(until: number): boolean {
    const { schedules } = this.options;
    // A sampler knows its own end, to the schedule.
    return schedules !== null && !(this.phase instanceof SamplePhase) && this.totals().schedules >= schedules * until;
  }

  private endPhase(phase: Phase): void {
    for (const [key, one] of phase.found) {
      if (this.found.has(key)) continue;
      this.found.set(key, { ...one, afterSchedules: this.tally.schedules + one.schedules });
    }
    if (phase instanceof SamplePhase) this.sampler = phase.position();
    this.phases.push(this.phaseResult(phase));
    addTally(this.tally, phase.tally());
    this.phase = null;
    this.checkpoint();
  }

  private phaseResult(phase: Phase): ExplorePhase {
    return {
      name: phase.name,
      schedules: phase.tally().schedules,
      durationMs: performance.now() - this.phaseBegunAt,
      complete: phase.complete,
      guarantee: phase.guarantee,
    };
  }

  private checkpoint(): void {
    const begun = performance.now();
    this.hooks.checkpoint(this.state());
    const now = performance.now();
    // Much that was seen takes long to write: never more than a twentieth of the time.
    this.nextCheckpointAt = now + Math.max(CHECKPOINT_MS, 20 * (now - begun));
  }

  /** How long it will take in all: a number of schedules at the rate so far, or the time that was given. */
  private expectedMs(schedules: number): number {
    const asked = this.options.schedules;
    if (asked === null || schedules === 0) return this.options.durationMs;
    return Math.min(this.options.durationMs, (this.elapsed() * asked) / schedules);
  }

  private tick(): void {
    const { phase } = this;
    if (phase === null) return;
    const { schedules } = this.totals();
    const now = performance.now();
    this.hooks.progress({
      phase: phase.name,
      elapsedMs: this.elapsed(),
      durationMs: this.expectedMs(schedules),
      schedules,
      perSecond: this.rate(now, schedules),
      coverage: this.coverage.summary(),
      found: this.found.size + [...phase.found.keys()].filter((key) => !this.found.has(key)).length,
      processes: this.pool.size,
    });
    if (now >= this.nextCheckpointAt) this.checkpoint();
  }
}

const boundSearch = (preemptions: number): TreeSearch => ({ kind: 'bound', preemptions });
