import type { Command } from 'commander';
import { type Detection, detectionOf, firstSeen } from '../results/detection.ts';
import type { CellResult } from '../results/types.ts';
import { OdpError } from '../scenario/errors.ts';
import { loadScenario } from '../scenario/load.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { resolveCells } from '../scenario/resolve.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { VARIANTS, type Variant } from '../variants/index.ts';
import { type CellWatch, type Detecting, execute, loadRunner, type PlannedCell } from './execute.ts';
import { cellOptions, onOff, type RunFlags } from './options.ts';
import { findScenario, packageRoot } from './package-root.ts';
import type { Terminal } from './terminal-io.ts';

/** Flags of `matrix` beside those of `run`. */
export interface MatrixFlags extends RunFlags {
  readonly variants?: boolean;
  readonly litmus?: boolean;
  readonly load?: boolean;
  readonly first?: boolean;
}

export function addMatrixOptions(command: Command): Command {
  return command
    .option('--variants', 'run the known bugs instead: each must be found in its own litmus; also under load')
    .option('--litmus <on|off>', "with --variants: each bug's own litmus", onOff, true)
    .option('--load <on|off>', 'with --variants: a load, its own or the scenarios given', onOff, true)
    .option('--first', 'with --variants: a cell ends at its first find, which leaves its rate unknown');
}

/** A cell that has found its bug goes on until it has run so long, for the rate at which it is hit, milliseconds. */
const RATE_MS = 500;

/**
 * `odptorture matrix --variants [SCENARIO...]`: every known bug in its own litmus and under load, free on real threads. One that its litmus
 * does not find means that the judge failed: exit code 1. A load finds what chance brings, and is only reported.
 */
export async function matrixVariants(
  given: readonly string[],
  flags: MatrixFlags,
  terminal: Terminal,
): Promise<number> {
  const root = packageRoot();
  const seed = flags.seed ?? 1;
  const own = (name: string): string => `${root}/scenarios/variants/${name}.yaml`;
  const loads = given.map((name) => findScenario(root, terminal.cwd, name));
  const cells = chosenVariants(flags.strategy).flatMap((variant) => {
    const files = [
      ...(flags.litmus === false ? [] : [own(variant.litmus)]),
      ...(flags.load === false ? [] : loads.length > 0 ? loads : [own(variant.load)]),
    ];
    return files.flatMap((file) => variantCells(variant, file, seed, flags));
  });
  return execute(
    {
      command: 'matrix',
      group: 'matrix-variants',
      seed,
      judgedBy: 'expectations',
      cells,
      flags,
      root,
      detecting: detecting(flags.first === true ? 0 : RATE_MS),
    },
    terminal,
    await loadRunner(),
  );
}

/** Known bugs by name, in the order of their registry; all of them when none is named. */
function chosenVariants(names: readonly string[] | undefined): readonly Variant[] {
  if (names === undefined || names.includes('all')) return VARIANTS;
  const known = VARIANTS.map(({ strategy }) => strategy.name);
  const wrong = names.filter((name) => !known.includes(name));
  if (wrong.length > 0)
    throw new OdpError(
      wrong.map((name) => ({
        code: 'ODP_E_STRATEGY_UNKNOWN',
        message: `no known bug '${name}'${didYouMean(name, known)}; see odptorture list variants`,
      })),
    );
  return VARIANTS.filter(({ strategy }) => names.includes(strategy.name));
}

function variantCells({ strategy }: Variant, file: string, seed: number, flags: RunFlags): PlannedCell[] {
  const plans = resolveCells(loadScenario(file), {
    seed,
    repeat: flags.repeat,
    strategies: [strategy.name],
    ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
    ...cellOptions(flags),
  });
  return plans.map((plan) => ({ plan, thresholds: [] }));
}

const variantOf = (name: string): Variant => VARIANTS.find(({ strategy }) => strategy.name === name)!;

/** Ends cells early, and judges them by whether the bug was found. */
const detecting = (rateMs: number): Detecting => ({
  watch: (plan) => watchUntilFound(plan, rateMs),
  judge: judgeDetection,
  sum: detectionsOf,
});

/** Ends a cell `rateMs` after its start, or when it has found its bug, whichever is later. */
export function watchUntilFound(plan: CellPlan, rateMs: number): CellWatch {
  const { oracles } = variantOf(plan.strategy);
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    violation({ oracle, atMs }) {
      if (timer === undefined && oracles.includes(oracle))
        timer = setTimeout(() => controller.abort(), Math.max(0, rateMs - atMs));
    },
    close: () => clearTimeout(timer),
  };
}

/**
 * Found: as expected, however the cell ended; a bug may well hang its threads. Not found: in its own litmus not as expected, or unknown when
 * the user has `stopped` it; elsewhere as expected, as nothing is promised there.
 */
export function judgeDetection(result: CellResult, stopped: boolean): CellResult {
  const { oracles, litmus } = variantOf(result.strategy);
  const { fault, ...rest } = result;
  const may = [...new Set([...result.expected.may, ...oracles])] as CellResult['expected']['may'];
  const expected = { must: [], may, reason: `a known bug, to be found by any of ${oracles.join(', ')}` };
  if (firstSeen(result, oracles) !== null) {
    const how = fault === undefined ? [] : [`ended by ${fault.kind} in ${fault.thread}: ${fault.message}`];
    return { ...rest, expected, asExpected: true, why: '', notes: [...rest.notes, ...how], interrupted: stopped };
  }
  const why = `the known bug was not found: none of ${oracles.join(', ')} has fired`;
  if (stopped) return { ...result, expected, asExpected: null, why };
  if (rest.scenario !== litmus) return { ...rest, expected, asExpected: true, why };
  return { ...result, expected, asExpected: false, why: fault === undefined ? why : `${why}; ${fault.message}` };
}

/** One for each known bug and scenario, in the order of the cells. */
function detectionsOf(cells: readonly CellResult[]): Detection[] {
  const groups = new Map<string, CellResult[]>();
  for (const cell of cells) {
    const key = `${cell.strategy} ${cell.scenario}`;
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups.values()].map((group) => detectionOf(variantOf(group[0]!.strategy), group));
}
