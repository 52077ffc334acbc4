import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import type { Engine } from '../control/engine.ts';
import { H, OUTCOME, OUTCOME_NAMES, type ScheduleOutcome, T, thread } from '../control/sched.ts';
import { type Label, readLabels, readSteps, type Step } from '../control/steps.ts';
import { pickerId } from '../policies/index.ts';
import { findingKey, judgeSchedule } from '../search/search.ts';
import type { Finding, Subject } from '../subject/subject.ts';
import type { Replay } from './replay-file.ts';

/** One schedule that has run. */
export interface Play {
  readonly outcome: ScheduleOutcome;
  readonly findings: readonly Finding[];
  readonly steps: readonly Step[];
}

/**
 * What a replay does where it is no longer the recorded schedule.
 *
 * - `strict`: that is its result: every step must match, and the end.
 * - `stop`: it ends there; steps behind the recorded ones are no difference.
 * - `continue`: what is left of the schedule is taken as wishes, and what comes of that is judged.
 */
export const REPLAY_MODES = ['strict', 'stop', 'continue'] as const;
export type ReplayMode = (typeof REPLAY_MODES)[number];

/** The first step that was another one than recorded. */
export interface Divergence {
  /** Its index, from 0. */
  readonly step: number;
  readonly expected: string;
  readonly found: string;
}

export interface Replayed extends Play {
  readonly labels: readonly Label[];
  readonly divergence: Divergence | null;
  /** The recorded finding, as it came out this time; null: it did not. */
  readonly shown: Finding | null;
}

/** True when two findings are the same one. */
export const sameFinding = (a: Finding, b: Finding): boolean => findingKey(a) === findingKey(b);

/** What a step does, as replay files say it: `down_read mmap_lock`. */
export const operationText = (subject: Pick<Subject, 'nameOf'>, step: Pick<Step, 'op' | 'addr'>): string => {
  const { name, access } = OP_INFO[step.op]!;
  return access === ACCESS.local ? name : `${name} ${subject.nameOf(step.addr)}`;
};

/** Runs a schedule with its steps taken as wishes: see the `follow` policy. */
export function followSchedule(engine: Engine, subject: Subject, wishes: readonly number[]): Play {
  return play(engine, subject, wishes.slice(0, engine.sched.maxSteps), 'follow', false);
}

function play(engine: Engine, subject: Subject, prefix: readonly number[], policy: string, recording: boolean): Play {
  const outcome = engine.run({ prefix, policy: pickerId(policy), seed: 1, recording });
  // The oracles may change the memory, not the log.
  const findings = judgeSchedule(engine, subject, outcome);
  return { outcome, findings, steps: readSteps(engine.sched) };
}

/** Runs a recorded schedule again and compares it, step by step. */
export function replaySchedule(
  engine: Engine,
  subject: Subject,
  replay: Replay,
  mode: ReplayMode = 'strict',
): Replayed {
  const forced = play(engine, subject, replay.schedule, 'continue', true);
  const divergence = differenceOf(engine, subject, replay, forced, mode);
  if (divergence === null || mode === 'continue') {
    const last = forced.outcome === OUTCOME.diverged ? play(engine, subject, replay.schedule, 'follow', true) : forced;
    const shown = last.findings.find((finding) => sameFinding(finding, replay.finding)) ?? null;
    return { ...last, labels: readLabels(engine.sched), divergence, shown };
  }
  const labels = readLabels(engine.sched).filter((label) => label.step <= divergence.step);
  const steps = forced.steps.slice(0, divergence.step);
  return { outcome: forced.outcome, findings: [], steps, labels, divergence, shown: null };
}

function differenceOf(
  engine: Engine,
  subject: Subject,
  replay: Replay,
  { steps, outcome }: Play,
  mode: ReplayMode,
): Divergence | null {
  const who = (tid: number): string => subject.names[tid] ?? `thread ${tid}`;
  const expected = (i: number): string =>
    i < replay.schedule.length ? `${who(replay.schedule[i]!)}: ${replay.operations[i]}` : 'the end of the schedule';
  const found = (i: number): string =>
    i < steps.length
      ? `${who(steps[i]!.tid)}: ${operationText(subject, steps[i]!)}`
      : endText(engine, subject, outcome);
  const both = Math.min(steps.length, replay.schedule.length);
  for (let i = 0; i < both; i++)
    if (expected(i) !== found(i)) return { step: i, expected: expected(i), found: found(i) };
  const cut = steps.length < replay.schedule.length || outcome === OUTCOME.diverged;
  if (!cut && (mode !== 'strict' || steps.length === both)) return null;
  // A thread that did something else than in its first schedule has taken the step without doing it.
  const step = outcome === OUTCOME.diverged ? Math.min(both, engine.sched.s[H.outcomeArg]!) : both;
  const what = step < both ? `${who(steps[step]!.tid)}: another first step than before` : found(step);
  return { step, expected: expected(step), found: what };
}

/** Steps that are not always possible, beside taking a lock. */
const WAITS: readonly number[] = [OP.resume, OP.until, OP.relax];

/** Why no step follows. */
function endText({ sched }: Engine, subject: Subject, outcome: ScheduleOutcome): string {
  const { s, prefix } = sched;
  if (outcome !== OUTCOME.diverged) return `the end (${OUTCOME_NAMES[outcome]})`;
  const tid = s[prefix + s[H.outcomeArg]!]!;
  const t = thread(tid);
  const name = subject.names[tid] ?? `thread ${tid}`;
  // All have been unwound by now, so it is the step before which it stood that tells whether it waited.
  if (!WAITS.includes(s[t + T.op]!) && OP_INFO[s[t + T.op]!]!.lock !== 'acquire') return `${name} has ended`;
  return `${name} cannot go on: ${operationText(subject, { op: s[t + T.op]!, addr: s[t + T.addr]! })}`;
}

/** How often a recorded schedule still shows its finding. */
export interface ReplayTally {
  readonly times: number;
  readonly reproduced: number;
  readonly diverged: number;
  /** The first that diverged, else the first that did not show it, else the first of all. */
  readonly telling: Replayed;
}

export function replayTimes(
  engine: Engine,
  subject: Subject,
  replay: Replay,
  times: number,
  mode: ReplayMode = 'strict',
): ReplayTally {
  let telling: Replayed | null = null;
  let reproduced = 0;
  let diverged = 0;
  const rank = (one: Replayed): number => (one.divergence !== null ? 2 : one.shown === null ? 1 : 0);
  for (let i = 0; i < times; i++) {
    const one = replaySchedule(engine, subject, replay, mode);
    if (one.shown !== null) reproduced++;
    if (one.divergence !== null) diverged++;
    if (telling === null || rank(one) > rank(telling)) telling = one;
    if (one.outcome === OUTCOME.hung) break;
  }
  return { times, reproduced, diverged, telling: telling! };
}
