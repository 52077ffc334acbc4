import { appendFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { cellLine } from '../report/cell-line.ts';
import { detectionLine, detectionReport } from '../report/detection.ts';
import { createHdrFiles, type HdrFiles } from '../report/hdr-files.ts';
import { junit } from '../report/junit.ts';
import { lockStatText } from '../report/lock-stat.ts';
import { markdownReport } from '../report/markdown.ts';
import { createStatus, type Status } from '../report/status.ts';
import { PLAIN, styleFor, wantsColor } from '../report/style.ts';
import { closingLine, matrixReport, type ReportOptions, thresholdReport } from '../report/terminal.ts';
import { timeline } from '../report/timeline.ts';
import { createDumpKeeper } from '../results/arena-dump.ts';
import type { Detection } from '../results/detection.ts';
import { makeFolders } from '../results/folder.ts';
import { openStore, type RunStore } from '../results/store.ts';
import { type JudgedBy, runVerdict, type Summary } from '../results/summary.ts';
import { judgeThreshold, type ThresholdResult } from '../results/thresholds.ts';
import type { CellResult, CellSink, ViolationRecord } from '../results/types.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import type { Threshold } from '../scenario/threshold.ts';
import { exitCodeOf } from './exit-code.ts';
import { flagRecord, type RunFlags } from './options.ts';
import { commitOf, packageVersion } from './package-root.ts';
import { installSignals, type Signals } from './signals.ts';
import type { Terminal } from './terminal-io.ts';

/** What runs cells; given from outside so that this file can be tested without threads. */
export interface Runner {
  runCell(plan: CellPlan, sink: CellSink, signal: AbortSignal): Promise<CellResult>;
  closeCells(): Promise<void>;
  /** Throws `RangeError` with what does not fit. */
  arenaWords(plan: CellPlan): number;
}

export interface PlannedCell {
  readonly plan: CellPlan;
  readonly thresholds: readonly Threshold[];
}

export interface Execution {
  readonly command: string;
  /** Folder below results/. */
  readonly group: string;
  readonly seed: number;
  readonly judgedBy: JudgedBy;
  readonly cells: readonly PlannedCell[];
  readonly flags: RunFlags;
  /** Of the package. */
  readonly root: string;
  /** Known bugs: their cells are judged by whether each was found. */
  readonly detecting?: Detecting;
}

/** What `matrix --variants` does otherwise. */
export interface Detecting {
  /** Called when a cell begins. */
  watch(plan: CellPlan): CellWatch;
  /** The result in other words. `stopped`: the user has ended the run. */
  judge(result: CellResult, stopped: boolean): CellResult;
  sum(results: readonly CellResult[]): Detection[];
}

/** Ends a cell early. */
export interface CellWatch {
  /** Aborts when the cell has shown what it was to show. */
  readonly signal: AbortSignal;
  violation(record: ViolationRecord): void;
  /** The cell is over. */
  close(): void;
}

/** The first violations of each kind that are drawn; the race log has more. */
const TIMELINES_KEPT = 200;
const TIMELINES_PRINTED = 2;
const END_BOUND_MS = 5000;

/** Loads the part that starts threads; `list` and `schema` do without. */
export async function loadRunner(): Promise<Runner> {
  const [{ runCell, closeCells }, { arenaWords }] = await Promise.all([
    import('../torture/cell.ts'),
    import('../world/size.ts'),
  ]);
  return { runCell, closeCells, arenaWords };
}

/** Runs cells one after the other, writes the results folder, reports, and returns the exit code. */
export async function execute(execution: Execution, terminal: Terminal, runner: Runner): Promise<number> {
  const { flags, cells } = execution;
  checkArenas(cells, runner);
  const startedAt = new Date();
  let complained = false;
  const store = openStore({
    root: `${terminal.cwd}/results`,
    group: execution.group,
    seed: execution.seed,
    startedAt,
    dir: flags.out,
    logs: {
      onLost: (reason) => {
        if (!complained)
          terminal.err(`ODP_E_LOG_LOST: a record could not be written: ${reason}; lost records are counted`);
        complained = true;
      },
    },
  });
  const config = runConfig(execution, startedAt);
  store.writeRun('running', config);
  const signals = installSignals(terminal.err);
  const say = flags.json === true ? terminal.err : terminal.out;
  if (flags.quiet !== true) {
    say(`odptorture: ${execution.command} seed=${execution.seed} cells=${cells.length} results=${store.dir}`);
  }
  const timelines = createTimelines();
  const latencies = createHdrFiles();
  try {
    const results = await runAll(execution, terminal, runner, store, signals, timelines, latencies);
    // Closed first: a record that only the flush could not save must be in the count.
    store.races.close();
    const summary = summarize(execution, results, store, signals, startedAt, config.environment);
    store.writeSummary(summary);
    if (timelines.drawn().length > 0)
      store.writeWhole(
        'timelines.txt',
        `${timelines
          .drawn()
          .map((record) => timeline(record).join('\n'))
          .join('\n\n\n')}\n`,
      );
    writeFigures(store, results, latencies);
    store.writeWhole('junit.xml', junit(results, { judgedBy: execution.judgedBy, thresholds: summary.thresholds }));
    store.writeRun(summary.interrupted ? 'interrupted' : 'finished', { ...config, exitCode: summary.exitCode });
    stepSummary(execution, terminal, summary, store);
    report(execution, terminal, summary, results, timelines.drawn(), store.dir);
    return summary.exitCode;
  } catch (error) {
    // Results that are in part there must say so.
    try {
      store.writeRun('failed', { ...config, error: error instanceof Error ? error.message : String(error) });
    } catch {
      // The disk is what failed; the error below says it.
    }
    throw error;
  } finally {
    signals.dispose();
    store.close();
    await endThreads(runner);
  }
}

/** Threads that do not end must not keep the results from being reported; the process goes without them. */
async function endThreads(runner: Runner): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_BOUND_MS);
  });
  await Promise.race([runner.closeCells(), bound]);
  clearTimeout(timer);
}

