import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { compareRuns } from '../bench/compare.ts';
import { DEFAULT_STRATEGIES, SUITES, type SuiteOptions } from '../bench/defaults.ts';
import { type BenchEnvironment, benchEnvironment } from '../bench/environment.ts';
import type { BenchStrategy } from '../bench/load-plan.ts';
import { type BenchResult, type Suite, validateBench } from '../bench/result.ts';
import { comparisonLines } from '../report/bench-compare.ts';
import { benchHtml } from '../report/bench-html.ts';
import { benchCsv, benchMarkdown, legend, plainTables } from '../report/bench-table.ts';
import { givenDir, linkLatest, newRunDir, type RunStatus, writeAtomic } from '../results/store.ts';
import { formatDuration } from '../scenario/duration.ts';
import { EXIT, type Issue, OdpError, systemReason } from '../scenario/errors.ts';
import { MAX_SEED, selectStrategies } from '../scenario/resolve.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { STRATEGIES } from '../strategies/index.ts';
import { chooseStrategies } from './choose-strategies.ts';
import { duration, list, wholeIn } from './options.ts';
import { commitOf, packageRoot, packageVersion } from './package-root.ts';
import { chartLibrary } from './report.ts';
import { exitCodeOfSignal, installSignals } from './signals.ts';
import type { Terminal } from './terminal-io.ts';

export interface BenchFlags {
  readonly filter?: readonly string[];
  readonly rounds?: number;
  readonly duration?: number;
  readonly threads?: readonly number[];
  readonly strategy?: readonly string[];
  readonly quick?: boolean;
  readonly seed?: number;
  readonly baseline?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

const MAX_BENCH_THREADS = 64;
/** Contention has to be compiled too, before it counts: with 50 ms a contended rwsem comes to 40 to 90 % of what it does after 200 or 400 ms. */
const WARM_UP_MS = 200;
const FULL = { rounds: 9, cellMs: 150, warmupMs: WARM_UP_MS, threads: [1, 2, 4, 8, 16] };
/** Six rounds are the fewest of which a difference can be told. */
const QUICK = { rounds: 6, cellMs: 50, warmupMs: WARM_UP_MS, threads: [1, 2, 4] };
/** Of one cell, beside its time: threads that start, learn and end. */
const OVERHEAD_MS = 400;
const HEARTBEAT_MS = 10_000;

/** What stands between commas; spaces belong to it, so that `read=9 ` is not `read=99`. */
const parts = (text: string): string[] => text.split(',').filter((part) => part !== '');

export function addBenchOptions(command: Command): Command {
  return command
    .option('--filter <text,...>', 'only cells whose name contains one of these, with their references', parts)
    .option('--rounds <n>', `how often every cell runs (default: ${FULL.rounds})`, wholeIn(1, 10_000))
    .option('-d, --duration <time>', `time of one cell in one round (default: ${FULL.cellMs}ms)`, duration)
    .option('--threads <n,...>', `threads that contend (default: ${FULL.threads.join(',')})`, (text) =>
      list(text).map(wholeIn(1, MAX_BENCH_THREADS)),
    )
    .option(
      '-s, --strategy <names>',
      `strategies, known bugs, files of your own (./x.mjs), or 'all'; the first is what the others are held against (default: ${DEFAULT_STRATEGIES.join(',')})`,
      list,
    )
    .option('--quick', 'fewer cells, shorter: a first look')
    .option('--seed <n>', 'of the order of cells and of the intervals (default: random)', wholeIn(1, MAX_SEED))
    .option('--baseline <dir>', 'compare with the bench in this folder when done')
    .option('-o, --out <dir>', 'write results to this folder instead of results/bench/<time>-<seed>')
    .option('--json', 'print bench.json to stdout and nothing else')
    .option('--markdown', 'print bench.md to stdout and nothing else')
    .option('-q, --quiet', 'print only the closing line')
    .option('--no-progress', 'no progress on stderr');
}

/** `odptorture bench`: measures, writes the results folder, prints tables. Exits 0 unless a cell failed in every round, which is a crash. */
export async function benchCommand(
  given: string,
  flags: BenchFlags,
  terminal: Terminal,
  argv: readonly string[],
): Promise<number> {
  const settings = await settingsOf(given, flags, terminal.cwd);
  const baseline = flags.baseline === undefined ? null : readBench(resolve(terminal.cwd, flags.baseline));
  // Loaded here: they bring the whole model with them, which other commands do without.
  const [{ benchCells }, { measureRounds, timeOf }] = await Promise.all([
    import('../bench/suites.ts'),
    import('../bench/run.ts'),
  ]);
  const { cells, notes } = benchCells(settings);
  if (cells.length === 0) throw nothingToMeasure(flags, notes);
  const bench = openBench(settings, flags, terminal, argv);
  const progress = progressLine(terminal, flags);
  const { cores } = bench.environment;
  const about = cells.reduce((sum, cell) => {
    const { cellMs, warmupMs } = timeOf(cell, { ...settings, cores });
    return sum + settings.rounds * (cellMs + warmupMs + OVERHEAD_MS);
  }, 0);
  progress.note(
    `bench seed=${settings.seed} cells=${cells.length} rounds=${settings.rounds} about ${formatDuration(Math.ceil(about / 1000) * 1000)} results=${bench.dir}`,
  );
  for (const note of notes) progress.note(note);
  const signals = installSignals(terminal.err);
  try {
    const measured = await measureRounds(cells, {
      ...settings,
      cores,
      signal: signals.signal,
      progress: progress.cell,
    });
    const result = benchResult(settings, bench, { ...measured, notes });
    bench.write(result);
    print(result, flags, terminal, bench.dir, baseline);
    const stoppedBy = signals.received();
    if (stoppedBy !== null) return exitCodeOfSignal(stoppedBy);
    return result.cells.some((cell) => cell.rounds.length === 0) ? EXIT.crash : EXIT.ok;
  } catch (error) {
    bench.failed();
    throw error;
  } finally {
    signals.dispose();
  }
}

/** Flags over the defaults. */
interface Settings extends SuiteOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly cellMs: number;
  readonly warmupMs: number;
}

