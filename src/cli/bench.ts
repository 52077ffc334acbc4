import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { compareRuns } from '../bench/compare.ts';
import { benchEnvironment } from '../bench/environment.ts';
import { type BenchResult, type Suite, validateBench } from '../bench/result.ts';
import { benchCells, DEFAULT_STRATEGIES, SUITES, type SuiteOptions } from '../bench/suites.ts';
import { comparisonLines } from '../report/bench-compare.ts';
import { benchCsv, benchMarkdown, legend, plainTables } from '../report/bench-table.ts';
import { linkLatest, newRunDir, givenDir, writeAtomic } from '../results/store.ts';
import { formatDuration } from '../scenario/duration.ts';
import { EXIT, type Issue, OdpError, systemReason } from '../scenario/errors.ts';
import { MAX_SEED, selectStrategies } from '../scenario/resolve.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { STRATEGIES } from '../strategies/index.ts';
import { duration, list, wholeIn } from './options.ts';
import { commitOf, packageRoot, packageVersion } from './package-root.ts';
import { exitCodeOfSignal, installSignals } from './signals.ts';
import type { Terminal } from './terminal-io.ts';

export interface BenchFlags {
  readonly filter?: string;
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
const FULL = { rounds: 9, cellMs: 150, warmupMs: 50, threads: [1, 2, 4, 8, 16] };
/** Six rounds are the fewest of which a difference can be told. */
const QUICK = { rounds: 6, cellMs: 40, warmupMs: 20, threads: [1, 2, 4] };
/** Of one cell, beside its time: threads that start, learn and end. */
const OVERHEAD_MS = 200;
const HEARTBEAT_MS = 10_000;

export function addBenchOptions(command: Command): Command {
  return command
    .option('--filter <text>', 'only cells whose name contains this, with their references')
    .option('--rounds <n>', `how often every cell runs (default: ${FULL.rounds})`, wholeIn(1, 10_000))
    .option('-d, --duration <time>', `time of one cell in one round (default: ${FULL.cellMs}ms)`, duration)
    .option('--threads <n,...>', `threads that contend (default: ${FULL.threads.join(',')})`, (text) =>
      list(text).map(wholeIn(1, MAX_BENCH_THREADS)),
    )
    .option('-s, --strategy <names>', `strategies, or 'all'; the first is what the others are held against (default: ${DEFAULT_STRATEGIES.join(',')})`, list)
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
export async function benchCommand(given: string, flags: BenchFlags, terminal: Terminal, argv: readonly string[]): Promise<number> {
  const suites = suitesOf(given);
  const baseline = flags.baseline === undefined ? null : readBench(resolve(terminal.cwd, flags.baseline));
  const preset = flags.quick === true ? QUICK : FULL;
  const rounds = flags.rounds ?? preset.rounds;
  const cellMs = flags.duration ?? preset.cellMs;
  const seed = flags.seed ?? randomInt(1, MAX_SEED);
  const chosen: SuiteOptions = {
    suites,
    strategies: strategiesOf(flags.strategy),
    threads: [...new Set(flags.threads ?? preset.threads)].sort((a, b) => a - b),
    quick: flags.quick === true,
    filter: flags.filter ?? null,
  };
  const { cells, notes } = benchCells(chosen);
  if (cells.length === 0) throw nothingToMeasure(flags, notes);
  const { measureRounds } = await import('../bench/run.ts');
  const root = packageRoot();
  const startedAt = new Date();
  const store = { root: join(terminal.cwd, 'results'), group: 'bench', seed, startedAt };
  const dir = flags.out === undefined ? newRunDir(store) : givenDir(resolve(terminal.cwd, flags.out));
  const environment = benchEnvironment({ commit: commitOf(root), version: packageVersion(root) });
  const command = ['odptorture', ...argv].join(' ');
  const writeRun = (status: string): void =>
    writeAtomic(join(dir, 'run.json'), json({ status, command, seed, startedAt: startedAt.toISOString(), pid: process.pid, environment }));
  writeRun('running');
  if (flags.out === undefined) linkLatest(dir, { log: (_level, message) => terminal.err(message) });
  const say = progressLine(terminal, flags);
  const about = rounds * cells.length * (cellMs + preset.warmupMs + OVERHEAD_MS);
  say.note(`bench seed=${seed} cells=${cells.length} rounds=${rounds} about ${formatDuration(Math.ceil(about / 1000) * 1000)} results=${dir}`);
  for (const note of notes) say.note(note);
  const signals = installSignals(terminal.err);
  try {
    const measured = await measureRounds(cells, {
      seed,
      rounds,
      cellMs,
      warmupMs: preset.warmupMs,
      cores: environment.cores,
      signal: signals.signal,
      progress: say.progress,
    });
    const result = validateBench({
      schemaVersion: 1,
      runId: basename(dir),
      seed,
      startedAt: startedAt.toISOString(),
      durationMs: Date.now() - startedAt.getTime(),
      command,
      options: { suites, rounds, cellMs, warmupMs: preset.warmupMs, quick: chosen.quick, filter: chosen.filter },
      environment,
      notes,
      ...measured,
    } satisfies BenchResult);
    writeAtomic(join(dir, 'bench.json'), json(result));
    writeAtomic(join(dir, 'bench.csv'), benchCsv(result));
    writeAtomic(join(dir, 'bench.md'), benchMarkdown(result));
    writeRun(result.interrupted ? 'interrupted' : 'finished');
    print(result, flags, terminal, dir, baseline);
    const stoppedBy = signals.received();
    if (stoppedBy !== null) return exitCodeOfSignal(stoppedBy);
    return result.cells.some((cell) => cell.rounds.length === 0) ? EXIT.crash : EXIT.ok;
  } catch (error) {
    try {
      writeRun('failed');
    } catch {
      // The disk is what failed; the error says it.
    }
    throw error;
  } finally {
    signals.dispose();
  }
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function suitesOf(given: string): readonly Suite[] {
  if (given === 'all') return SUITES;
  const suite = SUITES.find((one) => one === given);
  if (suite !== undefined) return [suite];
  throw new OdpError({ code: 'ODP_E_USAGE', message: `no bench '${given}'${didYouMean(given, [...SUITES, 'all'])}; there are ${SUITES.join(', ')} and all` });
}

function strategiesOf(given: readonly string[] | undefined): string[] {
  const issues: Issue[] = [];
  const strategies = selectStrategies(given ?? DEFAULT_STRATEGIES, STRATEGIES, issues);
  if (issues.length > 0) throw new OdpError(issues);
  const variant = strategies.find(({ name }) => !STRATEGIES.some((design) => design.name === name));
  if (variant !== undefined)
    throw new OdpError({ code: 'ODP_E_STRATEGY_UNKNOWN', message: `'${variant.name}' is a known bug; a bench measures designs` });
  return strategies.map(({ name }) => name);
}

function nothingToMeasure({ filter }: BenchFlags, notes: readonly string[]): OdpError {
  const why = notes.length > 0 ? notes[0]! : `no cell's name contains '${filter}'`;
  return new OdpError({ code: 'ODP_E_USAGE', message: `nothing to measure: ${why}` });
}

/** Reads a bench.json, or that of a results folder. Throws `OdpError` when there is none that can be read. */
export function readBench(path: string): BenchResult {
  const file = path.endsWith('.json') ? path : join(path, 'bench.json');
  try {
    return validateBench(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === undefined ? 'it is no bench.json of this version' : systemReason(error);
    throw new OdpError({ code: 'ODP_E_USAGE', message: `cannot read a bench: ${reason}`, at: file }, { cause: error });
  }
}

interface Progress {
  note(line: string): void;
  readonly progress: (done: number, total: number, id: string) => void;
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
    progress(done, total, id) {
      if (!on) return;
      const line = `${done}/${total} ${id}`;
      if (live) {
        terminal.stderr.write(`\r\u001b[K${line.slice(0, terminal.width - 1)}${done + 1 === total ? '\r\u001b[K' : ''}`);
        return;
      }
      const now = performance.now();
      if (now - last < HEARTBEAT_MS) return;
      last = now;
      terminal.err(line);
    },
  };
}

function print(result: BenchResult, flags: BenchFlags, terminal: Terminal, dir: string, baseline: BenchResult | null): void {
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
