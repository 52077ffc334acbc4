import { join } from 'node:path';
import type { ExploreSettings } from '../explore/pipeline/checkpoint.ts';
import { Pool } from '../explore/pipeline/coordinator.ts';
import { Pipeline, type PipelineFound, type PipelineState, startState } from '../explore/pipeline/pipeline.ts';
import type { Exploration, ExploreViolation } from '../explore/pipeline/pipeline-result.ts';
import { explorationOf } from '../explore/pipeline/pipeline-verdict.ts';
import { allowedCores } from '../explore/pipeline/process.ts';
import type { Minimized } from '../explore/pipeline/process-messages.ts';
import type { ExploreProgress } from '../explore/pipeline/progress.ts';
import type { RaceTotals } from '../explore/races/race-log.ts';
import type { Picture } from '../explore/replay/picture.ts';
import { writeReplayFile } from '../explore/replay/replay-file.ts';
import { raceColumns } from '../report/explore-columns.ts';
import { raceHtml } from '../report/explore-html.ts';
import { LOCK_ORDER_FILE, RACE_FILE, REPLAY_FILE } from '../report/explore-result.ts';
import { kcsanReport } from '../report/kcsan.ts';
import { lockdepReport } from '../report/lockdep.ts';
import { makeFolders } from '../results/folder.ts';
import type { RunStore } from '../results/store.ts';
import { OdpError } from '../scenario/errors.ts';
import type { Target } from './explore-targets.ts';

export interface OneContext {
  readonly target: Target;
  readonly settings: ExploreSettings;
  readonly schedules: number | null;
  readonly durationMs: number;
  /** Processes; null: one a core. */
  readonly jobs: number | null;
  readonly from: PipelineState | null;
  readonly signal: AbortSignal;
  readonly store: RunStore;
  readonly cwd: string;
  /** Number of the next violation's folder. */
  readonly firstViolation: number;
  progress(progress: ExploreProgress): void;
  checkpoint(state: PipelineState): void;
  note(text: string): void;
}

export interface One {
  readonly exploration: Exploration;
  /** Of its violations, in their order. */
  readonly pictures: readonly Picture[];
}

/** A step may take this long before its thread is taken to hang. */
const HANG_MS = 5000;
/** To make one finding small, and all of them. */
const SHRINK_MS = 5_000;
const SHRINK_ALL_MS = 60_000;
/** Of timeline.txt. */
const TEXT_WIDTH = 140;

/** Explores one target: starts the processes, runs the pipeline, makes what it has found small and writes it down. */
export async function exploreOne(context: OneContext): Promise<One> {
  const { target, settings, signal } = context;
  const begun = performance.now();
  const cores = allowedCores();
  const jobs = context.jobs ?? cores.length;
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
    context.note(text);
  };
  const pool = await Pool.open({
    request: {
      spec: target.spec,
      options: {
        granularity: settings.granularity,
        maxSteps: settings.maxSteps,
        timeouts: settings.timeouts,
        hangMs: HANG_MS,
        races: settings.races,
      },
    },
    cores: Array.from({ length: jobs }, (_, i) => cores[i % cores.length]!),
    note,
  });
  try {
    const pipeline = new Pipeline(
      pool,
      {
        policy: settings.policy,
        bound: settings.bound,
        schedules: context.schedules,
        durationMs: context.durationMs,
        seed: settings.seed,
        stopAtFirst: !settings.all,
        maxSteps: settings.maxSteps,
      },
      { signal, progress: context.progress, checkpoint: context.checkpoint, note },
      context.from ?? startState(),
    );
    for (const thread of pool.facts.unseen)
      note(`thread '${thread}' took no step that the scheduler sees: it was explored as one piece`);
    const state = await pipeline.run();
    if (settings.races) sayRaces(state.tally, notes, note);
    const shown = await showAll(context, pool, state);
    const exploration = explorationOf({
      name: target.name,
      kind: target.kind,
      strategy: target.strategy,
      threads: pool.facts.names,
      policy: settings.policy,
      bound: settings.bound,
      processes: pool.size,
      restarts: pool.restarts,
      interrupted: signal.aborted,
      state,
      coverage: pipeline.covered(),
      violations: shown.map((one) => one.violation),
      durationMs: performance.now() - begun,
      notes,
    });
    return { exploration, pictures: shown.map((one) => one.picture) };
  } finally {
    await pool.close();
  }
}

