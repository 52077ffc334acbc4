import type { ScheduleRequest } from '../control/engine.ts';
import { H, L, LOG_WORDS, lowestBit, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import { pickerId } from '../policies/index.ts';
import type { Search } from './search.ts';

const POLICY = pickerId('continue');

/**
 * One schedule, with what differs from it by one choice. Behind its prefix it goes on with the thread that runs, else with the
 * first that can; so each schedule there is has exactly one parent: the one that it leaves at its last choice of its own.
 */
interface Run {
  readonly tids: Uint8Array;
  /** From the end of its prefix on: the threads that could have been chosen instead. */
  readonly others: Int32Array;
  /** 1: choosing another thread there is a preemption. */
  readonly preempts: Uint8Array;
  /** The next node that is looked at, from the end of the prefix; and who is left there. */
  at: number;
  left: number;
}

/** How far a search, or one shard of it, has come. */
export interface BoundProgress {
  /** Its own schedules with 0, 1, 2, ... preemptions, so far. */
  readonly counts: readonly number[];
  /** All its schedules with at most so many preemptions have run; -1: not even those with none. */
  readonly kept: number;
  /** It has none with more. */
  readonly exhausted: boolean;
  /** Schedules were cut at the greatest number of steps; some needed a time-out that nobody else could end. */
  readonly limited: boolean;
  readonly forced: boolean;
}

/** What may be said of all shards of a search together; null: nothing yet. */
export function boundGuarantee(shards: readonly BoundProgress[]): string | null {
  const assuming = shards.some(({ forced }) => forced) ? ', assuming a time-out only when nobody else can run' : '';
  const limited = shards.some((one) => one.limited);
  if (!limited && shards.every(({ exhausted }) => exhausted)) {
    const schedules = shards.reduce((sum, { counts }) => sum + counts.reduce((a, b) => a + b, 0), 0);
    return `exhaustive: ${schedules} schedules${assuming}`;
  }
  const kept = keptBound(shards);
  if (kept < 0) return null;
  return `all schedules with at most ${kept} preemptions${limited ? ', each up to the greatest number of steps' : ''}${assuming}`;
}

/** The bound up to which all shards have run all that they have. */
export function keptBound(shards: readonly BoundProgress[]): number {
  const open = shards.filter(({ exhausted }) => !exhausted);
  return open.length > 0 ? Math.min(...open.map(({ kept }) => kept)) : Math.max(...shards.map(({ kept }) => kept));
}

export interface BoundOptions {
  readonly maxPreemptions: number;
  /** This search is one of `shards`; without it, the only one. */
  readonly shard?: number;
  readonly shards?: number;
}

/**
 * Iterative context bounding (Musuvathi, Qadeer: PLDI 2007): all schedules without a preemption, then those with one, with two, and so on. A
 * preemption takes the turn from a thread that could go on. Most bugs need few, and the first schedule that shows one needs the fewest.
 *
 * Each bound runs only the schedules with exactly so many: the schedules of the bound before are kept (a few bytes a step), and left at each
 * point where that costs one preemption. No sleep sets: what a sleeping thread stands for may need more preemptions than the bound allows, and
 * leaving it out would then lose a schedule that the guarantee counts in.
 *
 * Several can share one search: a schedule is the shard's whose number is the index of its first preemption, modulo the shards; one without
 * a preemption is the first shard's. Schedules behind a preemption keep it, so a shard needs nothing of the others but the
 * schedules without one, which each runs for itself.
 */
export class PreemptionBound implements Search {
  readonly name = 'preemption-bound';
  private readonly max: number;
  /** Preemptions in the schedules that run now. */
  private bound = 0;
  /** Runs of this bound whose free choices are still to be explored: the last first. */
  private readonly open: Run[] = [];
  /** Runs of the bound before, to be left by a preemption; runs of this bound, for the next. */
  private parents: Run[] = [];
  private children: Run[] = [];
  private planned = -1;
  /** Schedules of this shard by their preemptions. */
  private readonly counts: number[] = [0];
  /** The last schedule was this shard's. */
  private own = false;
  private readonly shard: number;
  private readonly shards: number;
  private limited = false;
  private forced = false;
  private ended = false;
  private broken = false;

  constructor({ maxPreemptions, shard = 0, shards = 1 }: BoundOptions) {
    this.max = maxPreemptions;
    this.shard = shard;
    this.shards = shards;
  }

  progress(): BoundProgress {
    const done = this.ended && !this.broken;
    const exhausted = done && this.bound < this.max && this.children.length === 0;
    // A bound that is being explored is not yet kept.
    const kept = this.broken ? -1 : done ? this.bound : this.bound - 1;
    return { counts: [...this.counts], kept, exhausted, limited: this.limited, forced: this.forced };
  }

  next(): ScheduleRequest | null {
    if (this.ended || this.broken) return null;
    if (this.planned < 0) return this.request([]);
    for (;;) {
      const request = this.nextFree() ?? this.nextPreempted();
      if (request !== null) return request;
      // The bound is exhausted.
      if (this.bound === this.max || this.children.length === 0) break;
      this.bound++;
      this.counts.push(0);
      this.parents = this.children;
      this.children = [];
    }
    this.ended = true;
    return null;
  }

  learn(sched: Sched, outcome: ScheduleOutcome): void {
    if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) {
      this.broken = true;
      return;
    }
    this.own = this.bound > 0 || this.shard === 0;
    if (this.own) this.counts[this.bound]!++;
    if (outcome === OUTCOME.stepLimit) this.limited = true;
    if (sched.s[H.forced] !== 0) this.forced = true;
    this.open.push(this.readRun(sched));
  }

  ownsLast(): boolean {
    return this.own;
  }

  guarantee(): string | null {
    return this.broken ? null : boundGuarantee([this.progress()]);
  }

  /** The next choice that costs nothing: the thread that ran could not go on. */
  private nextFree(): ScheduleRequest | null {
    const { open } = this;
    while (open.length > 0) {
      const run = open[open.length - 1];
      const request = this.leave(run, 0);
      if (request !== null) return request;
      open.pop();
      rewind(run);
      if (this.bound < this.max) this.keep(run);
    }
    return null;
  }

  /** The last first: they left theirs last, and far from the first of all, where little was new. */
  private nextPreempted(): ScheduleRequest | null {
    const parents = this.parents;
    for (; parents.length > 0; parents.pop()) {
      const request = this.leave(parents[parents.length - 1], 1);
      if (request !== null) return request;
    }
    return null;
  }

  private keep(run: Run): void {
    for (let i = 0; i < run.others.length; i++) {
      if (run.preempts[i] === 0 || run.others[i] === 0) continue;
      this.children.push(run);
      return;
    }
  }

  /** The next schedule that leaves `run` at a point where that costs `cost` preemptions. */
  private leave(run: Run, cost: number): ScheduleRequest | null {
    const { tids, others, preempts } = run;
    const start = tids.length - others.length;
    for (; run.at < others.length; run.at++, run.left = -1) {
      if (preempts[run.at] !== cost) continue;
      // The first preemption of all: it says whose the schedule is.
      if (cost === 1 && this.bound === 1 && (start + run.at) % this.shards !== this.shard) continue;
      if (run.left === -1) run.left = others[run.at];
      if (run.left === 0) continue;
      const tid = lowestBit(run.left);
      run.left &= run.left - 1;
      const prefix = tids.slice(0, start + run.at + 1);
      prefix[start + run.at] = tid;
      return this.request(prefix);
    }
    return null;
  }

  private request(prefix: ArrayLike<number>): ScheduleRequest {
    this.planned = prefix.length;
    return { prefix, policy: POLICY, seed: 1 };
  }

  private readRun({ s, log }: Sched): Run {
    const steps = s[H.steps];
    const from = Math.min(this.planned, steps);
    const tids = new Uint8Array(steps);
    const others = new Int32Array(steps - from);
    const preempts = new Uint8Array(steps - from);
    for (let i = 0; i < steps; i++) {
      const at = log + i * LOG_WORDS;
      tids[i] = s[at + L.tid];
      if (i < from) continue;
      others[i - from] = s[at + L.enabled] & ~(1 << tids[i]);
      preempts[i - from] = i > 0 && ((s[at + L.enabled] >>> tids[i - 1]) & 1) !== 0 ? 1 : 0;
    }
    return { tids, others, preempts, at: 0, left: -1 };
  }
}

function rewind(run: Run): void {
  run.at = 0;
  run.left = -1;
}
