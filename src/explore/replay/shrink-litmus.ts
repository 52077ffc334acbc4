import type { CellPlan } from '../../scenario/plan.ts';
import { type Host, type HostOptions, openHost } from '../control/host.ts';
import { readLabels, readSchedule } from '../control/steps.ts';
import { pickerId } from '../policies/index.ts';
import { judgeSchedule } from '../search/search.ts';
import { resolveSubject } from '../subject/open.ts';
import type { Finding } from '../subject/subject.ts';
import { followSchedule } from './replay.ts';
import { type ShrinkBudget, type Shrunk, shrink } from './shrink.ts';
import { type PlanSchedule, shrinkPlan } from './shrink-plan.ts';

export interface ShrunkLitmus {
  readonly plan: CellPlan;
  readonly finding: Finding;
  readonly schedule: readonly number[];
  /** What was left out, in words. */
  readonly cut: readonly string[];
  /** Litmus tests that were tried. */
  readonly attempts: number;
}

/** Schedules that a cut litmus gets at most when what is left of the schedule does not show the finding. */
const RANDOM_TRIES = 300;

/**
 * Leaves out of a litmus whatever its finding does not need, threads and verbs; each attempt has threads of its own. The finding must
 * come from the same oracle about the same kind of object: its number may change when something is left out.
 */
export async function shrinkLitmus(
  plan: CellPlan,
  found: { readonly finding: Finding; readonly schedule: readonly number[] },
  options: Omit<HostOptions, 'threads'>,
  budget: ShrinkBudget,
): Promise<ShrunkLitmus | null> {
  const wanted = kindOf(found.finding);
  let finding = found.finding;
  const attempt = async (candidate: CellPlan, wishes: readonly number[]): Promise<PlanSchedule | null> =>
    withHost(candidate, options, (host) => {
      const shown = showing(host, wanted, wishes);
      if (shown === null) return null;
      const { engine, subject } = host;
      const small = shrink((w) => followSchedule(engine, subject, w), shown, budget);
      if (small === null) return null;
      finding = small.finding;
      return planSchedule(host, candidate, small);
    });
  const whole = await attempt(plan, found.schedule);
  if (whole === null) return null;
  const { best, cut, attempts } = await shrinkPlan(
    whole,
    async (candidate, wishes) => {
      const before = finding;
      const smaller = await attempt(candidate, wishes);
      if (smaller === null) finding = before;
      return smaller;
    },
    budget.until,
  );
  return { plan: best.plan, finding, schedule: best.steps.map((step) => step.tid), cut, attempts };
}

const kindOf = ({ oracle, object }: Finding): string => `${oracle}\n${object.replaceAll(/\d+/g, '#')}`;

/** A litmus that does not fit, or whose setup fails without what was left out, shows nothing. */
async function withHost(
  plan: CellPlan,
  options: Omit<HostOptions, 'threads'>,
  use: (host: Host) => PlanSchedule | null,
): Promise<PlanSchedule | null> {
  const spec = { kind: 'litmus', plan } as const;
  let host: Host;
  try {
    const subject = await resolveSubject(spec);
    host = await openHost(spec, subject, { ...options, threads: subject.threads });
  } catch {
    return null;
  }
  try {
    return use(host);
  } finally {
    await host.close();
  }
}

/** A schedule of this litmus that shows the finding: what is left of the old one, or one of some random ones. */
function showing(
  { engine, subject }: Host,
  wanted: string,
  wishes: readonly number[],
): { readonly finding: Finding; readonly schedule: readonly number[] } | null {
  const followed = followSchedule(engine, subject, wishes);
  const finding = followed.findings.find((one) => kindOf(one) === wanted);
  if (finding !== undefined) return { finding, schedule: followed.steps.map((step) => step.tid) };
  for (let seed = 1; seed <= RANDOM_TRIES; seed++) {
    const outcome = engine.run({ prefix: [], policy: pickerId('pos'), seed: Math.imul(seed, 0x9e3779b1) | 1 });
    const hit = judgeSchedule(engine, subject, outcome).find((one) => kindOf(one) === wanted);
    if (hit !== undefined) return { finding: hit, schedule: readSchedule(engine.sched) };
  }
  return null;
}

/** A schedule of an open litmus that shows a finding, as above; null: none was found soon. */
export const showLitmus = (host: Host, finding: Finding, wishes: readonly number[]): ReturnType<typeof showing> =>
  showing(host, kindOf(finding), wishes);

function planSchedule({ engine }: Host, plan: CellPlan, { schedule, steps }: Shrunk): PlanSchedule {
  // Once more, for its labels.
  engine.run({ prefix: schedule, policy: pickerId('continue'), seed: 1, recording: true });
  return { plan, steps, labels: readLabels(engine.sched) };
}
