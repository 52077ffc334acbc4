import { randomInt } from 'node:crypto';
import { relative, resolve } from 'node:path';
import type { HostOptions } from '../explore/control/host.ts';
import {
  type Attempt,
  type Hit,
  hitOf,
  litmusCell,
  searchDrafts,
  startAttempt,
} from '../explore/explain/explain-search.ts';
import { draftLitmus, violationName } from '../explore/explain/from-violation.ts';
import type { Exploration, ExploreSummary } from '../explore/pipeline/pipeline-result.ts';
import { caveat, validateExplore } from '../explore/pipeline/pipeline-result.ts';
import { allowedCores } from '../explore/pipeline/process.ts';
import type { ExploreProgress } from '../explore/pipeline/progress.ts';
import { attemptLine, violationLines } from '../report/explained.ts';
import { closingExploreLine, progressLines } from '../report/explore-result.ts';
import { createStatus } from '../report/status.ts';
import { PLAIN, type Style, styleFor, wantsColor } from '../report/style.ts';
import { openStore, type RunStore } from '../results/store.ts';
import { type KeptViolation, readViolation } from '../results/violation-file.ts';
import { EXIT, OdpError } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import { loadStrategyOf, pathOfStrategy, withFileOfToday } from '../torture/strategy-file.ts';
import { strategyOf } from '../world/strategy-of.ts';
import { type ExplainedFolder, openExplained } from './explained-folder.ts';
import { explorationsOf, minimize, type Shown, writeNothing, writeShown } from './explore-from-result.ts';
import { DEFAULT_DURATION_MS, DEFAULT_MAX_STEPS, type ExploreFlags } from './explore-options.ts';
import { commitOf, packageRoot, packageVersion } from './package-root.ts';
import { environmentOf } from './run-environment.ts';
import { exitCodeOfSignal, installSignals, type Signals } from './signals.ts';
import type { Terminal } from './terminal-io.ts';

/** All that one call of `explore --from` is to do. */
export interface FromOrder {
  /** As it was given. */
  readonly given: string;
  readonly violation: KeptViolation;
  readonly attempts: readonly Attempt[];
  readonly options: Omit<HostOptions, 'threads'>;
  readonly durationMs: number;
  readonly seed: number;
  readonly jobs: number;
  readonly flags: ExploreFlags;
  readonly root: string;
}

/** A step may take this long before its thread is taken to hang. */
const HANG_MS = 5000;

/**
 * `odptorture explore --from violations/3`: litmus tests drawn from a violation that was found on free threads are explored until one shows
 * it; that one is made small and kept beside the violation.
 */
export async function exploreFromCommand(
  target: string | undefined,
  flags: ExploreFlags,
  terminal: Terminal,
): Promise<number> {
  const order = await fromOrder(target, flags, terminal);
  const explained = openExplained(order.violation.folder);
  const startedAt = new Date();
  const store = openStore({
    root: `${terminal.cwd}/results`,
    group: `explore-${violationName(order.violation.record)}`,
    seed: order.seed,
    startedAt,
    dir: flags.out === undefined ? undefined : resolve(terminal.cwd, flags.out),
  });
  const config = runConfig(order, startedAt);
  store.writeRun('running', config);
  const signals = installSignals(terminal.err);
  try {
    const summary = await explain(order, terminal, store, signals, explained, config.environment, startedAt);
    store.writeWhole('explore.json', `${JSON.stringify(summary, null, 2)}\n`);
    store.writeRun(summary.interrupted ? 'interrupted' : 'finished', { ...config, exitCode: summary.exitCode });
    if (flags.json === true) terminal.out(JSON.stringify(summary, null, 2));
    else terminal.out(`${closingExploreLine(summary)}; seed ${summary.seed}; ${store.dir}`);
    return summary.exitCode;
  } catch (error) {
    try {
      store.writeRun('failed', { ...config, error: error instanceof Error ? error.message : String(error) });
    } catch {
      // The disk is what failed; the error below says it.
    }
    throw error;
  } finally {
    signals.dispose();
    store.close();
  }
}

const MEANINGLESS = ['strategy', 'param', 'policy', 'bound', 'schedules', 'all', 'races', 'resume'] as const;

