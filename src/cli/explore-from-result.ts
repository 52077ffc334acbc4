import { join, relative } from 'node:path';
import type { MinimalLitmus } from '../explore/explain/explain-minimal.ts';
import { minimalApart } from '../explore/explain/explain-process.ts';
import type { Attempt, Hit } from '../explore/explain/explain-search.ts';
import { originOf, violationName } from '../explore/explain/from-violation.ts';
import { type LitmusParts, litmusText } from '../explore/explain/litmus-text.ts';
import type { PipelineFound } from '../explore/pipeline/pipeline.ts';
import type { Exploration, ExploreViolation } from '../explore/pipeline/pipeline-result.ts';
import { explorationOf } from '../explore/pipeline/pipeline-verdict.ts';
import { allowedCores } from '../explore/pipeline/process.ts';
import { formatReplay } from '../explore/replay/replay-file.ts';
import { ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import { type ExplainedOptions, explainedLines, LITMUS_FILE } from '../report/explained.ts';
import { raceColumns } from '../report/explore-columns.ts';
import { raceHtml } from '../report/explore-html.ts';
import { REPLAY_FILE } from '../report/explore-result.ts';
import { makeFolders } from '../results/folder.ts';
import type { RunStore } from '../results/store.ts';
import { OdpError } from '../scenario/errors.ts';
import { pathOfStrategy } from '../torture/strategy-file.ts';
import { strategyOf } from '../world/strategy-of.ts';
import { loadRunner } from './execute.ts';
import type { ExplainedFolder } from './explained-folder.ts';
import { type KeptOrder, orderThatShows } from './explained-order.ts';
import type { FromOrder } from './explore-from.ts';

/** The violation, found again in a litmus test and made small. */
export interface Shown {
  readonly hit: Hit;
  readonly minimal: MinimalLitmus;
  readonly forced: KeptOrder | null;
  /** litmus.yaml. */
  readonly yaml: string;
}

const MINIMIZE_MS = 30_000;
/** Of timeline.txt. */
const TEXT_WIDTH = 140;
const EXPLAINED_FILE = 'explained.json';

/** Makes what was found small: the program, then the schedule; and looks for an order that forces it on free threads. */
export async function minimize({ violation, options, seed }: FromOrder, hit: Hit, signal: AbortSignal): Promise<Shown> {
  const { attempt, found } = hit;
  const { record } = violation;
  const minimal = await minimalApart(
    {
      plan: attempt.plan,
      found,
      how: { search: found.phase, seed, schedules: found.afterSchedules },
      options,
      text: {
        comment: [],
        name: violationName(record),
        description: `${found.finding.oracle} of ${record.strategy}, as ${record.scenario} showed it with seed ${record.seed}`,
        expect: { strategy: record.strategy, must: [], may: [] },
      },
      // After Ctrl-C it is still shown, as it was found.
      budgetMs: signal.aborted ? 0 : MINIMIZE_MS,
    },
    allowedCores()[0] ?? -1,
  );
  if (minimal === null)
    throw new OdpError({
      code: 'ODP_E_PROGRAM_NONDETERMINISTIC',
      message: `the schedule of '${attempt.draft.name}' that showed '${found.finding.text}' did not show it again`,
    });
  const { oracle } = minimal.recorded.replay.finding;
  const forced = signal.aborted
    ? null
    : await orderThatShows(await loadRunner(), minimal.plan, minimal.recorded.picture, oracle, signal);
  return { hit, minimal, forced, yaml: litmusText(partsOf(record, hit, minimal, forced)) };
}

/** The litmus as it is kept: with where it comes from, its order, and what is expected of it. */
function partsOf(
  record: FromOrder['violation']['record'],
  { attempt, found }: Hit,
  { parts, plan, recorded, cut }: MinimalLitmus,
  forced: KeptOrder | null,
): LitmusParts {
  const { oracle } = found.finding;
  const strategy = strategyOf(plan)!;
  const own = strategy.expected(plan.era, { rmap: true }, plan.params);
  const seen = [...attempt.state.found.map(({ finding }) => finding.oracle), ...Object.keys(forced?.violations ?? {})];
  const must = forced?.sure === true ? [oracle] : [];
  const may = [...new Set([oracle, ...own.must, ...own.may, ...seen])].filter(
    (name) => !must.includes(name) && ORACLE_NAMES.includes(name as OracleName),
  );
  return {
    ...parts,
    comment: [
      ...originOf(record),
      `Reading of its window: ${attempt.draft.reading}. In it, ${oracle} was found after ${counted(found.afterSchedules, 'schedule')}; ${counted(recorded.replay.preemptions, 'preemption')} in ${recorded.replay.schedule.length} steps show it.`,
      ...(oracle === record.oracle ? [] : [`This is another oracle than ${record.oracle}, which no reading showed.`]),
      ...(cut.length === 0 ? [] : [`What it does not need was left out: ${cut.join('; ')}.`]),
      ...(forced === null ? [] : ['The order is that of the schedule, at the points where its threads take turns.']),
    ],
    order: forced?.lines ?? [],
    expect: { strategy: record.strategy, must, may },
  };
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

interface WriteOptions extends ExplainedOptions {
  readonly cwd: string;
}

/** Writes everything, in the results and beside the violation; returns the report. */
export function writeShown(
  order: FromOrder,
  shown: Shown,
  store: RunStore,
  explained: ExplainedFolder,
  options: WriteOptions,
): string[] {
  const { hit, minimal, forced, yaml } = shown;
  const { replay, picture } = minimal.recorded;
  const { record } = order.violation;
  const files = {
    [LITMUS_FILE]: yaml,
    [REPLAY_FILE]: formatReplay(replay, join(explained.dir, REPLAY_FILE), options.cwd),
    'timeline.txt': `${raceColumns(picture, { width: TEXT_WIDTH }).join('\n')}\n`,
    'timeline.html': raceHtml(picture),
    [EXPLAINED_FILE]: `${JSON.stringify(explainedJson(order, shown), null, 2)}\n`,
  };
  const folder = 'violations/1';
  makeFolders(join(store.dir, folder));
  for (const [name, text] of Object.entries(files))
    store.writeWhole(name === LITMUS_FILE || name === EXPLAINED_FILE ? name : `${folder}/${name}`, text);
  explained.write(files);
  return explainedLines(
    {
      minimal,
      draft: order.attempts.indexOf(hit.attempt) + 1,
      reading: hit.attempt.draft.reading,
      afterSchedules: hit.found.afterSchedules,
      oracle: record.oracle,
      forced,
      strategy: commandName(order, options.cwd),
      params: paramText(order),
    },
    options,
  );
}

/** The strategy as `--strategy` takes it. */
function commandName({ violation }: FromOrder, cwd: string): string {
  const { strategy, strategyFile } = violation.plan;
  if (strategyFile === undefined) return strategy;
  const path = pathOfStrategy(strategyFile);
  const way = relative(cwd, path);
  return way.startsWith('..') ? path : `./${way}`;
}

/** Parameters that are not the strategy's defaults: a scenario file cannot say them. */
function paramText({ violation }: FromOrder): string {
  const { params } = violation.plan;
  const specs = strategyOf(violation.plan)!.params;
  const set = Object.entries(params).filter(
    ([name, value]) => specs[name] !== undefined && specs[name].default !== value,
  );
  return set.length === 0 ? '' : ` --param ${set.map(([name, value]) => `${name}=${value}`).join(',')}`;
}

/** Nothing was shown: what was tried is kept, to be explored further; what an earlier call has explained stays. */
export function writeNothing(order: FromOrder, store: RunStore, explained: ExplainedFolder): void {
  const files = {
    [EXPLAINED_FILE]: `${JSON.stringify(explainedJson(order, null), null, 2)}\n`,
    ...Object.fromEntries(order.attempts.map(({ draft }, i) => [`draft-${i + 1}.yaml`, draft.yaml])),
  };
  for (const [name, text] of Object.entries(files)) store.writeWhole(name, text);
  if (!explained.exists) explained.write(files);
}

function explainedJson(order: FromOrder, shown: Shown | null): Record<string, unknown> {
  const { record } = order.violation;
  const { oracle, nth, scenario, strategy, seed, detail } = record;
  return {
    schemaVersion: 1,
    violation: { oracle, nth, scenario, strategy, seed, detail },
    drafts: order.attempts.map((attempt) => draftJson(attempt)),
    explained: shown === null ? null : shownJson(order, shown),
  };
}

function draftJson({ draft, plan, state, durationMs }: Attempt): Record<string, unknown> {
  return {
    name: draft.name,
    reading: draft.reading,
    threads: programText(plan),
    schedules: state.tally.schedules,
    durationMs: Math.round(durationMs),
    // All of its schedules were explored.
    exhausted: state.proved,
    found: state.found.map(({ finding, afterSchedules }) => ({ ...finding, afterSchedules })),
  };
}

function shownJson(order: FromOrder, { hit, minimal, forced }: Shown): Record<string, unknown> {
  const { replay, repeats } = minimal.recorded;
  return {
    draft: order.attempts.indexOf(hit.attempt) + 1,
    sameOracle: replay.finding.oracle === order.violation.record.oracle,
    finding: replay.finding,
    afterSchedules: hit.found.afterSchedules,
    preemptions: replay.preemptions,
    steps: replay.schedule.length,
    foundWith: replay.found.shrunkFrom,
    fewestPreemptions: replay.found.fewest === true,
    repeats,
    replayed: minimal.replayed,
    leftOut: minimal.cut,
    threads: programText(minimal.plan),
    litmus: LITMUS_FILE,
    replay: REPLAY_FILE,
    order: forced === null ? null : { ...forced },
  };
}

const programText = (plan: Attempt['plan']): Record<string, string[]> =>
  Object.fromEntries(
    plan.litmus!.programs.map((verbs, tid) => [
      plan.threads[tid]!.name,
      verbs.map((verb) => `${verb.verb} ${verb.target}${verb.file < 0 ? '' : ` ${verb.start}`}`),
    ]),
  );

/** Each draft that was explored, as explore.json has it. */
export function explorationsOf(
  { attempts }: FromOrder,
  shown: Shown | null,
  interrupted: boolean,
  notes: readonly string[],
): Exploration[] {
  return attempts
    .filter(({ threads }) => threads.length > 0)
    .map((attempt) =>
      explorationOf({
        name: `${attempt.draft.name} ${attempt.plan.strategy}`,
        kind: 'litmus',
        strategy: attempt.plan.strategy,
        threads: attempt.threads,
        policy: 'default',
        bound: null,
        processes: attempt.processes,
        restarts: attempt.restarts,
        interrupted,
        state: attempt.state,
        coverage: attempt.coverage,
        violations: attempt.state.found.map((found) =>
          found === shown?.hit.found ? minimalViolation(shown) : violationOf(found),
        ),
        durationMs: attempt.durationMs,
        notes,
      }),
    );
}

/** As it was found. */
const violationOf = ({ finding, phase, afterSchedules, preemptions, schedule }: PipelineFound): ExploreViolation => ({
  ...finding,
  phase,
  afterSchedules,
  preemptions,
  steps: schedule.length,
  fewest: false,
  foundWith: { preemptions, steps: schedule.length },
  schedule: [...schedule],
  folder: null,
});

/** In the litmus that is left. */
function minimalViolation({ hit, minimal }: Shown): ExploreViolation {
  const { replay } = minimal.recorded;
  const found = violationOf(hit.found);
  return {
    ...found,
    ...replay.finding,
    preemptions: replay.preemptions,
    steps: replay.schedule.length,
    fewest: replay.found.fewest === true,
    schedule: [...replay.schedule],
    folder: 'violations/1',
  };
}
