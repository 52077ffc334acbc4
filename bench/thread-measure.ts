import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExploreSummary } from '../src/explore/pipeline/pipeline-result.ts';
import { ERA_RULES } from '../src/mm/era.ts';
import type { CellResult } from '../src/results/types.ts';
import { parseInject } from '../src/scenario/inject.ts';
import type { LoadedScenario } from '../src/scenario/load.ts';
import { resolveCells } from '../src/scenario/resolve.ts';
import { type ExploredCell, exploreCell } from './explored-cell.ts';
import { type Group, labelOf } from './thread-claims.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
/** What a command, or the search of a cell, may take on a machine that has other work, milliseconds. */
const SLACK_MS = 120_000;

/** What real threads did in one cell. */
export interface Ran {
  /** Of a litmus: iterations that were completed. */
  readonly iterations: number | null;
  /** Of these, in how many the forced order could be had; null: none is forced. */
  readonly forced: number | null;
  readonly seconds: number;
  readonly violations: Readonly<Record<string, number>>;
  readonly exposures: Readonly<Record<string, number>>;
  readonly commits: number;
  readonly retries: number;
  readonly registrations: number;
  readonly faultP99Us: number;
  readonly registerP99Us: number;
  /** Why the cell ended early; null: it did not. */
  readonly fault: string | null;
}

/** What a search of all schedules has come to. */
export interface Searched {
  /** "exhaustive: 112 executions"; null: the time was up first. */
  readonly proof: string | null;
  readonly bounded: string | null;
  readonly schedules: number;
  readonly violations: readonly { readonly oracle: string; readonly preemptions: number | null }[];
  readonly broken: string | null;
}

export interface Row {
  readonly scenario: string;
  readonly label: string;
  readonly era: string;
  readonly ran: Ran | null;
  /** null: a load, which has no end to be searched for. */
  readonly searched: Searched | null;
}

/** A schedule that `explore` has made small. */
export interface Drawn {
  readonly command: string;
  /** The lines of timeline.txt; null: no schedule shows a violation. */
  readonly lines: readonly string[] | null;
}

export interface MeasureOptions {
  readonly seed: number;
  /** Schedules of each of the two searches of a cell at most: what is found does not depend on how busy the machine is. */
  readonly schedules: number;
  /** Length of a load cell, as the command line has it. */
  readonly load: string;
}

const setOf = ({ params, inject }: Group): string[] => [
  ...Object.entries(params ?? {}).flatMap(([name, value]) => ['--param', `${name}=${value}`]),
  ...(inject === undefined ? [] : ['--inject', inject]),
];

/** The command line of one group, without what only this generator needs. */
export const commandOf = (
  command: 'run' | 'explore',
  scenario: string,
  group: Group,
  eras: readonly string[],
  seed: number,
): string[] => [
  command,
  scenario,
  ...['--strategy', group.strategies.join(',')],
  ...setOf(group),
  ...['--era', eras.join(',')],
  ...['--seed', String(seed)],
];