/** Every cell must fit before the first one runs: an overnight matrix must not fail at its last scenario. */
function checkArenas(cells: readonly PlannedCell[], runner: Runner): void {
  const seen = new Set<string>();
  for (const { plan } of cells) {
    const key = `${plan.scenario} ${plan.strategy}`;
    if (seen.has(key)) continue;
    seen.add(key);
    try {
      runner.arenaWords(plan);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const message = `scenario '${plan.scenario}' with ${plan.strategy} does not fit: ${error.message}`;
      throw new OdpError({ code: 'ODP_E_MEMORY', message }, { cause: error });
    }
  }
}

interface RunConfig extends Record<string, unknown> {
  readonly environment: Summary['environment'];
}

function runConfig(execution: Execution, startedAt: Date): RunConfig {
  return {
    schemaVersion: 1,
    command: execution.command,
    seed: execution.seed,
    startedAt: startedAt.toISOString(),
    pid: process.pid,
    flags: flagRecord(execution.flags),
    environment: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cores: availableParallelism(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      commit: commitOf(execution.root),
      version: packageVersion(execution.root),
    },
    thresholds: [...new Set(execution.cells.flatMap((cell) => cell.thresholds.map((threshold) => threshold.text)))],
    cells: execution.cells.map((cell) => cell.plan),
  };
}

interface Timelines {
  add(record: ViolationRecord): void;
  readonly drawn: () => readonly ViolationRecord[];
}

/** Keeps the first record of each signature. */
function createTimelines(): Timelines {
  const first = new Map<string, ViolationRecord>();
  return {
    add(record) {
      const key = `${record.scenario} ${record.strategy} ${record.signature}`;
      if (first.size < TIMELINES_KEPT && !first.has(key)) first.set(key, record);
    },
    drawn: () => [...first.values()],
  };
}

async function runAll(
  execution: Execution,
  terminal: Terminal,
  runner: Runner,
  store: RunStore,
  signals: Signals,
  timelines: Timelines,
  latencies: HdrFiles,
): Promise<CellResult[]> {
  const { flags, cells } = execution;
  const status = flags.progress && flags.quiet !== true ? progressOf(terminal, cells.length) : null;
  const say = flags.json === true ? terminal.err : terminal.out;
  const results: CellResult[] = [];
  const dumps = createDumpKeeper({ version: packageVersion(execution.root), log: store.log.log });
  for (const [index, { plan }] of cells.entries()) {
    if (signals.signal.aborted) break;
    status?.begin(index, `${plan.scenario} ${plan.strategy} seed=${plan.seed}`);
    const watch = execution.detecting?.watch(plan);
    const sink: CellSink = {
      violation(record, take) {
        // First: the threads go on.
        const image = take === undefined ? null : dumps.take(record, take);
        store.races.add(record);
        const folder = store.keepViolation(record, `${timeline(record).join('\n')}\n`);
        if (image !== null && folder !== null) dumps.write(folder, record, image);
        timelines.add(record);
        watch?.violation(record);
      },
      progress: (progress) => status?.progress(progress),
      histogram: (name, histogram) => latencies.add(plan, name, histogram),
      log: (level, message, data) => store.log.log(level, message, data),
    };
    const signal = watch === undefined ? signals.signal : AbortSignal.any([signals.signal, watch.signal]);
    const ended = await runner.runCell(plan, sink, signal);
    watch?.close();
    const result = execution.detecting?.judge(ended, signals.signal.aborted) ?? ended;
    results.push(result);
    await dumps.settle();
    const line = cellLine(result);
    store.log.log('info', line);
    status?.clear();
    if (flags.quiet !== true) say(line);
  }
  status?.end();
  return results;
}

