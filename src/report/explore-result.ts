import type {
  Exploration,
  ExploreSummary,
  ExploreVerdict,
  ExploreViolation,
} from '../explore/pipeline/pipeline-result.ts';
import type { ExploreProgress } from '../explore/pipeline/progress.ts';
import { DATA_RACE } from '../explore/races/race-log.ts';
import type { Picture } from '../explore/replay/picture.ts';
import { formatDuration } from '../scenario/duration.ts';
import { raceColumns } from './explore-columns.ts';
import { grouped, short, wrapText } from './format.ts';
import type { Style } from './style.ts';

/** In the folder of each violation. */
export const REPLAY_FILE = 'schedule.replay.json';
/** There, too, when it is a data race: both sides with their stacks. */
export const RACE_FILE = 'data-race.txt';
export const LOCK_ORDER_FILE = 'lockdep.txt';

export interface ExploreReportOptions {
  readonly style: Style;
  readonly width: number;
  readonly verbose: boolean;
  /** Folder of the results, as a command line in the working folder names it. */
  readonly dir: string;
}

const VERDICT_WORDS: Readonly<Record<ExploreVerdict, string>> = {
  VIOLATED: 'VIOLATED',
  PROVED: 'PROVED',
  'NO-VIOLATION': 'NO VIOLATION',
  UNKNOWN: 'UNKNOWN',
};
/** Findings whose columns are printed; all of them are in files. */
const COLUMNS_PRINTED = 2;
const MAX_ROWS = 60;

const counted = (n: number, what: string): string => `${grouped(n)} ${what}${n === 1 ? '' : 's'}`;

/** The result of one exploration. */
export function explorationLines(
  exploration: Exploration,
  pictures: readonly Picture[],
  options: ExploreReportOptions,
): string[] {
  const { style, width, verbose } = options;
  const { name, verdict, guarantee, why, violations } = exploration;
  const paint = { VIOLATED: style.red, PROVED: style.green, 'NO-VIOLATION': style.green, UNKNOWN: style.yellow };
  const indented = (text: string): string[] => wrapText(text, width - 2).map((line) => `  ${line}`);
  const lines = [
    '',
    `${style.bold(name)}  ${paint[verdict](VERDICT_WORDS[verdict])}  ${style.dim(costText(exploration))}`,
  ];
  if (why !== '') lines.push(...indented(why));
  if (guarantee !== null) lines.push(...indented(guarantee));
  violations.forEach((violation, i) => {
    lines.push(...violationLines(violation, pictures[i] ?? null, i < COLUMNS_PRINTED, options));
  });
  if (verbose) {
    for (const phase of exploration.phases) lines.push(`  ${phase.name}: ${phaseText(phase)}`);
    for (const note of exploration.notes) lines.push(...indented(`note: ${note}`));
  }
  return lines;
}

const phaseText = ({ schedules, durationMs, complete }: Exploration['phases'][number]): string =>
  `${counted(schedules, 'schedule')} in ${formatDuration(durationMs)}${complete ? ', to its end' : ''}`;

function costText({ schedules, perSecond, durationMs, processes, restarts }: Exploration): string {
  const lost = restarts === 0 ? '' : `, ${counted(restarts, 'process').replace(/processs$/, 'processes')} replaced`;
  return `${counted(schedules, 'schedule')} in ${formatDuration(durationMs)}, ${short(perSecond)}/s on ${processes === 1 ? '1 process' : `${processes} processes`}${lost}`;
}

function violationLines(
  violation: ExploreViolation,
  picture: Picture | null,
  draw: boolean,
  { style, width, dir }: ExploreReportOptions,
): string[] {
  const { oracle, object, text, phase, afterSchedules, preemptions, steps, foundWith, folder } = violation;
  const few = fewestText(violation);
  const about = object === '' ? '' : ` of ${object}`;
  const size = `${counted(preemptions, 'preemption')} in ${counted(steps, 'step')}`;
  const before =
    foundWith.preemptions === preemptions && foundWith.steps === steps
      ? ''
      : `, shrunk from ${counted(foundWith.preemptions, 'preemption')} in ${counted(foundWith.steps, 'step')}`;
  const lines = [
    ...wrapText(`${oracle}${about}: ${text}`, width - 2).map((line) => `  ${style.red(line)}`),
    `  after ${counted(afterSchedules, 'schedule')}, by ${phase}; ${size}${before}`,
    ...(few === null ? [] : wrapText(few, width - 2).map((line) => `  ${line}`)),
  ];
  if (draw && picture !== null)
    // The title and the notes above say the same.
    lines.push(
      '',
      ...raceColumns({ ...picture, notes: [] }, { width: width - 2, style, maxRows: MAX_ROWS }).map((line) =>
        `  ${line}`.trimEnd(),
      ),
      '',
    );
  if (folder === null) return lines;
  lines.push(`  replay it: odptorture replay ${dir}/${folder}/${REPLAY_FILE}`);
  if (oracle === 'lock-order') lines.push(`  who took which lock under which: ${dir}/${folder}/${LOCK_ORDER_FILE}`);
  if (oracle === DATA_RACE) lines.push(`  both sides of it: ${dir}/${folder}/${RACE_FILE}`);
  return lines;
}

function fewestText({ fewest, preemptions }: ExploreViolation): string | null {
  if (!fewest || preemptions === 0) return null;
  const fewer = preemptions === 1 ? 'without one' : `with at most ${preemptions - 1}`;
  return `${counted(preemptions, 'preemption')} ${preemptions === 1 ? 'is' : 'are'} the fewest possible: all schedules ${fewer} were tried`;
}

/** The last line: how many of what, and the verdict over all. */
export function closingExploreLine({ explorations, verdict, interrupted }: ExploreSummary): string {
  const count = (one: ExploreVerdict): number =>
    explorations.filter((exploration) => exploration.verdict === one).length;
  const words = (['VIOLATED', 'PROVED', 'NO-VIOLATION', 'UNKNOWN'] as const)
    .filter((one) => count(one) > 0)
    .map((one) => `${count(one)} ${VERDICT_WORDS[one].toLowerCase()}`);
  const schedules = explorations.reduce((sum, one) => sum + one.schedules, 0);
  const what = explorations.length === 0 ? 'nothing explored' : words.join(', ');
  return `odptorture: ${what}, ${counted(schedules, 'schedule')}${interrupted ? ', interrupted' : ''}; ${VERDICT_WORDS[verdict]}`;
}

/** What the status block, or a heartbeat, says of an exploration. */
export function progressLines({ phase, schedules, perSecond, coverage, found, processes }: ExploreProgress): string[] {
  const seen =
    coverage === null
      ? ''
      : `, ${grouped(coverage.distinct)}${coverage.atLeast ? '+' : ''} distinct of about ${short(coverage.estimate)} or more`;
  return [
    `${phase}: ${grouped(schedules)} schedules, ${short(perSecond)}/s on ${processes === 1 ? '1 process' : `${processes} processes`}${seen}`,
    found === 0 ? 'no violation so far' : counted(found, 'distinct violation'),
  ];
}
