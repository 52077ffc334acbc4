import type { CellPlan, LitmusPlan, VerbPlan } from '../../scenario/plan.ts';
import { pointName } from '../../trace/points.ts';
import type { Label, Step } from '../control/steps.ts';

/** A litmus with something left out. */
export interface PlanCut {
  /** For a reader: `thread T3`, `T1: madvise A`. */
  readonly what: string;
  readonly plan: CellPlan;
  /** What is left of a schedule of the whole litmus, as wishes for this one. */
  wishes(steps: readonly Step[], labels: readonly Label[]): number[];
}

/**
 * Everything that can be left out of a litmus, the largest first: a thread, a verb of one, a verb of the setup. Which of these still
 * show the finding is for `shrinkPlan` to try.
 */
export function planCuts(plan: CellPlan): PlanCut[] {
  const { litmus } = plan;
  if (litmus === null) return [];
  const programs = litmus.programs.map((_, tid) => tid);
  const nameOf = (tid: number): string => plan.threads[tid]?.name ?? `thread ${tid}`;
  const text = (verb: VerbPlan): string => `${verb.verb} ${verb.target}`.trim();
  return [
    ...(programs.length > 1 ? programs.map((tid) => withoutThread(plan, litmus, tid, `thread ${nameOf(tid)}`)) : []),
    ...programs.flatMap((tid) => {
      const program = litmus.programs[tid]!;
      if (program.length < 2) return [];
      return program.map((verb, n) => withoutVerb(plan, litmus, tid, n, `${nameOf(tid)}: ${text(verb)}`));
    }),
    ...litmus.setup.map(
      (verb, n): PlanCut => ({
        what: `setup: ${text(verb)}`,
        plan: { ...plan, litmus: { ...litmus, setup: litmus.setup.filter((_, i) => i !== n) } },
        wishes: (steps) => steps.map((step) => step.tid),
      }),
    ),
  ];
}

function withoutThread(plan: CellPlan, litmus: LitmusPlan, gone: number, what: string): PlanCut {
  const moved = (tid: number): number => (tid > gone ? tid - 1 : tid);
  return {
    what,
    plan: {
      ...plan,
      threads: plan.threads.filter((_, tid) => tid !== gone).map((thread, tid) => ({ ...thread, tid })),
      litmus: {
        ...litmus,
        programs: litmus.programs.filter((_, tid) => tid !== gone),
        order: litmus.order.filter((o) => o.tid !== gone).map((o) => ({ ...o, tid: moved(o.tid) })),
      },
    },
    wishes: (steps) => steps.filter((step) => step.tid !== gone).map((step) => moved(step.tid)),
  };
}

function withoutVerb(plan: CellPlan, litmus: LitmusPlan, tid: number, n: number, what: string): PlanCut {
  const programs = litmus.programs.map((program, i) => (i === tid ? program.filter((_, k) => k !== n) : program));
  return {
    what,
    plan: { ...plan, litmus: { ...litmus, programs } },
    wishes: (steps, labels) => {
      // A verb's steps stand behind its `verb.begin`, up to the next one of its thread.
      const begins = labels.filter((label) => label.tid === tid && pointName(label.point) === 'verb.begin');
      const from = begins[n]?.step ?? steps.length;
      const to = begins[n + 1]?.step ?? steps.length;
      return steps.flatMap((step, i) => (step.tid === tid && i >= from && i < to ? [] : [step.tid]));
    },
  };
}

/** A litmus and a schedule that shows the finding in it. */
export interface PlanSchedule {
  readonly plan: CellPlan;
  readonly steps: readonly Step[];
  readonly labels: readonly Label[];
}

/**
 * Leaves out threads and verbs as long as `attempt` still shows the finding in what is left; it gets the cut litmus and what is left
 * of the schedule, and returns one that shows it, or null. Oracles name objects by their numbers, which a cut may change, so it
 * is `attempt` that says what the same finding is.
 */
export async function shrinkPlan(
  whole: PlanSchedule,
  attempt: (plan: CellPlan, wishes: readonly number[]) => Promise<PlanSchedule | null>,
  until: number,
): Promise<{ readonly best: PlanSchedule; readonly cut: readonly string[]; readonly attempts: number }> {
  let best = whole;
  let attempts = 0;
  const cut: string[] = [];
  // What could not go will hardly go because something else went; it is not tried again.
  const needed = new Set<string>();
  restart: for (;;) {
    const seen = new Map<string, number>();
    for (const one of planCuts(best.plan)) {
      if (performance.now() >= until) break restart;
      const nth = (seen.get(one.what) ?? 0) + 1;
      seen.set(one.what, nth);
      if (needed.has(`${one.what} ${nth}`)) continue;
      attempts++;
      const smaller = await attempt(one.plan, one.wishes(best.steps, best.labels));
      if (smaller === null) {
        needed.add(`${one.what} ${nth}`);
        continue;
      }
      best = smaller;
      cut.push(one.what);
      continue restart;
    }
    break;
  }
  return { best, cut, attempts };
}
