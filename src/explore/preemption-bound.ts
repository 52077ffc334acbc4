import type { ScheduleRequest } from './engine.ts';
import { pickerId } from './policies/index.ts';
import { H, L, LOG_WORDS, lowestBit, OUTCOME, type Sched, type ScheduleOutcome } from './sched.ts';
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

/**
 * Iterative context bounding (Musuvathi, Qadeer: PLDI 2007): all schedules without a preemption, then those with one, with two, and so on. A
 * preemption takes the turn from a thread that could go on. Most bugs need few, and the first schedule that shows one needs the fewest.
 *
 * Each bound runs only the schedules with exactly so many: the schedules of the bound before are kept (a few bytes a step), and left at each
 * point where that costs one preemption. No sleep sets: what a sleeping thread stands for may need more preemptions than the bound allows, and
 * leaving it out would then lose a schedule that the guarantee counts in.
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
  private schedules = 0;
  private limited = false;
  private forced = false;
  private ended = false;
  private broken = false;

  constructor(options: { readonly maxPreemptions: number }) {
    this.max = options.maxPreemptions;
  }

  /** The bound that is being explored; schedules run so far. */
  stats(): { readonly bound: number; readonly schedules: number } {
    return { bound: this.bound, schedules: this.schedules };
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
    this.schedules++;
    if (outcome === OUTCOME.stepLimit) this.limited = true;
    if (sched.s[H.forced] !== 0) this.forced = true;
    this.open.push(this.readRun(sched));
  }

  guarantee(): string | null {
    if (this.broken) return null;
    // A bound that is being explored is not yet kept.
    const kept = this.ended ? this.bound : this.bound - 1;
    if (kept < 0) return null;
    const assuming = this.forced ? ', assuming a time-out only when nobody else can run' : '';
    const upTo = this.limited ? ', each up to the greatest number of steps' : '';
    // Nothing was left for another bound: there are no more schedules.
    const all = this.ended && !this.limited && this.bound < this.max && this.children.length === 0;
    if (all) return `exhaustive: ${this.schedules} schedules${assuming}`;
    return `all schedules with at most ${kept} preemptions${upTo}${assuming}`;
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
