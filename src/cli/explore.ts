import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import {
  CHECKPOINT_FILE,
  type Checkpoint,
  type ExploreSettings,
  formatCheckpoint,
} from '../explore/pipeline/checkpoint.ts';
import type { PipelineState } from '../explore/pipeline/pipeline.ts';
import {
  caveat,
  type Exploration,
  type ExploreSummary,
  validateExplore,
  worstVerdict,
} from '../explore/pipeline/pipeline-result.ts';
import type { ExploreProgress } from '../explore/pipeline/progress.ts';
import { closingExploreLine, explorationLines, progressLines } from '../report/explore-result.ts';
import { createStatus, type Status } from '../report/status.ts';
import { PLAIN, styleFor, wantsColor } from '../report/style.ts';
import { openStore, type RunStore } from '../results/store.ts';
import { EXIT, OdpError } from '../scenario/errors.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import { exploreFromCommand } from './explore-from.ts';
import { exploreOne, type OneContext } from './explore-one.ts';
import { DEFAULT_DURATION_MS, DEFAULT_MAX_STEPS, type ExploreFlags } from './explore-options.ts';
import { resumed } from './explore-resume.ts';
import { findTargets, type Targets } from './explore-targets.ts';
import { commitOf, packageRoot, packageVersion } from './package-root.ts';
import { environmentOf } from './run-environment.ts';
import { exitCodeOfSignal, installSignals, type Signals } from './signals.ts';
import type { Terminal } from './terminal-io.ts';

/** All that one call of `explore` is to do. */
interface Order {
  readonly targets: Targets;
  readonly settings: ExploreSettings;
  readonly schedules: number | null;
  readonly durationMs: number;
  readonly from: Checkpoint | null;
  readonly flags: ExploreFlags;
  readonly root: string;
}