async function fromOrder(target: string | undefined, flags: ExploreFlags, terminal: Terminal): Promise<FromOrder> {
  const usage = (message: string): OdpError => new OdpError({ code: 'ODP_E_USAGE', message });
  if (target !== undefined) throw usage(`explore '${target}' or --from '${flags.from}'? Only one of them`);
  for (const name of MEANINGLESS)
    if (flags[name] !== undefined && flags[name] !== false)
      throw usage(`--${name} has no meaning with --from: the violation says what to explore`);
  const violation = await withStrategy(readViolation(resolve(terminal.cwd, flags.from!)), terminal);
  const maxSteps = flags.maxSteps ?? DEFAULT_MAX_STEPS;
  return {
    given: flags.from!,
    violation,
    attempts: attemptsOf(violation),
    options: {
      granularity: flags.granularity ?? 'lock',
      maxSteps,
      timeouts: flags.timeouts ?? 0,
      hangMs: HANG_MS,
      races: false,
    },
    durationMs: flags.duration ?? DEFAULT_DURATION_MS,
    seed: flags.seed ?? randomInt(1, MAX_SEED),
    jobs: flags.jobs ?? allowedCores().length,
    flags,
    root: packageRoot(),
  };
}

/** With the strategy loaded; a user's own as its file is today. */
async function withStrategy(violation: KeptViolation, terminal: Terminal): Promise<KeptViolation> {
  const { plan, changed } = withFileOfToday(violation.plan);
  await loadStrategyOf(plan);
  if (changed)
    terminal.err(`odptorture: ${pathOfStrategy(plan.strategyFile!)} has changed since the violation was seen`);
  return { ...violation, plan };
}

/** The drafts, as plans. Throws when there are none: not every violation can be explained in this way. */
function attemptsOf({ record, plan, folder }: KeptViolation): Attempt[] {
  const { strategy, oracle } = record;
  if (strategyOf(plan) === undefined)
    throw new OdpError({ code: 'ODP_E_STRATEGY_UNKNOWN', message: `no strategy '${strategy}'`, at: folder });
  const undrawable = (message: string): OdpError =>
    new OdpError({ code: 'ODP_E_VIOLATION_UNDRAWABLE', message, at: folder });
  // A fault that is refused for ever is a fault of the count. A writer that others overtake for ever needs a load that never ends.
  if (oracle === 'starvation' && record.page === undefined)
    throw undrawable('a thread that is overtaken again and again starves under a load; no short program shows that');
  const attempts = draftLitmus(record, plan).flatMap((draft) => {
    const cell = cellOrNull(draft.yaml, draft.name, plan);
    return cell === null ? [] : [startAttempt(draft, cell)];
  });
  if (attempts.length === 0)
    throw undrawable(
      `no program can be drawn from this ${oracle}: it names no pages, and its window shows no two threads at work on any (trace: off?)`,
    );
  return attempts;
}

/** A draft is a guess: one that is no valid scenario is none. */
function cellOrNull(yaml: string, name: string, plan: CellPlan): CellPlan | null {
  try {
    return litmusCell(yaml, name, plan);
  } catch (error) {
    if (error instanceof OdpError) return null;
    throw error;
  }
}

interface RunConfig extends Record<string, unknown> {
  readonly environment: ExploreSummary['environment'];
}

function runConfig({ seed, flags, root, given, options, durationMs, attempts }: FromOrder, startedAt: Date): RunConfig {
  return {
    schemaVersion: 1,
    command: 'explore',
    seed,
    startedAt: startedAt.toISOString(),
    pid: process.pid,
    flags,
    settings: { ...options, durationMs },
    environment: environmentOf({ commit: commitOf(root), version: packageVersion(root) }),
    target: given,
    explorations: attempts.map(({ draft, plan }) => ({ name: draft.name, strategy: plan.strategy })),
  };
}

