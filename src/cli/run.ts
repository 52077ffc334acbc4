import { randomInt } from 'node:crypto';
import { loadScenario } from '../scenario/load.ts';
import { MAX_SEED, resolveCells } from '../scenario/resolve.ts';
import { chooseStrategies } from './choose-strategies.ts';
import { execute, loadRunner, type PlannedCell } from './execute.ts';
import { cellOptions, type RunFlags } from './options.ts';
import { findScenario, packageRoot } from './package-root.ts';
import type { Terminal } from './terminal-io.ts';

/** `odptorture run SCENARIO`: every chosen strategy under one scenario; the exit code says whether there were violations. */
export async function runCommand(given: string, flags: RunFlags, terminal: Terminal): Promise<number> {
  const root = packageRoot();
  const loaded = loadScenario(findScenario(root, terminal.cwd, given));
  const seed = flags.seed ?? randomInt(1, MAX_SEED);
  const plans = resolveCells(loaded, {
    seed,
    repeat: flags.repeat,
    ...(await chooseStrategies(flags.strategy, terminal.cwd)),
    ...(flags.duration === undefined ? {} : { durationMs: flags.duration }),
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    ...(flags.param === undefined ? {} : { params: flags.param }),
    ...cellOptions(flags),
  });
  // A flag outranks the scenario: thresholds on the command line replace its own.
  const thresholds = flags.threshold ?? loaded.scenario.thresholds;
  const cells = plans.map((plan): PlannedCell => ({ plan, thresholds }));
  const judgedBy = flags.expect === true ? 'expectations' : 'violations';
  return execute(
    { command: 'run', group: loaded.name, seed, judgedBy, cells, flags, root },
    terminal,
    await loadRunner(),
  );
}