/** What the race detector saw, and what it did not: a report without races says how much was looked at. What it missed is said aloud. */
function sayRaces(totals: RaceTotals, notes: string[], note: (text: string) => void): void {
  const { seen, exempt, escapes, full, dropped } = totals;
  const some = (n: number, what: string): string => (n === 0 ? '' : `; ${n.toLocaleString('en-US')} ${what}`);
  const text =
    `data races: ${seen.toLocaleString('en-US')} accesses looked at${some(exempt, 'declared racy on purpose')}` +
    some(escapes, 'uses of the memory that it could not see: mem.buffer, mem.subarray(), iterators') +
    some(full, 'schedules touched more words than there was room for, and were looked at up to there') +
    some(dropped, 'races more than a schedule had room for');
  if (escapes + full + dropped > 0) note(text);
  else notes.push(text);
}

interface Shown {
  readonly violation: ExploreViolation;
  readonly picture: Picture;
}

/** Makes each finding small and writes its folder. */
async function showAll(context: OneContext, pool: Pool, { found, boundKept }: PipelineState): Promise<Shown[]> {
  const { settings } = context;
  const until = performance.now() + SHRINK_ALL_MS;
  const shown: Shown[] = [];
  const inOrder = [...found].sort((a, b) => a.afterSchedules - b.afterSchedules);
  for (const [i, one] of inOrder.entries()) {
    // After Ctrl-C the finding is still shown, as it was found.
    const left = context.signal.aborted ? 0 : Math.min(SHRINK_MS, Math.max(0, until - performance.now()));
    const result = await pool.shrink({
      kind: 'shrink',
      found: one,
      boundKept,
      how: { search: one.phase, seed: settings.seed, schedules: one.afterSchedules },
      budgetMs: left,
    });
    if (result === null) throw unrepeatable(one);
    const folder = `violations/${context.firstViolation + i}`;
    writeFolder(context, folder, result);
    const { replay } = result;
    shown.push({
      picture: result.picture,
      violation: {
        ...replay.finding,
        phase: one.phase,
        afterSchedules: one.afterSchedules,
        preemptions: replay.preemptions,
        fewest: result.fewest,
        steps: replay.schedule.length,
        foundWith: result.before,
        schedule: [...replay.schedule],
        folder,
      },
    });
  }
  return shown;
}

function writeFolder(
  { store, cwd }: OneContext,
  folder: string,
  { replay, picture, race, lockOrder }: Minimized,
): void {
  const dir = join(store.dir, folder);
  const order = lockOrder === null ? [] : lockdepReport(lockOrder);
  makeFolders(dir);
  writeReplayFile(join(dir, REPLAY_FILE), replay, cwd);
  store.writeWhole(`${folder}/timeline.txt`, text([...order, ...raceColumns(picture, { width: TEXT_WIDTH })]));
  store.writeWhole(`${folder}/timeline.html`, raceHtml(picture));
  if (order.length > 0) store.writeWhole(`${folder}/${LOCK_ORDER_FILE}`, text(order));
  if (race !== null) store.writeWhole(`${folder}/${RACE_FILE}`, text(kcsanReport(race)));
}

const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

const unrepeatable = ({ finding, phase }: PipelineFound): OdpError =>
  new OdpError({
    code: 'ODP_E_PROGRAM_NONDETERMINISTIC',
    message: `the schedule in which ${phase} found '${finding.text}' did not show it again: its threads, setup and check may depend on shared memory and on nothing else`,
  });
