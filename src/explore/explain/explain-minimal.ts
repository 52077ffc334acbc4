import type { CellPlan, VerbPlan } from '../../scenario/plan.ts';
import { loadStrategyOf } from '../../torture/strategy-file.ts';
import { type HostOptions, openHost } from '../control/host.ts';
import { replayTimes } from '../replay/replay.ts';
import type { HowFound } from '../replay/replay-file.ts';
import { describeFound, type Recorded, shrinkAndRecord } from '../replay/replay-record.ts';
import { type ShrunkLitmus, showLitmus, shrinkLitmus } from '../replay/shrink-litmus.ts';
import { resolveSubject } from '../subject/open.ts';
import type { Finding } from '../subject/subject.ts';
import { litmusCell } from './explain-search.ts';
import { type LitmusParts, litmusText, partsOfPlan } from './litmus-text.ts';

export interface MinimalInput {
  readonly plan: CellPlan;
  readonly found: { readonly finding: Finding; readonly schedule: readonly number[]; readonly preemptions: number };
  readonly how: Omit<HowFound, 'shrunkFrom' | 'fewest'>;
  readonly options: Omit<HostOptions, 'threads'>;
  /** For the file: all but what the plan says. */
  readonly text: Omit<LitmusParts, 'memory' | 'mm' | 'setup' | 'programs' | 'order'>;
  readonly budgetMs: number;
}

/** A litmus and a schedule from which nothing can be left out. */
export interface MinimalLitmus {
  readonly parts: LitmusParts;
  readonly plan: CellPlan;
  readonly recorded: Recorded;
  /** What was left out, in words. */
  readonly cut: readonly string[];
  /** How often the recorded schedule was run again, and how often it showed its finding. */
  readonly replayed: { readonly times: number; readonly reproduced: number };
}

/** Schedules for each litmus that is tried, and for the one that is left. */
const CUT_RUNS = 400;
const SHRINK_RUNS = 5000;
const PROOF_RUNS = 200_000;
/** Shares of the time: what may be left out, the same on one page; the rest is for the proof that it takes so many preemptions. */
const CUT_UNTIL = 0.6;
const NARROW_UNTIL = 0.8;
const REPLAYS = 20;

/** Makes a litmus and its schedule small, and writes it down; null when its schedule does not show the finding again. */
export async function minimalLitmus(input: MinimalInput): Promise<MinimalLitmus | null> {
  const { options, budgetMs } = input;
  await loadStrategyOf(input.plan);
  const begun = performance.now();
  const budget = (until: number, runs: number) => ({ runs, until: begun + budgetMs * until });
  const whole = { plan: input.plan, ...input.found, cut: [] };
  // First, because everything is quicker then; and again when what is left has a page in common that all of it had not.
  const first = await narrowed(whole, options, budget(CUT_UNTIL, CUT_RUNS));
  const cut = first ?? (await shrinkLitmus(input.plan, input.found, options, budget(CUT_UNTIL, CUT_RUNS)));
  if (cut === null) return null;
  const small = first ?? (await narrowed(cut, options, budget(NARROW_UNTIL, CUT_RUNS))) ?? cut;
  return write(input, small, budget(NARROW_UNTIL, SHRINK_RUNS), budget(1, PROOF_RUNS));
}

type Small = Omit<ShrunkLitmus, 'attempts'>;

/** The same on one page, as small as it can be; null when that cannot be, or does not show it. */
async function narrowed(
  { plan, finding, schedule, cut }: Small,
  options: MinimalInput['options'],
  budget: { readonly runs: number; readonly until: number },
): Promise<Small | null> {
  const narrow = performance.now() < budget.until ? onOnePage(plan) : null;
  const small = narrow === null ? null : await shrinkLitmus(narrow, { finding, schedule }, options, budget);
  return small === null ? null : { ...small, cut: [...cut, 'all pages but one', ...small.cut] };
}

/**
 * Every operation on the one page that all of them have in common, and of the setup what reaches it; null when there is none, or nothing to
 * gain.
 */
export function onOnePage(plan: CellPlan): CellPlan | null {
  const litmus = plan.litmus!;
  const verbs = litmus.programs.flat().filter((verb) => verb.file < 0);
  const common = Math.max(...verbs.map((verb) => verb.start));
  if (common < 0 || common > Math.min(...verbs.map((verb) => verb.last))) return null;
  if (verbs.every((verb) => verb.start === verb.last)) return null;
  const narrow = (verb: VerbPlan): VerbPlan => (verb.file >= 0 ? verb : { ...verb, start: common, last: common });
  const holds = (verb: VerbPlan): boolean => verb.file >= 0 || (verb.start <= common && common <= verb.last);
  return {
    ...plan,
    litmus: {
      ...litmus,
      setup: unique(litmus.setup.filter(holds).map(narrow)),
      programs: litmus.programs.map((program) => program.map(narrow)),
    },
  };
}

const unique = (verbs: readonly VerbPlan[]): VerbPlan[] =>
  verbs.filter(
    (verb, i) => verbs.findIndex((v) => v.verb === verb.verb && v.file === verb.file && v.start === verb.start) === i,
  );

/** From here on the litmus is what its file says: it is written, read again, and its schedule is recorded from that. */
async function write(
  { how, options, text, found: before }: MinimalInput,
  small: Small,
  shrinking: { readonly runs: number; readonly until: number },
  proof: { readonly runs: number; readonly until: number },
): Promise<MinimalLitmus | null> {
  const parts: LitmusParts = { ...text, ...partsOfPlan(small.plan), order: [] };
  const plan = litmusCell(litmusText(parts), text.name, small.plan);
  const spec = { kind: 'litmus', plan } as const;
  const subject = await resolveSubject(spec);
  const host = await openHost(spec, subject, { ...options, threads: subject.threads });
  try {
    const found = showLitmus(host, small.finding, small.schedule);
    if (found === null) return null;
    const { engine } = host;
    const recorded = shrinkAndRecord({ spec, subject, options, engine, found, how }, shrinking, proof);
    if (recorded === null) return null;
    const { reproduced, times } = replayTimes(engine, subject, recorded.replay, REPLAYS);
    return { parts, plan, recorded: sinceFound(recorded, before), cut: small.cut, replayed: { times, reproduced } };
  } finally {
    await host.close();
  }
}

/** How much smaller it is than what was found: in a larger litmus. */
function sinceFound(recorded: Recorded, { schedule, preemptions }: MinimalInput['found']): Recorded {
  const shrunkFrom = { preemptions, steps: schedule.length };
  const replay = { ...recorded.replay, found: { ...recorded.replay.found, shrunkFrom } };
  return { ...recorded, replay, picture: { ...recorded.picture, notes: describeFound(replay) } };
}
