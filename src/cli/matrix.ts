import { loadScenario } from '../scenario/load.ts';
import { resolveCells } from '../scenario/resolve.ts';
import { chooseStrategies } from './choose-strategies.ts';
import { execute, loadRunner, type PlannedCell } from './execute.ts';
import { type MatrixFlags, matrixVariants } from './matrix-variants.ts';
import { cellOptions } from './options.ts';
import { findScenario, packageRoot, shippedScenarios } from './package-root.ts';
import type { Terminal } from './terminal-io.ts';

/** Load scenarios of a matrix without arguments; all litmus tests come with them. About a minute for all strategies. */
const DEFAULT_LOADS = ['seed'];

/** `odptorture matrix [SCENARIO...]`: strategies x scenarios; the exit code says whether each did what is expected of it. */
export async function matrixCommand(given: readonly string[], flags: MatrixFlags, terminal: Terminal): Promise<number> {
  if (flags.variants === true) return matrixVariants(given, flags, terminal);
  const root = packageRoot();
  const files =
    given.length > 0
      ? given.map((name) => findScenario(root, terminal.cwd, name))
      : shippedScenarios(root)
          .filter((scenario) => scenario.folder === 'litmus' || DEFAULT_LOADS.includes(scenario.name))
          .map((scenario) => scenario.file);
  // A matrix is compared with expectations: the same seed each time, unless asked otherwise.
  const seed = flags.seed ?? 1;
  const chosen = await chooseStrategies(flags.strategy, terminal.cwd);
  const cells = files.flatMap((file): PlannedCell[] => {
    const loaded = loadScenario(file);
    const isLoad = loaded.scenario.kind === 'load';
    const plans = resolveCells(loaded, {
      seed,
      repeat: flags.repeat,
      ...chosen,
      ...(flags.param === undefined ? {} : { params: flags.param }),
      ...cellOptions(flags),
      // A litmus test has its own threads and ends with its iterations.
      ...(flags.duration === undefined || !isLoad ? {} : { durationMs: flags.duration }),
      ...(flags.threads === undefined || !isLoad ? {} : { threads: flags.threads }),
    });
    const thresholds = flags.threshold !== undefined && isLoad ? flags.threshold : loaded.scenario.thresholds;
    return plans.map((plan) => ({ plan, thresholds }));
  });
  return execute(
    { command: 'matrix', group: 'matrix', seed, judgedBy: 'expectations', cells, flags, root },
    terminal,
    await loadRunner(),
  );
}