/** The distributions, and the statistics of locks where they were kept. */
function writeFigures(store: RunStore, results: readonly CellResult[], latencies: HdrFiles): void {
  const files = latencies.files();
  if (files.length > 0) makeFolders(join(store.dir, 'latency'));
  for (const [name, text] of files) store.writeWhole(join('latency', name), text);
  const locks = lockStatText(results);
  if (locks !== '') store.writeWhole('lock_stat.txt', locks);
}

function progressOf(terminal: Terminal, cells: number): Status {
  const live = terminal.errIsTty && terminal.env.TERM !== 'dumb' && (terminal.env.CI ?? '') === '';
  return createStatus({ stream: terminal.stderr, live, cells, now: () => performance.now() });
}

function summarize(
  execution: Execution,
  results: CellResult[],
  store: RunStore,
  signals: Signals,
  startedAt: Date,
  environment: Summary['environment'],
): Summary {
  const { judgedBy } = execution;
  const thresholds: ThresholdResult[] = results.flatMap((result, i) =>
    execution.cells[i]!.thresholds.map((threshold) => judgeThreshold(threshold, result)),
  );
  const lost = store.races.lost() + store.log.lost();
  const stoppedBy = signals.received();
  return {
    schemaVersion: 1,
    runId: store.runId,
    command: execution.command,
    seed: execution.seed,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    verdict: runVerdict(results, judgedBy),
    judgedBy,
    exitCode: exitCodeOf({ cells: results, judgedBy, thresholds, lost, stoppedBy }),
    interrupted: stoppedBy !== null,
    environment,
    records: { written: store.races.written(), lost },
    thresholds,
    ...(execution.detecting === undefined ? {} : { variants: execution.detecting.sum(results) }),
    cells: results,
  };
}

/** How it went, in a line. */
const closing = ({ cells, variants }: Summary, judgedBy: JudgedBy): string =>
  variants === undefined ? closingLine(cells, judgedBy) : detectionLine(variants);

/** The page of a GitHub job. Not being able to write it is no reason to fail. */
function stepSummary(execution: Execution, terminal: Terminal, summary: Summary, store: RunStore): void {
  const file = terminal.env.GITHUB_STEP_SUMMARY ?? '';
  if (file === '') return;
  try {
    appendFileSync(file, markdownReport(summary.cells, closing(summary, execution.judgedBy)));
  } catch (error) {
    store.log.log('warn', `no step summary: ${systemReason(error)}`);
  }
}

function report(
  execution: Execution,
  terminal: Terminal,
  summary: Summary,
  results: readonly CellResult[],
  records: readonly ViolationRecord[],
  dir: string,
): void {
  const { flags, judgedBy } = execution;
  if (flags.json === true) {
    terminal.out(JSON.stringify(summary, null, 2));
    return;
  }
  const style = styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
  const options: ReportOptions = { style, width: terminal.width, verbose: flags.verbose === true };
  const print = (lines: readonly string[]): void => {
    for (const line of lines) terminal.out(line);
  };
  if (flags.quiet !== true) {
    const { variants } = summary;
    if (variants !== undefined) print(['', ...detectionReport(variants, options)]);
    if (variants === undefined || options.verbose) print(['', ...matrixReport(results, options)]);
    for (const record of toPrint(records, results, judgedBy))
      print(['', ...timeline(record, { width: terminal.width, style })]);
    terminal.out('');
  }
  print(thresholdReport(summary.thresholds, { ...options, style: flags.quiet === true ? PLAIN : style }));
  const marker = summary.interrupted ? ', interrupted' : '';
  terminal.out(`${closing(summary, judgedBy)}${marker}; ${summary.verdict}; seed ${summary.seed}; ${dir}`);
}

/** Timelines for people: of violations that nobody expected; `run` draws what it finds. */
function toPrint(
  records: readonly ViolationRecord[],
  results: readonly CellResult[],
  judgedBy: JudgedBy,
): ViolationRecord[] {
  const unexpected = (record: ViolationRecord): boolean => {
    const cell = results.find(
      (c) => c.scenario === record.scenario && c.strategy === record.strategy && c.seed === record.seed,
    );
    return (
      cell !== undefined && !cell.expected.must.includes(record.oracle) && !cell.expected.may.includes(record.oracle)
    );
  };
  const wanted = judgedBy === 'violations' ? records : records.filter(unexpected);
  const firstOfOracle = wanted.filter((record, i) => wanted.findIndex((other) => other.oracle === record.oracle) === i);
  return firstOfOracle.slice(0, TIMELINES_PRINTED);
}
