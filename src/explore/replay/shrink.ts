import { OUTCOME } from '../control/sched.ts';
import type { Step } from '../control/steps.ts';
import type { Finding } from '../subject/subject.ts';
import { type Play, sameFinding } from './replay.ts';
import {
  type Cost,
  causalPast,
  costOf,
  isLess,
  isPreemption,
  isSync,
  type Segment,
  segmentsOf,
  wishesOf,
} from './shrink-segments.ts';

/** Runs a schedule whose steps are wishes; see `followSchedule`. */
export type RunWishes = (wishes: readonly number[]) => Play;

export interface ShrinkBudget {
  /** Schedules at most. */
  readonly runs: number;
  /** performance.now() at which it ends. */
  readonly until: number;
}

export interface ShrinkStage {
  readonly name: string;
  readonly runs: number;
  readonly preemptions: number;
  readonly steps: number;
}

export interface Shrunk {
  /** As it came out at last: its text may have other numbers. */
  readonly finding: Finding;
  /** Tids of all its steps: exact, with no wish left. */
  readonly schedule: readonly number[];
  readonly steps: readonly Step[];
  readonly preemptions: number;
  readonly before: Cost;
  readonly after: Cost;
  /** Schedules that it took. */
  readonly runs: number;
  readonly stages: readonly ShrinkStage[];
  /** False: the budget ended first, so it may not be as small as it could be. */
  readonly done: boolean;
}

/** The smallest schedule so far, and how it was come by. */
interface Best {
  readonly run: RunWishes;
  readonly wanted: Finding;
  readonly budget: ShrinkBudget;
  readonly tried: Set<string>;
  runs: number;
  finding: Finding;
  steps: readonly Step[];
  outcome: number;
  cost: Cost;
  segments: Segment[];
}

/**
 * Makes a schedule small, as long as it shows the same finding: what the failure does not depend on goes first, then preemptions,
 * then whole threads; the switches that are left move to where threads wait for each other anyway. Null when the schedule does not
 * show the finding in the first place.
 */
export function shrink(
  run: RunWishes,
  found: { readonly finding: Finding; readonly schedule: readonly number[] },
  budget: ShrinkBudget,
): Shrunk | null {
  const first = run(found.schedule);
  const finding = first.findings.find((one) => sameFinding(one, found.finding));
  if (finding === undefined) return null;
  const before = costOf(first.steps);
  const best: Best = {
    run,
    wanted: finding,
    budget,
    tried: new Set(),
    runs: 1,
    finding,
    steps: first.steps,
    outcome: first.outcome,
    cost: before,
    segments: segmentsOf(first.steps.map((step) => step.tid)),
  };
  const stages: ShrinkStage[] = [];
  const stage = (name: string, work: (best: Best) => void): void => {
    const from = best.runs;
    work(best);
    stages.push({ name, runs: best.runs - from, preemptions: best.cost.preemptions, steps: best.cost.steps });
  };
  for (let round: Cost | null = null; round === null || isLess(best.cost, round); ) {
    round = best.cost;
    stage('past', dropBystanders);
    stage('preemptions', dropSwitches);
    stage('order', reorder);
    stage('threads', dropThreads);
    stage('places', moveSwitches);
    if (spent(best)) break;
  }
  return {
    finding: best.finding,
    schedule: best.steps.map((step) => step.tid),
    steps: best.steps,
    preemptions: best.cost.preemptions,
    before,
    after: best.cost,
    runs: best.runs,
    stages,
    done: !spent(best),
  };
}

const spent = ({ runs, budget }: Best): boolean => runs >= budget.runs || performance.now() >= budget.until;

/** Runs a candidate; true when it is the new best. */
function attempt(best: Best, wishes: readonly number[]): boolean {
  const key = wishes.join();
  if (spent(best) || best.tried.has(key)) return false;
  best.tried.add(key);
  best.runs++;
  const { findings, steps, outcome } = best.run(wishes);
  const finding = findings.find((one) => sameFinding(one, best.wanted));
  if (finding === undefined) return false;
  const cost = costOf(steps);
  if (!isLess(cost, best.cost)) return false;
  best.finding = finding;
  best.steps = steps;
  best.outcome = outcome;
  best.cost = cost;
  best.segments = segmentsOf(steps.map((step) => step.tid));
  return true;
}