async function explain(
  order: FromOrder,
  terminal: Terminal,
  store: RunStore,
  signals: Signals,
  explained: ExplainedFolder,
  environment: ExploreSummary['environment'],
  startedAt: Date,
): Promise<ExploreSummary> {
  const { flags, violation, seed, attempts, given } = order;
  const { record } = violation;
  const style = flags.json === true ? PLAIN : styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
  const print = printer(flags, terminal);
  print([
    `odptorture: explore --from ${given} seed=${seed} drafts=${attempts.length} results=${store.dir}`,
    ...violationLines(record, { style, width: terminal.width }),
  ]);
  const notes: string[] = [];
  const hit = await search(order, terminal, signals, print, notes, store);
  const shown = hit === null ? null : await minimize(order, hit, signals.signal);
  if (shown === null) writeNothing(order, store, explained);
  else
    print(
      writeShown(order, shown, store, explained, {
        style,
        width: terminal.width,
        cwd: terminal.cwd,
        folder: fromHere(terminal.cwd, explained.dir),
      }),
    );
  if (shown === null) print(['', nothingText(order, style)]);
  return summarize(order, explorationsOf(order, shown, signals.signal.aborted, notes), shown, store, signals, {
    environment,
    startedAt,
  });
}

type Print = (lines: readonly string[]) => void;

function printer(flags: ExploreFlags, terminal: Terminal): Print {
  const say = flags.json === true ? terminal.err : terminal.out;
  return (lines) => {
    if (flags.quiet !== true) for (const line of lines) say(line);
  };
}

/** As a command line in the working folder names it. */
function fromHere(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way.startsWith('..') ? path : way;
}

const nothingText = ({ attempts, violation }: FromOrder, style: Style): string =>
  style.yellow(
    `  none of ${attempts.length} drafts showed ${violation.record.oracle}, or any other violation; they are kept beside the violation. More time (-d) may help, or another violation of the same run`,
  );

async function search(
  order: FromOrder,
  terminal: Terminal,
  { signal }: Signals,
  print: Print,
  notes: string[],
  store: RunStore,
): Promise<Hit | null> {
  const { attempts, flags, violation, options, durationMs, seed, jobs } = order;
  const { oracle } = violation.record;
  const status = flags.progress && flags.quiet !== true ? statusOf(terminal, attempts.length) : null;
  const cores = allowedCores();
  const hit = await searchDrafts({
    attempts,
    oracle,
    options,
    durationMs,
    seed,
    cores: Array.from({ length: jobs }, (_, i) => cores[i % cores.length]!),
    signal,
    begin: ({ draft }, n) => status?.begin(n, `explore ${draft.name}: ${draft.reading}`),
    progress: (progress) => status?.progress(progress),
    note(text) {
      notes.push(text);
      store.log.log('warn', text);
      status?.clear();
      terminal.err(`odptorture: ${text}`);
    },
  });
  status?.end();
  print(
    attempts.flatMap((attempt, n) => (attempt.threads.length === 0 ? [] : [`  ${attemptLine(attempt, n, oracle)}`])),
  );
  if (hit !== null) return hit;
  // Nothing better is to be had: what else the drafts have shown, the most literal first.
  return attempts.map((attempt) => hitOf(attempt, () => true)).find((one) => one !== null) ?? null;
}

function statusOf(terminal: Terminal, cells: number) {
  const live = terminal.errIsTty && terminal.env.TERM !== 'dumb' && (terminal.env.CI ?? '') === '';
  return createStatus<ExploreProgress>(
    { stream: terminal.stderr, live, cells, now: () => performance.now() },
    progressLines,
  );
}

function summarize(
  { given, seed, options }: FromOrder,
  explorations: Exploration[],
  shown: Shown | null,
  store: RunStore,
  signals: Signals,
  { environment, startedAt }: { environment: ExploreSummary['environment']; startedAt: Date },
): ExploreSummary {
  const stoppedBy = signals.received();
  return validateExplore({
    schemaVersion: 1,
    command: 'explore',
    runId: store.runId,
    target: given,
    seed,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    // That the drafts hold says nothing about the violation that they were to show.
    verdict: shown === null ? 'UNKNOWN' : 'VIOLATED',
    exitCode: stoppedBy !== null ? exitCodeOfSignal(stoppedBy) : shown === null ? EXIT.unknown : EXIT.violation,
    interrupted: stoppedBy !== null,
    resumedFrom: null,
    caveat: caveat(false),
    races: false,
    granularity: options.granularity,
    timeouts: options.timeouts,
    maxSteps: options.maxSteps,
    environment,
    explorations,
  });
}
