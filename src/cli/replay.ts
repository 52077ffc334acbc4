import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Picture } from '../explore/replay/picture.ts';
import { REPLAY_MODES, type ReplayMode, type ReplayTally } from '../explore/replay/replay.ts';
import type { Replay } from '../explore/replay/replay-file.ts';
import { raceColumns, stepText } from '../report/explore-columns.ts';
import { raceHtml } from '../report/explore-html.ts';
import { type ColorChoice, styleFor, wantsColor } from '../report/style.ts';
import { EXIT, OdpError, systemReason } from '../scenario/errors.ts';
import { pathOfStrategy, withFileOfToday } from '../torture/strategy-file.ts';
import { wholeIn } from './options.ts';
import type { Terminal } from './terminal-io.ts';

export interface ReplayFlags {
  readonly times: number;
  readonly mode: ReplayMode;
  readonly html?: string;
  readonly json?: boolean;
  readonly color: ColorChoice;
}

const MAX_TIMES = 1_000_000;

export function addReplayOptions(command: Command): Command {
  return command
    .option('--times <n>', 'run it so often', wholeIn(1, MAX_TIMES), 1)
    .addOption(
      new Option(
        '--mode <mode>',
        'strict: any other step, or end, ends it; stop: its recorded steps count; continue: it goes on',
      )
        .choices(REPLAY_MODES)
        .default('strict'),
    )
    .option('--html <file>', 'draw it as a page, to be stepped through')
    .option('--json', 'print the result as JSON and nothing else')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));
}

/** One step may take this long before its thread is taken to hang. */
const HANG_MS = 10_000;

/**
 * `odptorture replay FILE`: runs a recorded schedule again and draws it. Exit code 1 when it shows its violation, 0 when it runs to its
 * end and does not any more, 4 when it can no longer be followed.
 */
export async function replayCommand(given: string, flags: ReplayFlags, terminal: Terminal): Promise<number> {
  const path = resolve(terminal.cwd, given);
  // Loaded here: most commands need no threads.
  const { readReplayFile } = await import('../explore/replay/replay-file.ts');
  const recorded = readReplayFile(path);
  const { replay, changed } = ofToday(recorded);
  if (changed !== null) terminal.err(`odptorture: ${changed} has changed since the schedule was recorded`);
  const { tally, picture, hung } = await run(replay, path, flags);
  if (flags.html !== undefined) writeHtml(resolve(terminal.cwd, flags.html), picture);
  if (flags.json === true) terminal.out(JSON.stringify(jsonOf(replay, flags, tally, picture), null, 2));
  else {
    const color = wantsColor(flags.color, terminal.env, terminal.outIsTty);
    for (const line of raceColumns(picture, { width: terminal.width, style: styleFor(color) })) terminal.out(line);
    terminal.out('');
    for (const line of closingLines(replay, tally)) terminal.out(line);
    if (flags.html !== undefined) terminal.out(`drawn in ${flags.html}`);
  }
  if (tally.reproduced > 0) return EXIT.violation;
  if (hung) return EXIT.crash;
  return tally.diverged > 0 ? EXIT.unknown : EXIT.ok;
}

/** A strategy of a user's is replayed as it is today: whether it still fails is what its author wants to know. */
function ofToday(replay: Replay): { readonly replay: Replay; readonly changed: string | null } {
  const { subject } = replay;
  if (subject.kind !== 'litmus' || subject.plan.strategyFile === undefined) return { replay, changed: null };
  const { plan, changed } = withFileOfToday(subject.plan);
  return {
    replay: { ...replay, subject: { ...subject, plan } },
    changed: changed ? pathOfStrategy(plan.strategyFile!) : null,
  };
}

interface Run {
  readonly tally: ReplayTally;
  readonly picture: Picture;
  readonly hung: boolean;
}

async function run(replay: Replay, path: string, flags: ReplayFlags): Promise<Run> {
  const [{ openHost }, { resolveSubject }, { replayTimes }, { drawReplay, pictureOfReplay }, { OUTCOME }] =
    await Promise.all([
      import('../explore/control/host.ts'),
      import('../explore/subject/open.ts'),
      import('../explore/replay/replay.ts'),
      import('../explore/replay/replay-record.ts'),
      import('../explore/control/sched.ts'),
    ]);
  const subject = await resolveSubject(replay.subject);
  if (subject.threads !== replay.threads.length)
    throw new OdpError({
      code: 'ODP_E_REPLAY_INVALID',
      message: `'${subject.name}' has ${subject.threads} threads, it was recorded with ${replay.threads.length}`,
      at: path,
    });
  const host = await openHost(replay.subject, subject, {
    threads: subject.threads,
    maxSteps: replay.maxSteps,
    timeouts: replay.timeouts,
    hangMs: HANG_MS,
    granularity: replay.granularity,
    races: replay.races,
  });
  try {
    const tally = replayTimes(host.engine, subject, replay, flags.times, flags.mode);
    const { telling } = tally;
    const picture =
      telling.shown === null
        ? pictureOfReplay(subject, replay, telling)
        : drawReplay(host.engine, subject, replay, flags.mode).picture;
    return { tally, picture, hung: telling.outcome === OUTCOME.hung };
  } finally {
    await host.close();
  }
}

function writeHtml(path: string, picture: Picture): void {
  try {
    writeFileSync(path, raceHtml(picture));
  } catch (error) {
    const message = `the page cannot be written: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_OUTPUT', message, at: path }, { cause: error });
  }
}

function closingLines(replay: Replay, tally: ReplayTally): string[] {
  const { times, reproduced, diverged, telling } = tally;
  const lines = [`reproduced ${reproduced} of ${times}`];
  const { divergence } = telling;
  if (divergence !== null) {
    lines.push(`diverged ${diverged} of ${times}, first at step ${divergence.step + 1}`);
    lines.push(`  expected ${divergence.expected}`, `  found    ${divergence.found}`);
  } else if (reproduced < times) lines.push(`not shown any more: ${replay.finding.oracle}: ${replay.finding.text}`);
  return lines;
}

function jsonOf(replay: Replay, flags: ReplayFlags, tally: ReplayTally, picture: Picture): Record<string, unknown> {
  return {
    schemaVersion: 1,
    name: replay.name,
    finding: replay.finding,
    found: replay.found,
    mode: flags.mode,
    times: tally.times,
    reproduced: tally.reproduced,
    diverged: tally.diverged,
    divergence: tally.telling.divergence,
    outcome: picture.outcome,
    shown: picture.finding,
    preemptions: picture.preemptions,
    threads: picture.threads,
    steps: picture.steps.map((step) => ({
      thread: picture.threads[step.tid],
      step: stepText(step),
      preempts: step.preempts,
      racing: step.racing,
    })),
  };
}
