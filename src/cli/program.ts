import { Command, CommanderError } from 'commander';
import { EXIT, OdpError } from '../scenario/errors.ts';
import { addBenchOptions, type BenchFlags, benchCommand } from './bench.ts';
import { addCompareOptions, type CompareFlags, compareCommand } from './compare.ts';
import { doctorCommand } from './doctor.ts';
import { loadRunner } from './execute.ts';
import { exploreCommand } from './explore.ts';
import { addExploreOptions, type ExploreFlags } from './explore-options.ts';
import { addInspectOptions, type InspectFlags, inspectCommand } from './inspect.ts';
import { type ListFlags, listCommand } from './list.ts';
import { matrixCommand } from './matrix.ts';
import { addMatrixOptions, type MatrixFlags } from './matrix-variants.ts';
import { addRunOptions, applyEnvironment, type RunFlags } from './options.ts';
import { packageRoot, packageVersion } from './package-root.ts';
import { addQueryOptions, type QueryFlags, queryCommand } from './query.ts';
import { addReplayOptions, type ReplayFlags, replayCommand } from './replay.ts';
import { addReportOptions, type ReportFlags, reportCommand } from './report.ts';
import { runCommand } from './run.ts';
import { schemaCommand } from './schema.ts';
import { PROCESS_CLOCK, soakCommand } from './soak.ts';
import { addSoakOptions, type SoakFlags } from './soak-options.ts';
import type { Terminal } from './terminal-io.ts';

const HOW_TO_REPORT =
  'please report it with the command line, the output of `odptorture doctor` and, from `-v`, the stack';

const EXIT_HELP = `
Exit codes: 0 as expected, 1 violation, 2 usage or invalid scenario, 3 threshold missed, 4 unknown (too little evidence),
6 a worker crashed, 7 results could not be written, 70 internal error, 130/143 interrupted.
Every flag is also a variable: --seed is ODPTORTURE_SEED. A flag outranks its variable, a variable the scenario.`;

