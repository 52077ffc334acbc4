import type { Engine } from '../control/engine.ts';
import type { Step } from '../control/steps.ts';
import type { Finding, Subject, SubjectSpec } from '../subject/subject.ts';
import { decidingPair } from './deciding.ts';
import { type Picture, pictureOf } from './picture.ts';
import { followSchedule, operationText, type Replayed, type ReplayMode, replaySchedule } from './replay.ts';
import { type HowFound, REPLAY_SUFFIX, type Replay } from './replay-file.ts';
import { type ShrinkBudget, type Shrunk, shrink } from './shrink.ts';
import { toFewest } from './shrink-bound.ts';
import { preemptionsOf } from './shrink-segments.ts';

export interface RecordInput {
  readonly spec: SubjectSpec;
  readonly subject: Subject;
  /** How the engine was opened. */
  readonly options: {
    readonly granularity: 'lock' | 'atomic';
    readonly timeouts: number;
    readonly maxSteps: number;
    readonly races?: boolean;
  };
  readonly finding: Finding;
  /** All steps of the schedule, from its last run. */
  readonly steps: readonly Step[];
  readonly found: HowFound;
}

/** What a replay file holds. Objects are named now, so call it before the next schedule runs. */
export const recordReplay = ({ spec, subject, options, finding, steps, found }: RecordInput): Replay => ({
  name: subject.name,
  subject: spec,
  threads: subject.names,
  granularity: options.granularity,
  races: options.races === true,
  timeouts: options.timeouts,
  maxSteps: options.maxSteps,
  finding,
  schedule: steps.map((step) => step.tid),
  operations: steps.map((step) => operationText(subject, step)),
  preemptions: preemptionsOf(steps),
  found,
});

/** How a finding was come by, a line each. */
export function describeFound({ found, schedule, preemptions }: Replay): string[] {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const size = (p: number, s: number): string => `${count(p, 'preemption')} in ${count(s, 'step')}`;
  const { shrunkFrom: from, fewest } = found;
  const shrunk = from === undefined ? '' : `, shrunk from ${size(from.preemptions, from.steps)}`;
  return [
    `found by ${found.search}, seed ${found.seed}, in schedule ${found.schedules}`,
    `${size(preemptions, schedule.length)}${shrunk}`,
    ...(fewest === true && preemptions > 0
      ? [`no schedule with fewer than ${count(preemptions, 'preemption')} shows it`]
      : []),
  ];
}

/** What a drawing of a replay needs. Objects are named now, so call it before the next schedule runs. */
export const pictureOfReplay = (
  subject: Subject,
  replay: Replay,
  replayed: Replayed,
  race: readonly [number, number] | null = null,
): Picture =>
  pictureOf({
    subject,
    steps: replayed.steps,
    labels: replayed.labels,
    outcome: replayed.outcome,
    finding: replayed.shown,
    race,
    notes: describeFound(replay),
    divergence: replayed.divergence,
  });

/** Runs a record again and draws it, with the two steps whose order decides: those take some more schedules to find. */
export function drawReplay(
  engine: Engine,
  subject: Subject,
  replay: Replay,
  mode: ReplayMode = 'strict',
): { readonly replayed: Replayed; readonly picture: Picture } {
  const first = replaySchedule(engine, subject, replay, mode);
  if (first.shown === null) return { replayed: first, picture: pictureOfReplay(subject, replay, first) };
  const race = decidingPair((wishes) => followSchedule(engine, subject, wishes), first.steps, first.shown);
  // Once more, so that its objects are named in the memory that it leaves.
  const replayed = replaySchedule(engine, subject, replay, mode);
  return { replayed, picture: pictureOfReplay(subject, replay, replayed, race) };
}

export interface ShrinkInput extends Omit<RecordInput, 'steps' | 'finding' | 'found'> {
  readonly engine: Engine;
  readonly found: { readonly finding: Finding; readonly schedule: readonly number[] };
  readonly how: Omit<HowFound, 'shrunkFrom' | 'fewest'>;
}

/** A finding, made small and run once more from its record. */
export interface Recorded {
  readonly replay: Replay;
  readonly picture: Picture;
  readonly shrunk: Shrunk;
  /** False: the record does not repeat it, so the program depends on something that no schedule decides. */
  readonly repeats: boolean;
}

/**
 * Makes a found schedule small and records it; null when it does not show its finding again. With `proof` all schedules with fewer
 * preemptions are run, as far as that goes.
 */
export function shrinkAndRecord(input: ShrinkInput, budget: ShrinkBudget, proof?: ShrinkBudget): Recorded | null {
  const { engine, subject, found, how } = input;
  const small = shrink((wishes) => followSchedule(engine, subject, wishes), found, budget);
  if (small === null) return null;
  const { shrunk, fewest } =
    proof === undefined ? { shrunk: small, fewest: false } : toFewest(engine, subject, small, budget, proof);
  // Once more, so that its objects are named in the memory that it leaves.
  followSchedule(engine, subject, shrunk.schedule);
  const { before, steps, finding } = shrunk;
  const shrunkFrom = { preemptions: before.preemptions, steps: before.steps };
  const replay = recordReplay({ ...input, finding, steps, found: { ...how, shrunkFrom, fewest } });
  const { replayed, picture } = drawReplay(engine, subject, replay);
  return { replay, picture, shrunk, repeats: replayed.divergence === null && replayed.shown !== null };
}

/** A file name for a finding: `model-b-assertion.replay.json`. */
export function replayFileName({ name, finding }: Pick<Replay, 'name' | 'finding'>): string {
  const words = [name, finding.oracle, finding.object].filter((word) => word !== '').join('-');
  return `${words
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 100)}${REPLAY_SUFFIX}`;
}
