import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Comparison, compareRuns, compareSubjects } from '../bench/compare.ts';
import type { BenchResult } from '../bench/result.ts';
import { comparisonLines } from '../report/bench-compare.ts';
import { EXIT, OdpError } from '../scenario/errors.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { readBench } from './bench.ts';
import { list } from './options.ts';
import type { Terminal } from './terminal-io.ts';

export interface CompareFlags {
  readonly strategy?: readonly string[];
  readonly all?: boolean;
  readonly json?: boolean;
}

export function addCompareOptions(command: Command): Command {
  return command
    .option(
      '-s, --strategy <a,b>',
      'with one run: two strategies, locks or operations of it, the second to the first',
      list,
    )
    .option('--all', 'also what does not differ')
    .option('--json', 'as JSON');
}

/** `odptorture compare RUN_A [RUN_B]`: tells differences, and judges none: exits 0. */
export function compareCommand(a: string, b: string | undefined, flags: CompareFlags, terminal: Terminal): number {
  const runA = readBench(resolve(terminal.cwd, a));
  const { strategy } = flags;
  if ((b === undefined) === (strategy === undefined)) throw usage('give two runs, or one run and --strategy a,b');
  const names: [string, string] = strategy === undefined ? ['A', 'B'] : subjectsOf(runA, strategy);
  const comparison: Comparison =
    b === undefined ? compareSubjects(runA, ...names) : compareRuns(runA, readBench(resolve(terminal.cwd, b)));
  if (flags.json === true) terminal.out(JSON.stringify(comparison, null, 2));
  else for (const line of comparisonLines(comparison, names, flags.all === true)) terminal.out(line);
  return EXIT.ok;
}

const usage = (message: string): OdpError => new OdpError({ code: 'ODP_E_USAGE', message });

function subjectsOf({ cells }: BenchResult, given: readonly string[]): [string, string] {
  if (given.length !== 2) throw usage(`--strategy needs two names, found ${given.length}`);
  const known = [...new Set(cells.map(({ subject }) => subject))];
  for (const name of given)
    if (!known.includes(name)) throw usage(`the run has no '${name}'${didYouMean(name, known)}`);
  return [given[0]!, given[1]!];
}