const attemptSegments = (best: Best, segments: readonly Segment[]): boolean => attempt(best, wishesOf(segments));

/** A thread that threw ends the schedule: what its last step does not depend on need not have happened. */
function dropBystanders(best: Best): void {
  if (best.outcome !== OUTCOME.threw || best.steps.length === 0) return;
  attempt(
    best,
    causalPast(best.steps, best.steps.length - 1).map((i) => best.steps[i]!.tid),
  );
}

/** Delta debugging over the segments: halves first, single ones last. */
function dropSwitches(best: Best): void {
  let parts = 2;
  while (best.segments.length >= 2 && !spent(best)) {
    const size = Math.ceil(best.segments.length / parts);
    let less = false;
    for (let from = 0; from < best.segments.length && !less; from += size)
      less = attemptSegments(best, [...best.segments.slice(0, from), ...best.segments.slice(from + size)]);
    if (less) parts = Math.max(2, parts - 1);
    else if (size === 1) return;
    else parts = Math.min(best.segments.length, parts * 2);
  }
}

/** What delta debugging cannot do: a segment goes to another place, or two go that only go together. */
function reorder(best: Best): void {
  restart: while (!spent(best)) {
    const { segments } = best;
    for (let i = 0; i < segments.length; i++) {
      const rest = segments.filter((_, k) => k !== i);
      for (let j = 0; j <= rest.length; j++) {
        const at = (k: number): Segment[] => [...rest.slice(0, k), segments[i]!, ...rest.slice(k)];
        if (j !== i && attemptSegments(best, at(j))) continue restart;
        if (j > i && j < rest.length && attemptSegments(best, [...rest.slice(0, j), ...rest.slice(j + 1)]))
          continue restart;
      }
    }
    return;
  }
}

/** A thread that need not run goes to the end, where a failure comes before it; or it runs before all others. */
function dropThreads(best: Best): void {
  for (const tid of new Set(best.steps.map((step) => step.tid))) {
    const own = best.steps.filter((step) => step.tid === tid).map(() => tid);
    const others = best.steps.flatMap((step) => (step.tid === tid ? [] : [step.tid]));
    if (attempt(best, others)) continue;
    if (attempt(best, [...others, ...own])) continue;
    attempt(best, [...own, ...others]);
  }
}

/** Other places for a switch are tried this far away. */
const NEAR = 6;

/**
 * Moves each preemption: to its thread's end, so that it is none, to the nearest place where that thread waits for others or has just
 * let them in, or a little to either side, where that makes the whole shorter.
 */
function moveSwitches(best: Best): void {
  restart: while (!spent(best)) {
    const { segments, steps } = best;
    const own = new Map<number, Step[]>();
    for (const step of steps) own.set(step.tid, [...(own.get(step.tid) ?? []), step]);
    let at = 0;
    const done = new Map<number, number>();
    for (let k = 0; k + 1 < segments.length; k++) {
      const { tid, end } = segments[k]!;
      at += end - (done.get(tid) ?? 0);
      done.set(tid, end);
      if (!isPreemption(steps, at)) continue;
      for (const place of placesFor(own.get(tid)!, end))
        if (attemptSegments(best, [...segments.slice(0, k), { tid, end: place }, ...segments.slice(k + 1)]))
          continue restart;
    }
    return;
  }
}

/** Where else a thread with these steps could be stopped than behind the first `end`. */
function placesFor(own: readonly Step[], end: number): number[] {
  const all = Array.from({ length: own.length + 1 }, (_, n) => n)
    .filter((n) => n !== end)
    .sort((a, b) => Math.abs(a - end) - Math.abs(b - end));
  const sync = all.filter((n) => (n > 0 && isSync(own[n - 1]!)) || (n < own.length && isSync(own[n]!)));
  return [Number.POSITIVE_INFINITY, ...sync, ...all.filter((n) => Math.abs(n - end) <= NEAR)];
}
