import { type Command, InvalidArgumentError, Option } from 'commander';
import { POLICIES, type Policy } from '../explore/pipeline/pipeline-policy.ts';
import type { ColorChoice } from '../report/style.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import type { InjectPlan } from '../trace/inject.ts';
import { duration, inject, list, onOff, params, wholeIn } from './options.ts';

/** Flags of `explore`; every one is also an `ODPTORTURE_*` variable. Without a default where a checkpoint may say something else. */
export interface ExploreFlags {
  readonly strategy?: readonly string[];
  readonly param?: Readonly<Record<string, number>>;
  readonly era?: readonly string[];
  readonly lockDep?: boolean;
  readonly inject?: InjectPlan;
  readonly policy?: Policy;
  readonly bound?: number;
  readonly schedules?: number;
  readonly duration?: number;
  readonly seed?: number;
  readonly granularity?: 'lock' | 'atomic';
  readonly timeouts?: number;
  readonly maxSteps?: number;
  readonly jobs?: number;
  readonly all?: boolean;
  readonly races?: boolean;
  readonly resume?: string;
  readonly from?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress: boolean;
  readonly color: ColorChoice;
}

export const DEFAULT_DURATION_MS = 60_000;
export const DEFAULT_MAX_STEPS = 10_000;
const MAX_JOBS = 256;

/** `20000`, `20k`, `5M`. */
function schedules(text: string): number {
  const match = /^(\d+)([kM]?)$/.exec(text.replaceAll('_', ''));
  const n = match === null ? Number.NaN : Number(match[1]) * { '': 1, k: 1e3, M: 1e6 }[match[2] as '' | 'k' | 'M'];
  if (!(n >= 1 && n <= Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError("expected a whole number above 0, as in '20000', '20k', '5M'.");
  return n;
}

export function addExploreOptions(command: Command): Command {
  return command
    .option(
      '-s, --strategy <names>',
      "for a litmus scenario: strategies, or files of your own (./x.mjs); or 'all' (default: all)",
      list,
    )
    .option('--param <k=v,...>', "a strategy's parameter; may be repeated", params)
    .option('--era <names>', "for a litmus scenario: kernels whose locking the mm follows, or 'all'", list)
    .option('--lock-dep <on|off>', "for a litmus scenario: check the order of locks (default: the scenario's)", onOff)
    .option('--inject <capability:fail-nth=n>', 'make the n-th call of each thread fail; may be repeated', inject)
    .addOption(
      new Option('--policy <name>', 'how schedules are chosen (default: one after the other)').choices(POLICIES),
    )
    .option('--bound <n>', 'explore all schedules with at most so many preemptions (default: 2)', wholeIn(0, 1000))
    .option('--schedules <n>', 'schedules of each exploration, as in 20000, 20k, 5M', schedules)
    .option('-d, --duration <time>', 'time for each exploration (default: 60s)', duration)
    .option('--seed <n>', 'seed of what is random (default: random)', wholeIn(1, MAX_SEED))
    .addOption(
      new Option('--granularity <what>', 'one step is a function of a lock, or one atomic operation').choices([
        'lock',
        'atomic',
      ]),
    )
    .option('--timeouts <n>', 'time-outs that a schedule may take although somebody could run', wholeIn(0, 1000))
    .option('--max-steps <n>', `steps of a schedule at most (default: ${DEFAULT_MAX_STEPS})`, wholeIn(10, 10_000_000))
    .option('-j, --jobs <n>', 'processes (default: one a core)', wholeIn(1, MAX_JOBS))
    .option('--all', 'go on after a violation, and collect every distinct one')
    .option('--races', 'look for data races of plain accesses too; slower')
    .option('--resume <dir>', 'go on where the exploration in this results folder stopped')
    .option(
      '--from <violation>',
      'in place of a target: litmus tests drawn from a violation that a run has kept, in results/.../violations/<n>',
    )
    .option('-o, --out <dir>', 'write results to this folder instead of results/explore-<name>/<time>-<seed>')
    .option('--json', 'print explore.json to stdout and nothing else')
    .option('-q, --quiet', 'print only the closing line')
    .option('-v, --verbose', 'print more: phases, notes')
    .option('--no-progress', 'no progress on stderr')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));
}