/** `odptorture explore TARGET`: schedules of a program or of a litmus scenario, one thread at a time. */
export async function exploreCommand(
  given: string | undefined,
  flags: ExploreFlags,
  terminal: Terminal,
): Promise<number> {
  if (flags.from !== undefined) return exploreFromCommand(given, flags, terminal);
  const order = await orderOf(given, flags, terminal);
  const startedAt = new Date();
  const { settings, targets } = order;
  const store = openStore({
    root: `${terminal.cwd}/results`,
    group: targets.group,
    seed: settings.seed,
    startedAt,
    dir: flags.out === undefined ? undefined : resolve(terminal.cwd, flags.out),
  });
  const config = runConfig(order, startedAt);
  store.writeRun('running', config);
  const signals = installSignals(terminal.err);
  const say = flags.json === true ? terminal.err : terminal.out;
  if (flags.quiet !== true)
    say(
      `odptorture: explore ${targets.given} seed=${settings.seed} explorations=${targets.list.length} results=${store.dir}`,
    );
  try {
    const explorations = await exploreAll(order, terminal, store, signals);
    const summary = summarize(order, explorations, store, signals, startedAt, config.environment);
    store.writeWhole('explore.json', `${JSON.stringify(summary, null, 2)}\n`);
    store.writeRun(summary.interrupted ? 'interrupted' : 'finished', { ...config, exitCode: summary.exitCode });
    report(order, terminal, summary, store.dir);
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

async function orderOf(given: string | undefined, flags: ExploreFlags, terminal: Terminal): Promise<Order> {
  const root = packageRoot();
  if (flags.resume !== undefined) {
    return { ...(await resumed(given, flags, root, terminal.cwd)), flags, root };
  }
  if (given === undefined)
    throw new OdpError({ code: 'ODP_E_USAGE', message: 'explore what? A program (./x.js) or a litmus scenario' });
  if (flags.bound !== undefined && !['default', 'bound', undefined].includes(flags.policy))
    throw new OdpError({ code: 'ODP_E_USAGE', message: `--bound has no meaning with --policy ${flags.policy}` });
  const settings: ExploreSettings = {
    policy: flags.policy ?? 'default',
    bound: flags.bound ?? null,
    seed: flags.seed ?? randomInt(1, MAX_SEED),
    granularity: flags.granularity ?? 'lock',
    timeouts: flags.timeouts ?? 0,
    maxSteps: flags.maxSteps ?? DEFAULT_MAX_STEPS,
    all: flags.all === true,
    races: flags.races === true,
  };
  return {
    targets: await findTargets(given, flags, root, terminal.cwd),
    settings,
    schedules: flags.schedules ?? null,
    // Who asks for schedules gets them, however long they take.
    durationMs: flags.duration ?? (flags.schedules === undefined ? DEFAULT_DURATION_MS : UNLIMITED_MS),
    from: null,
    flags,
    root,
  };
}

/** Without an end: what a timer takes at most, more than three weeks. */
const UNLIMITED_MS = 2 ** 31 - 1;

interface RunConfig extends Record<string, unknown> {
  readonly environment: ExploreSummary['environment'];
}

function runConfig({ settings, targets, flags, root, schedules, durationMs }: Order, startedAt: Date): RunConfig {
  return {
    schemaVersion: 1,
    command: 'explore',
    seed: settings.seed,
    startedAt: startedAt.toISOString(),
    pid: process.pid,
    flags,
    settings: { ...settings, schedules, durationMs },
    environment: environmentOf({ commit: commitOf(root), version: packageVersion(root) }),
    target: targets.given,
    explorations: targets.list.map(({ name, strategy, strategyFile, hash }) => ({
      name,
      strategy,
      strategyFile,
      hash,
    })),
  };
}

async function exploreAll(order: Order, terminal: Terminal, store: RunStore, signals: Signals): Promise<Exploration[]> {
  const { targets, settings, flags, from } = order;
  const status = flags.progress && flags.quiet !== true ? statusOf(terminal, targets.list.length) : null;
  const say = flags.json === true ? terminal.err : terminal.out;
  const states: (PipelineState | null)[] = targets.list.map((_, i) => from?.explorations[i]?.state ?? null);
  const results: Exploration[] = [];
  let violations = 0;
  for (const [i, target] of targets.list.entries()) {
    if (signals.signal.aborted) break;
    status?.begin(i, `explore ${target.name} seed=${settings.seed}`);
    const context: OneContext = {
      target,
      settings,
      schedules: order.schedules,
      durationMs: order.durationMs,
      jobs: flags.jobs ?? null,
      from: states[i] ?? null,
      signal: signals.signal,
      store,
      cwd: terminal.cwd,
      firstViolation: violations + 1,
      progress: (progress) => status?.progress(progress),
      checkpoint: (state) => {
        states[i] = state;
        store.writeWhole(CHECKPOINT_FILE, formatCheckpoint(checkpointOf(order, states)));
      },
      note: (text) => {
        store.log.log('warn', text);
        status?.clear();
        terminal.err(`odptorture: ${text}`);
      },
    };
    const { exploration, pictures } = await exploreOne(context);
    results.push(exploration);
    violations += exploration.violations.length;
    status?.clear();
    if (flags.quiet !== true) {
      const style = styleFor(flags.json !== true && wantsColor(flags.color, terminal.env, terminal.outIsTty));
      const options = { style, width: terminal.width, verbose: flags.verbose === true, dir: store.dir };
      for (const line of explorationLines(exploration, flags.json === true ? [] : pictures, options)) say(line);
    }
  }
  status?.end();
  return results;
}

const checkpointOf = (
  { targets, settings, schedules, durationMs }: Order,
  states: readonly (PipelineState | null)[],
): Checkpoint => ({
  checkpointVersion: 1,
  target: targets.file,
  settings,
  schedules,
  durationMs,
  explorations: targets.list.map(({ name, strategy, strategyFile, hash }, i) => ({
    ...{ name, strategy, hash, state: states[i] ?? null },
    ...(strategyFile === null ? {} : { strategyFile }),
  })),
});

function statusOf(terminal: Terminal, cells: number): Status<ExploreProgress> {
  const live = terminal.errIsTty && terminal.env.TERM !== 'dumb' && (terminal.env.CI ?? '') === '';
  return createStatus({ stream: terminal.stderr, live, cells, now: () => performance.now() }, progressLines);
}

function summarize(
  { settings, targets, flags }: Order,
  explorations: Exploration[],
  store: RunStore,
  signals: Signals,
  startedAt: Date,
  environment: ExploreSummary['environment'],
): ExploreSummary {
  const stoppedBy = signals.received();
  const verdict =
    explorations.length < targets.list.length && !explorations.some((one) => one.verdict === 'VIOLATED')
      ? 'UNKNOWN'
      : worstVerdict(explorations.map((one) => one.verdict));
  const byVerdict = { VIOLATED: EXIT.violation, UNKNOWN: EXIT.unknown, 'NO-VIOLATION': EXIT.ok, PROVED: EXIT.ok };
  return validateExplore({
    schemaVersion: 1,
    command: 'explore',
    runId: store.runId,
    target: targets.given,
    seed: settings.seed,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    verdict,
    exitCode: stoppedBy === null ? byVerdict[verdict] : exitCodeOfSignal(stoppedBy),
    interrupted: stoppedBy !== null,
    resumedFrom: flags.resume ?? null,
    caveat: caveat(settings.races),
    races: settings.races,
    granularity: settings.granularity,
    timeouts: settings.timeouts,
    maxSteps: settings.maxSteps,
    environment,
    explorations,
  });
}

function report({ flags }: Order, terminal: Terminal, summary: ExploreSummary, dir: string): void {
  if (flags.json === true) {
    terminal.out(JSON.stringify(summary, null, 2));
    return;
  }
  const style = flags.quiet === true ? PLAIN : styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
  if (flags.quiet !== true) terminal.out(style.dim(summary.caveat));
  terminal.out(`${closingExploreLine(summary)}; seed ${summary.seed}; ${dir}`);
}