/** Parses the command line, runs the command and returns the exit code. Whatever goes wrong ends in one clear line. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram(terminal, argv, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, terminal, argv);
  }
}

function createProgram(terminal: Terminal, argv: readonly string[], done: (exitCode: number) => void): Command {
  const program = new Command('odptorture');
  program
    .description('Torture harness for MMU notifiers against RDMA on-demand paging.')
    .version(packageVersion(packageRoot()), '-V, --version')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: () => {} })
    .showHelpAfterError(false)
    .addHelpText('after', EXIT_HELP);
  const environment = (command: Command): void => applyEnvironment(command, terminal.env);

  addRunOptions(program.command('run <scenario>'))
    .description('run the cells of one scenario; exits 1 when there was a violation')
    .option('--expect', 'exit by expectations, as matrix does')
    .action(async (scenario: string, _flags: RunFlags, command: Command) => {
      environment(command);
      done(await runCommand(scenario, command.opts<RunFlags>(), terminal));
    });
  addMatrixOptions(addRunOptions(program.command('matrix [scenarios...]')))
    .description('run strategies x scenarios (default: seed and all litmus tests) against what is expected of each')
    .action(async (scenarios: string[], _flags: MatrixFlags, command: Command) => {
      environment(command);
      done(await matrixCommand(scenarios, command.opts<MatrixFlags>(), terminal));
    });
  addSoakOptions(program.command('soak [campaign]'))
    .description('run the cells of a campaign in turn, for hours (default: the campaign `default`)')
    .action(async (campaign: string | undefined, _flags: SoakFlags, command: Command) => {
      environment(command);
      const means = { runner: loadRunner, clock: PROCESS_CLOCK };
      done(await soakCommand(campaign, command.opts<SoakFlags>(), terminal, means));
    });
  addReplayOptions(program.command('replay <file>'))
    .description('run a recorded schedule again and draw it; exits 1 when it shows its violation')
    .action(async (file: string, _flags: ReplayFlags, command: Command) => {
      environment(command);
      done(await replayCommand(file, command.opts<ReplayFlags>(), terminal));
    });
  addExploreOptions(program.command('explore [target]'))
    .description(
      'explore the schedules of a program (./x.js), of a litmus scenario, or of a violation (--from), one thread at a time',
    )
    .action(async (target: string | undefined, _flags: ExploreFlags, command: Command) => {
      environment(command);
      done(await exploreCommand(target, command.opts<ExploreFlags>(), terminal));
    });
  addReportOptions(program.command('report [dir]'))
    .description(
      'the page of a soak, a run or a matrix, also of one that still runs or was killed (default: the latest)',
    )
    .action(async (dir: string | undefined, _flags: ReportFlags, command: Command) => {
      environment(command);
      done(await reportCommand(dir, command.opts<ReportFlags>(), terminal));
    });
  addInspectOptions(program.command('inspect <folder> [topic...]'))
    .description('read the dump of a violation: threads, locks, umems, range A..B, sections, rings, words')
    .action(async (folder: string, topic: string[], _flags: InspectFlags, command: Command) => {
      environment(command);
      done(await inspectCommand(folder, topic, command.opts<InspectFlags>(), terminal));
    });
  addBenchOptions(program.command('bench [suite]'))
    .description('measure primitives, contended locks and strategies under load (default: all three)')
    .action(async (suite: string | undefined, _flags: BenchFlags, command: Command) => {
      environment(command);
      done(await benchCommand(suite ?? 'all', command.opts<BenchFlags>(), terminal, argv));
    });
  addCompareOptions(program.command('compare <run> [other]'))
    .description(
      'two benches cell by cell, or two strategies of one; tells differences only where the interval excludes 1',
    )
    .action((run: string, other: string | undefined, _flags: CompareFlags, command: Command) => {
      environment(command);
      done(compareCommand(run, other, command.opts<CompareFlags>(), terminal));
    });
  addQueryOptions(program.command('query [dirs-and-sql...]'))
    .description('SQL over the results of runs, soaks and explorations')
    .action(async (given: string[], _flags: QueryFlags, command: Command) => {
      environment(command);
      done(await queryCommand(given, command.opts<QueryFlags>(), terminal, process.stdin));
    });
  program
    .command('list [topic]')
    .description(
      'strategies, scenarios, oracles, exposures, points, roles, verbs, metrics; or a strategy of your own (./x.mjs)',
    )
    .option('--json', 'as JSON')
    .option('-v, --verbose', 'with origins and reasons')
    .action(async (topic: string | undefined, _flags: ListFlags, command: Command) => {
      environment(command);
      done(await listCommand(topic, command.opts<ListFlags>(), terminal));
    });
  program
    .command('schema <name>')
    .description('print a JSON Schema: scenario, campaign, summary, soak, cells, races, series, explore or bench')
    .action((name: string) => done(schemaCommand(name, terminal)));
  program
    .command('doctor')
    .description('check that this machine can run the harness')
    .option('--json', 'as JSON')
    .action(async (_flags: { json?: boolean }, command: Command) => {
      environment(command);
      done(await doctorCommand(command.opts<{ json?: boolean }>(), terminal));
    });
  return program;
}

/** The line for a mistake of ours. */
export function internalErrorLine(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `ODP_E_INTERNAL: ${reason.split('\n')[0]}; ${HOW_TO_REPORT}`;
}

/** Turns an error into one line for each thing that is wrong, and an exit code; a stack only with -v. */
function explain(error: unknown, terminal: Terminal, argv: readonly string[]): number {
  if (error instanceof OdpError) {
    terminal.err(error.message);
    return error.exitCode;
  }
  if (error instanceof CommanderError) {
    // Help and version are thrown as well, after they were printed.
    if (error.exitCode === 0) return EXIT.ok;
    if (error.code === 'commander.help') {
      terminal.err('ODP_E_USAGE: no command; see odptorture --help');
      return EXIT.usage;
    }
    const text = error.message
      .replace(/^error: /, '')
      .replaceAll(/\s*\n\s*/g, ' ')
      .replace(/(\?)?\.$/, '$1');
    terminal.err(`ODP_E_USAGE: ${text}`);
    return EXIT.usage;
  }
  terminal.err(internalErrorLine(error));
  const verbose = argv.includes('-v') || argv.includes('--verbose') || (terminal.env.ODPTORTURE_VERBOSE ?? '') !== '';
  if (verbose && error instanceof Error && error.stack !== undefined) terminal.err(error.stack);
  return EXIT.internal;
}
