import { type Host, openHost } from '../src/explore/control/host.ts';
import { H, OUTCOME_NAMES } from '../src/explore/control/sched.ts';
import { Dpor } from '../src/explore/search/dpor.ts';
import { PreemptionBound } from '../src/explore/search/preemption-bound.ts';
import { type Found, runStretch } from '../src/explore/search/search.ts';
import { LITMUS_MAX_STEPS, litmusSubject } from '../src/explore/subject/litmus.ts';
import type { CellPlan } from '../src/scenario/plan.ts';
import { expectationOf } from '../src/torture/result.ts';
import { arenaWords } from '../src/world/size.ts';
import { attachWorld } from '../src/world/world.ts';

/** What exploring one litmus under one design has come to. */
export interface ExploredCell {
  readonly litmus: string;
  readonly strategy: string;
  readonly threads: number;
  /** What the search may say when it has run to its end, as in "exhaustive: 112 executions"; null: the time was up first. */
  readonly proof: string | null;
  readonly schedules: number;
  readonly stepsPerSchedule: number;
  readonly seconds: number;
  /** By oracle; empty: no schedule that was run violates anything. */
  readonly violations: readonly ExploredViolation[];
  /** Where there is no proof: what may be said instead, as in "all schedules with at most 2 preemptions". */
  readonly bounded: string | null;
  /** Oracles that were seen though not expected, and expected though not seen. */
  readonly unexpected: readonly string[];
  readonly missing: readonly string[];
  /** Why the search broke off, when it did. */
  readonly broken: string | null;
}

export interface ExploredViolation {
  readonly oracle: string;
  /** The first schedule of the search that showed it. */
  readonly schedule: number;
  /** The fewest preemptions with which it can be had; null: not found in the time, or not with up to MAX_PREEMPTIONS. */
  readonly preemptions: number | null;
  readonly text: string;
}

/** A violation that needs more is not looked for by the number of preemptions. */
export const MAX_PREEMPTIONS = 4;
/** Schedules between two looks whether every oracle has been seen. */
const CHUNK = 256;

/**
 * Explores one cell for at most `budgetMs`, half of it on each of the two questions: is there a violation, and how few preemptions show it;
 * and with at most `schedules` for each, so that the answer need not depend on the machine.
 */
export async function exploreCell(
  plan: CellPlan,
  budgetMs: number,
  schedules = Number.POSITIVE_INFINITY,
): Promise<ExploredCell> {
  const subject = litmusSubject(plan);
  const host = await openHost({ kind: 'litmus', plan }, subject, {
    threads: subject.threads,
    maxSteps: LITMUS_MAX_STEPS,
    timeouts: 0,
    hangMs: 20_000,
    granularity: 'lock',
  });
  try {
    return explore(plan, host, budgetMs, schedules);
  } finally {
    await host.close();
  }
}

function explore(plan: CellPlan, host: Host, budgetMs: number, schedules: number): ExploredCell {
  const { subject } = host;
  const started = performance.now();
  let steps = 0;
  const dpor = new Dpor({ threads: subject.threads, maxSteps: LITMUS_MAX_STEPS });
  const stretch = runStretch(host.engine, subject, dpor, {
    schedules,
    until: started + budgetMs / 2,
    stopAtFirst: false,
    onSchedule: ({ s }) => {
      steps += s[H.steps]!;
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const first = new Map(stretch.found.toReversed().map((found) => [found.finding.oracle, found]));
  const { fewest, bounded } = countPreemptions(host, first, stretch.ended, budgetMs / 2, schedules);
  const { must, may } = expectation(plan);
  return {
    litmus: plan.scenario,
    strategy: plan.strategy,
    threads: subject.threads,
    proof: dpor.guarantee(),
    schedules: stretch.schedules,
    stepsPerSchedule: steps / Math.max(stretch.schedules, 1),
    seconds,
    violations: [...first].map(([oracle, { finding, schedules }]) => ({
      oracle,
      schedule: schedules,
      preemptions: fewest.get(oracle) ?? null,
      text: finding.text,
    })),
    bounded,
    unexpected: [...first.keys()].filter((oracle) => !must.includes(oracle) && !may.includes(oracle)),
    missing: must.filter((oracle) => !first.has(oracle)),
    broken: stretch.broken === null ? null : (OUTCOME_NAMES[stretch.broken] ?? null),
  };
}

/**
 * By oracle, the fewest preemptions that show it: all schedules with none are run, then all with one, and so on, until every oracle of `first`
 * has been seen; what was not in it is added. And what may be said of the schedules that were run.
 */
function countPreemptions(host: Host, first: Map<string, Found>, proved: boolean, ms: number, schedules: number) {
  const fewest = new Map<string, number>();
  if (first.size === 0 && proved) return { fewest, bounded: null };
  const bound = new PreemptionBound({ maxPreemptions: MAX_PREEMPTIONS });
  const until = performance.now() + ms;
  for (let left = schedules; left > 0; ) {
    const chunk = Math.min(CHUNK, left);
    const stretch = runStretch(host.engine, host.subject, bound, { schedules: chunk, until, stopAtFirst: false });
    left -= stretch.schedules;
    for (const found of stretch.found) {
      const { oracle } = found.finding;
      if (!fewest.has(oracle)) fewest.set(oracle, found.preemptions);
      // A search that broke off before its end may have missed what this one finds.
      if (!first.has(oracle)) first.set(oracle, found);
    }
    const all = first.size > 0 && [...first.keys()].every((oracle) => fewest.has(oracle));
    if (all || stretch.ended || stretch.broken !== null || performance.now() >= until) break;
  }
  return { fewest, bounded: bound.guarantee() };
}

function expectation(plan: CellPlan): { must: readonly string[]; may: readonly string[] } {
  return expectationOf(attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4)));
}