/** Runs a command into a folder of its own and reads one of the files that it leaves. */
function resultOf<R>(args: readonly string[], timeout: number, read: (folder: string) => R): R {
  const parent = mkdtempSync(join(tmpdir(), 'thread-answered-'));
  const folder = join(parent, 'r');
  try {
    const { stderr } = spawnSync(process.execPath, [MAIN, ...args, '-q', '--no-progress', '-o', folder], {
      encoding: 'utf8',
      timeout,
    });
    try {
      return read(folder);
    } catch (error) {
      throw new Error(`odptorture ${args.join(' ')}\n${stderr}`, { cause: error });
    }
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

const jsonAt = (folder: string, name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

/** How often a command is tried whose threads were not given the time to start. */
const TRIES = 3;

/** The cells of a group on free threads, in the order of the eras and, within each, of the strategies. */
export function runGroup(
  loaded: LoadedScenario,
  group: Group,
  eras: readonly string[],
  options: MeasureOptions,
): (Ran | null)[] {
  for (let tries = 1; ; tries++) {
    const ran = runOnce(loaded, group, eras, options);
    // Says something of the machine and nothing of the design: not a result.
    const lame = ran.filter(({ fault }) => fault === 'start-timeout').length;
    if (lame === 0) return ran;
    console.error(`${loaded.name}: the threads of ${lame} cells did not start in time`);
    if (tries === TRIES) return ran.map((one) => (one.fault === 'start-timeout' ? null : one));
  }
}

function runOnce(
  { name, scenario }: LoadedScenario,
  group: Group,
  eras: readonly string[],
  { seed, load }: MeasureOptions,
): Ran[] {
  const args = commandOf('run', name, group, eras, seed);
  if (scenario.kind === 'load') args.push('-d', load);
  const cells = group.strategies.length * eras.length;
  const timeout = SLACK_MS + cells * (scenario.duration + 5000);
  const { cells: results } = resultOf(args, timeout, (folder) => jsonAt(folder, 'summary.json')) as {
    cells: CellResult[];
  };
  return results.map((cell) => ranOf(cell, scenario.kind === 'litmus' && scenario.order.length > 0));
}

function ranOf(cell: CellResult, isForced: boolean): Ran {
  const orders = cell.orders as Readonly<Record<string, number>> | undefined;
  return {
    iterations: orders === undefined ? null : Object.values(orders).reduce((a, b) => a + b, 0),
    forced: orders === undefined || !isForced ? null : (orders.complete ?? 0),
    seconds: cell.durationMs / 1000,
    violations: Object.fromEntries(Object.entries(cell.violations).map(([oracle, v]) => [oracle, v.count])),
    exposures: Object.fromEntries(Object.entries(cell.exposures).filter(([, n]) => n > 0)),
    commits: cell.faults.committed,
    retries: cell.faults.retries,
    registrations: cell.operations.register?.count ?? 0,
    faultP99Us: cell.latencyNs.fault.p99 / 1000,
    registerP99Us: cell.latencyNs.register.p99 / 1000,
    fault: cell.fault?.kind ?? null,
  };
}

const searchedOf = ({ proof, bounded, schedules, violations, broken }: ExploredCell): Searched => ({
  proof,
  bounded,
  schedules,
  violations: violations.map(({ oracle, preemptions }) => ({ oracle, preemptions })),
  broken,
});

/** Each cell, all its schedules, as far as their number goes. */
export async function searchGroup(
  loaded: LoadedScenario,
  group: Group,
  eras: readonly string[],
  { seed, schedules: most }: MeasureOptions,
): Promise<Searched[]> {
  const inject = group.inject === undefined ? undefined : parseInject(group.inject);
  if (typeof inject === 'string') throw new Error(inject);
  const plans = resolveCells(loaded, {
    strategies: group.strategies,
    eras,
    seed,
    ...(group.params === undefined ? {} : { params: group.params }),
    ...(inject === undefined ? {} : { inject }),
  });
  const found = new Map<string, Searched>();
  const all: Searched[] = [];
  for (const plan of plans) {
    // Kernels of one set of rules have one set of schedules.
    const same = JSON.stringify([plan.strategy, ERA_RULES[plan.era]]);
    const cell = found.get(same) ?? searchedOf(await exploreCell(plan, 2 * SLACK_MS, most));
    found.set(same, cell);
    all.push(cell);
  }
  return all;
}

/** Rows of one group under one scenario. */
export async function measureGroup(
  loaded: LoadedScenario,
  group: Group,
  eras: readonly string[],
  options: MeasureOptions,
): Promise<Row[]> {
  const ran = runGroup(loaded, group, eras, options);
  const isLoad = loaded.scenario.kind === 'load';
  const searched = isLoad ? [] : await searchGroup(loaded, group, eras, options);
  const cells = eras.flatMap((era) => group.strategies.map((strategy) => ({ era, strategy })));
  return cells.map(({ era, strategy }, i) => ({
    scenario: loaded.name,
    label: labelOf(strategy, group),
    era,
    ran: ran[i] ?? null,
    searched: searched[i] ?? null,
  }));
}

/** The smallest schedule with a violation, drawn. */
export function draw(scenario: string, group: Group, era: string, { seed }: MeasureOptions): Drawn {
  const args = commandOf('explore', scenario, group, [era], seed);
  const command = `npx odptorture ${args.map((arg) => (/[;|]/.test(arg) ? `'${arg}'` : arg)).join(' ')}`;
  const lines = resultOf(args, SLACK_MS, (folder) => {
    const { explorations } = jsonAt(folder, 'explore.json') as ExploreSummary;
    const first = explorations[0]?.violations[0];
    const file = join(folder, first?.folder ?? '', 'timeline.txt');
    return first === undefined || !existsSync(file) ? null : readFileSync(file, 'utf8').trimEnd().split('\n');
  });
  return { command, lines };
}