async function settingsOf(given: string, flags: BenchFlags, cwd: string): Promise<Settings> {
  const preset = flags.quick === true ? QUICK : FULL;
  return {
    suites: suitesOf(given),
    strategies: await strategiesOf(flags.strategy ?? DEFAULT_STRATEGIES, cwd),
    threads: [...new Set(flags.threads ?? preset.threads)].sort((a, b) => a - b),
    quick: flags.quick === true,
    filter: flags.filter ?? null,
    seed: flags.seed ?? randomInt(1, MAX_SEED),
    rounds: flags.rounds ?? preset.rounds,
    cellMs: flags.duration ?? preset.cellMs,
    warmupMs: preset.warmupMs,
  };
}

/** A bench that has begun, and its folder. */
interface OpenBench {
  readonly dir: string;
  readonly startedAt: Date;
  readonly command: string;
  readonly environment: BenchEnvironment;
  write(result: BenchResult): void;
  /** The folder must not look like one of a bench that still runs. */
  failed(): void;
}

function openBench({ seed }: Settings, flags: BenchFlags, terminal: Terminal, argv: readonly string[]): OpenBench {
  const root = packageRoot();
  const startedAt = new Date();
  const store = { root: join(terminal.cwd, 'results'), group: 'bench', seed, startedAt };
  const dir = flags.out === undefined ? newRunDir(store) : givenDir(resolve(terminal.cwd, flags.out));
  const environment = benchEnvironment({ commit: commitOf(root), version: packageVersion(root) });
  const command = ['odptorture', ...withoutFolders(argv)].join(' ');
  const config = { command, seed, startedAt: startedAt.toISOString(), pid: process.pid, environment };
  const writeRun = (status: RunStatus): void => writeAtomic(join(dir, 'run.json'), json({ status, ...config }));
  writeRun('running');
  if (flags.out === undefined) linkLatest(dir, { log: (_level, message) => terminal.err(message) });
  return {
    dir,
    startedAt,
    command,
    environment,
    write(result) {
      writeAtomic(join(dir, 'bench.json'), json(result));
      writeAtomic(join(dir, 'bench.csv'), benchCsv(result));
      writeAtomic(join(dir, 'bench.md'), benchMarkdown(result));
      writeAtomic(join(dir, 'report.html'), benchHtml(result, chartLibrary()));
      writeRun(result.interrupted ? 'interrupted' : 'finished');
    },
    failed() {
      try {
        writeRun('failed');
      } catch {
        // The disk is what failed; the error says it.
      }
    },
  };
}

/** The command line as somebody else would give it: where its results went is nobody's business. */
function withoutFolders(argv: readonly string[]): string[] {
  const named = ['-o', '--out', '--baseline'];
  return argv.filter(
    (word, i) => !named.includes(word) && !named.includes(argv[i - 1] ?? '') && !/^--(out|baseline)=/.test(word),
  );
}

const benchResult = (
  settings: Settings,
  { dir, startedAt, command, environment }: OpenBench,
  measured: Pick<BenchResult, 'cells' | 'rounds' | 'ratios' | 'claims' | 'interrupted' | 'notes'>,
): BenchResult =>
  validateBench({
    schemaVersion: 1,
    runId: basename(dir),
    seed: settings.seed,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    command,
    options: {
      suites: settings.suites,
      rounds: settings.rounds,
      cellMs: settings.cellMs,
      warmupMs: settings.warmupMs,
      quick: settings.quick,
      filter: settings.filter?.join(',') ?? null,
      ...filesOf(settings.strategies),
    },
    environment,
    ...measured,
  } satisfies BenchResult);

