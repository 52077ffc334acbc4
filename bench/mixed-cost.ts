import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Estimate } from '../src/bench/stats.ts';
import { findScenario, packageRoot } from '../src/cli/package-root.ts';
import { short, table } from '../src/report/format.ts';
import { loadScenario } from '../src/scenario/load.ts';
import type { CellPlan } from '../src/scenario/plan.ts';
import { nthSeed, resolveCells } from '../src/scenario/resolve.ts';
import { durationOf, wholeOf } from './arguments.ts';
import { madeBy, writeSection } from './doc-section.ts';
import { type Generations, medianOver, orderOf, ratioCells, ratioOver } from './level-ratios.ts';
import { loadWords, machineWords } from './machine.ts';
import type { MixedCell } from './mixed-cost-process.ts';

export interface MixedCostOptions {
  readonly strategies: readonly string[];
  /** How many processes, one after the other. */
  readonly generations: number;
  /** In each generation. */
  readonly rounds: number;
  /** Of one cell, milliseconds. */
  readonly durationMs: number;
  /** CPU time that each process spends on all cases before its first round, until its threads' code is what it will be; milliseconds. */
  readonly warmUpMs: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

type Change = Pick<CellPlan, 'trace' | 'lockStat'>;

/**
 * The shipped scenario first, as what the others are held against, and second, as the measure of the measurement: its ratio is 1. Each of
 * the others has one thing changed.
 */
export const CASES: readonly { readonly name: string; readonly change: (plan: CellPlan) => Partial<Change> }[] = [
  { name: 'as shipped: trace on, lock-stat off', change: () => ({}) },
  { name: 'the same again', change: () => ({}) },
  { name: 'trace off', change: ({ trace }) => ({ trace: { ...trace, on: false } }) },
  { name: 'lock-stat counts', change: () => ({ lockStat: 'counts' }) },
  { name: 'lock-stat full', change: () => ({ lockStat: 'full' }) },
];

/** The plans of one round, in the order of `CASES`: the same seed, so that the same threads are delayed and the same calls fail. */
export function mixedPlans(strategy: string, seed: number, durationMs: number): CellPlan[] {
  const loaded = loadScenario(findScenario(packageRoot(), process.cwd(), 'mixed'));
  const [plan] = resolveCells(loaded, { strategies: [strategy], seed, durationMs });
  return CASES.map(({ change }) => ({ ...plan!, ...change(plan!) }));
}

/** One case of one strategy, over the generations. */
export interface MixedRow {
  readonly strategy: string;
  readonly name: string;
  /** Medians of operations, and their ratios to the first case of the same round. */
  readonly perSecond: number;
  readonly perSecondRatio: Estimate;
  readonly perCpuSecond: number;
  readonly perCpuSecondRatio: Estimate;
}

/** What tracing and lock statistics cost in the shipped scenario `mixed`. */
export async function mixedCost(options: MixedCostOptions): Promise<MixedRow[]> {
  const rows: MixedRow[] = [];
  for (const strategy of options.strategies) {
    const generations: MixedRound[][] = [];
    for (let n = 0; n < options.generations; n++) generations.push(await generation(strategy, n, options));
    rows.push(...mixedRows(strategy, generations));
  }
  return rows;
}

/** By case. */
export type MixedRound = readonly MixedCell[];

/**
 * One process, whose threads run all cases in turn in every round. With a process for each case the ratios differed from one set of processes to
 * the next by more than tracing or counting costs. What code that has only ever run one case would be is not told in this way.
 */
async function generation(strategy: string, nth: number, options: MixedCostOptions): Promise<MixedRound[]> {
  const { rounds, durationMs, warmUpMs, seed, say = () => {} } = options;
  const host = fork(fileURLToPath(new URL('./mixed-cost-process.js', import.meta.url)));
  const round = async (n: number): Promise<MixedRound> => {
    const plans = mixedPlans(strategy, nthSeed(seed, n), durationMs);
    const cells: MixedCell[] = [];
    for (const index of orderOf(n, CASES.length)) cells[index] = await ask(host, plans[index]!);
    return cells;
  };
  try {
    for (let n = 0, spent = 0; spent < warmUpMs / 1000; n++)
      spent += (await round(n)).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
    const all: MixedRound[] = [];
    for (let n = 0; n < rounds; n++) all.push(await round(nth * rounds + n));
    say(`${strategy}: generation ${nth + 1} of ${options.generations}`);
    return all;
  } finally {
    await ended(host);
  }
}

/** A process that ends takes time from the next ones. */
async function ended(host: ChildProcess): Promise<void> {
  if (!host.connected) return;
  const exit = once(host, 'exit', { signal: AbortSignal.timeout(SLACK_MS) });
  host.disconnect();
  await exit;
}

/** Beside its time, what a cell may take to start and end. */
const SLACK_MS = 120_000;

async function ask(host: ChildProcess, plan: CellPlan): Promise<MixedCell> {
  const bound = AbortSignal.timeout(plan.durationMs + SLACK_MS);
  const exited = new AbortController();
  const onExit = (code: number | null): void => exited.abort(new Error(`a process ended with code ${code}`));
  host.once('exit', onExit);
  try {
    const answer = once(host, 'message', { signal: AbortSignal.any([bound, exited.signal]) });
    host.send(plan);
    const [cell] = (await answer) as [MixedCell];
    // Its threads are new ones now, which have compiled nothing.
    if (cell.fault !== null) throw new Error(`${plan.strategy}: ${cell.fault}`);
    return cell;
  } finally {
    host.off('exit', onExit);
  }
}

export function mixedRows(strategy: string, generations: Generations<MixedRound>): MixedRow[] {
  const perSecond = ({ operations, seconds }: MixedCell): number => operations / seconds;
  const perCpu = ({ operations, cpuSeconds }: MixedCell): number => operations / cpuSeconds;
  const figures = (of: (cell: MixedCell) => number, index: number): [number, Estimate] => [
    medianOver(generations, (round) => of(round[index]!)),
    ratioOver(generations, (round) => of(round[index]!) / of(round[0]!)),
  ];
  return CASES.map(({ name }, index) => {
    const [perSecondMedian, perSecondRatio] = figures(perSecond, index);
    const [perCpuSecond, perCpuSecondRatio] = figures(perCpu, index);
    return { strategy, name, perSecond: perSecondMedian, perSecondRatio, perCpuSecond, perCpuSecondRatio };
  });
}

/** Rows as aligned columns. */
export function mixedTable(rows: readonly MixedRow[]): string {
  const { header, lines } = table(
    [
      ...['strategy', 'mixed'].map((title) => ({ title })),
      ...['ops/s', 'x shipped', '95 %', 'ops/CPU s', 'x shipped', '95 %'].map((title) => ({ title, right: true })),
    ],
    rows.map(({ strategy, name, perSecond, perSecondRatio, perCpuSecond, perCpuSecondRatio }) => [
      ...[strategy, name],
      ...[short(perSecond), ...ratioCells(perSecondRatio)],
      ...[short(perCpuSecond), ...ratioCells(perCpuSecondRatio)],
    ]),
  );
  return [header, ...lines].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: {
      generations: { type: 'string', default: '12' },
      rounds: { type: 'string', default: '24' },
      duration: { type: 'string', default: '500ms' },
      'warm-up': { type: 'string', default: '40s' },
      strategy: { type: 'string', default: 'interval-notifier,context-count' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
    },
  });
  const where = `${machineWords()}, ${loadWords()}`;
  const rounds = wholeOf('--rounds', values.rounds);
  const generations = wholeOf('--generations', values.generations);
  const rows = await mixedCost({
    strategies: values.strategy.split(','),
    generations,
    rounds,
    durationMs: durationOf('--duration', values.duration),
    warmUpMs: durationOf('--warm-up', values['warm-up']),
    seed: wholeOf('--seed', values.seed),
    say: (line) => console.error(line),
  });
  const how = `${where}; ${generations} generations of processes, ${rounds} rounds with cells of ${values.duration}, after ${values['warm-up']} of CPU time that do not count.`;
  writeSection(values.out, 'mixed-cost', madeBy('mixed-cost', how, mixedTable(rows)));
}