/** Of users' own strategies what their files were, not where. */
function filesOf(strategies: readonly BenchStrategy[]): Pick<BenchResult['options'], 'strategyFiles'> {
  const files = strategies.flatMap(({ strategy, strategyFile }) =>
    strategyFile === undefined ? [] : [[strategy, strategyFile.sha256] as const],
  );
  return files.length === 0 ? {} : { strategyFiles: Object.fromEntries(files) };
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function suitesOf(given: string): readonly Suite[] {
  if (given === 'all') return SUITES;
  const suite = SUITES.find((one) => one === given);
  if (suite !== undefined) return [suite];
  throw new OdpError({
    code: 'ODP_E_USAGE',
    message: `no bench '${given}'${didYouMean(given, [...SUITES, 'all'])}; there are ${SUITES.join(', ')} and all`,
  });
}

/** As `run` takes them; a user's file is loaded here once, and by every thread that runs it. */
async function strategiesOf(given: readonly string[], cwd: string): Promise<BenchStrategy[]> {
  const { strategies = [], registry = STRATEGIES } = await chooseStrategies(given, cwd);
  const issues: Issue[] = [];
  const chosen = selectStrategies(strategies, registry, issues);
  if (issues.length > 0) throw new OdpError(issues);
  return chosen.map(({ name, file }) => ({ strategy: name, ...(file === undefined ? {} : { strategyFile: file }) }));
}

function nothingToMeasure({ filter }: BenchFlags, notes: readonly string[]): OdpError {
  const why = filter === undefined ? notes[0] : `no cell's name contains '${filter.join("' or '")}'`;
  return new OdpError({ code: 'ODP_E_USAGE', message: `nothing to measure: ${why}` });
}

/** Reads a bench.json, or that of a results folder. Throws `OdpError` when there is none that can be read. */
export function readBench(path: string): BenchResult {
  const file = path.endsWith('.json') ? path : join(path, 'bench.json');
  try {
    return validateBench(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === undefined ? 'it is no bench.json of this version' : systemReason(error);
    throw new OdpError({ code: 'ODP_E_USAGE', message: `cannot read a bench: ${reason}`, at: file }, { cause: error });
  }
}

interface Progress {
  note(line: string): void;
  readonly cell: (done: number, total: number, id: string) => void;
}

/** On a terminal one line that is written over, elsewhere a line now and then. */
function progressLine(terminal: Terminal, flags: BenchFlags): Progress {
  const on = flags.progress && flags.quiet !== true;
  const live = terminal.errIsTty && terminal.env.TERM !== 'dumb' && (terminal.env.CI ?? '') === '';
  let last = 0;
  return {
    note: (line) => {
      if (flags.quiet !== true) terminal.err(`odptorture: ${line}`);
    },
    cell(done, total, id) {
      if (!on) return;
      const line = `${done}/${total} ${id}`;
      if (live) {
        terminal.stderr.write(
          `\r\u001b[K${line.slice(0, terminal.width - 1)}${done + 1 === total ? '\r\u001b[K' : ''}`,
        );
        return;
      }
      const now = performance.now();
      if (now - last < HEARTBEAT_MS) return;
      last = now;
      terminal.err(line);
    },
  };
}

function print(
  result: BenchResult,
  flags: BenchFlags,
  terminal: Terminal,
  dir: string,
  baseline: BenchResult | null,
): void {
  const comparison =
    baseline === null ? [] : comparisonLines(compareRuns(baseline, result), ['baseline', 'this run'], false);
  if (flags.json === true || flags.markdown === true) {
    terminal.out(flags.json === true ? JSON.stringify(result, null, 2) : benchMarkdown(result).trimEnd());
    for (const line of comparison) terminal.err(line);
    return;
  }
  if (flags.quiet !== true) {
    for (const line of plainTables(result)) terminal.out(line);
    for (const line of ['', ...legend(result), '']) terminal.out(line);
  }
  for (const line of comparison) terminal.out(line);
  const failed = result.cells.filter((cell) => cell.failures.length > 0).length;
  const words = [
    `${result.cells.length} cells, ${result.options.rounds} rounds`,
    ...(failed > 0 ? [`${failed} cells failed in some round`] : []),
    ...(result.interrupted ? ['interrupted'] : []),
  ];
  terminal.out(`${words.join(', ')}; seed ${result.seed}; ${dir}`);
}
