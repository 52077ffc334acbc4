import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ColorChoice } from '../report/style.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import type { Threshold } from '../scenario/threshold.ts';
import { parseTimeOfDay, parseUntil, type TimeOfDay, type Until } from '../soak/until.ts';
import type { LockStatLevel } from '../trace/lock-stat.ts';
import { duration, list, lockStat, thresholds, wholeIn } from './options.ts';

/** A name with its weight. */
export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

export interface SoakFlags {
  readonly scenario?: readonly Weighted[];
  readonly strategy?: readonly Weighted[];
  readonly duration?: number;
  readonly until?: readonly Until[];
  readonly stopAt?: TimeOfDay;
  readonly cell?: number;
  readonly seed?: number;
  readonly repeatEach?: number;
  readonly lastFailed?: boolean;
  readonly lockStat?: LockStatLevel;
  readonly resume?: string;
  readonly maxDisk?: number;
  readonly maxMemory?: number;
  readonly maxLog?: number;
  readonly expect?: boolean;
  readonly threshold?: readonly Threshold[];
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress: boolean;
  readonly color: ColorChoice;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes of `1GiB`, `500MB`, `4096`. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text);
  const unit = UNITS[match?.[2] ?? '?'];
  if (match === null || unit === undefined || Number(match[1]) === 0)
    throw new InvalidArgumentError("expected a size, as in '1GiB', '500MB'.");
  return Math.round(Number(match[1]) * unit);
}

function weighted(text: string): Weighted[] {
  return list(text).map((word) => {
    const match = /^(.+)=(\d+(?:\.\d+)?)$/.exec(word);
    if (match === null) return { name: word, weight: 1 };
    const weight = Number(match[2]);
    if (!(weight > 0 && weight <= 1000))
      throw new InvalidArgumentError(`'${word}': a weight is above 0, and at most 1000.`);
    return { name: match[1]!, weight };
  });
}

function until(text: string, before: readonly Until[] = []): Until[] {
  const parsed = list(text).map((one) => {
    const condition = parseUntil(one);
    if (typeof condition === 'string') throw new InvalidArgumentError(`${condition}.`);
    return condition;
  });
  return [...before, ...parsed];
}

function timeOfDay(text: string): TimeOfDay {
  const time = parseTimeOfDay(text);
  if (time === null) throw new InvalidArgumentError("expected a time of day, as in '07:00'.");
  return time;
}

export function addSoakOptions(command: Command): Command {
  return command
    .option(
      '--scenario <names>',
      'scenarios in place of a campaign, each with a weight if wanted: seed=3,mixed',
      weighted,
    )
    .option('-s, --strategy <names>', 'strategies in place of a campaign, weights as above', weighted)
    .option(
      '-d, --duration <time>',
      "length of the soak, all sessions together (default: the campaign's, 8h)",
      duration,
    )
    .option(
      '--until <condition>',
      'end when violations=N, exposures=N, exposures.<name>=N, cells=N or rotations=N',
      until,
    )
    .option('--stop-at <time>', 'end at the next 07:00 of the local clock', timeOfDay)
    .option('--cell <time>', "length of a load cell (default: the campaign's, 10s)", duration)
    .option('--seed <n>', 'seed of the campaign (default: random)', wholeIn(1, MAX_SEED))
    .option('--repeat-each <n>', 'cells in a row of each kind in a rotation', wholeIn(1, 100_000))
    .option('--last-failed', 'only the cells that failed in the soak given by --resume, or in the latest one')
    .option('--resume <dir>', 'go on with the soak in this folder, however it ended')
    .option(
      '--lock-stat <off|counts|full>',
      "statistics of locks, see docs/lock-stat.md (default: each scenario's, which is off)",
      lockStat,
    )
    .option('--max-disk <size>', 'when the folder has this size, windows are no longer kept (default: 1GiB)', bytes)
    .option('--max-memory <size>', 'end when the process stays larger than this (default: 4GiB)', bytes)
    .option('--max-log <size>', 'size of odptorture.log (default: 16MiB)', bytes)
    .option('--expect', 'judge by expectations: only violations that a design is not known for are failures')
    .option(
      '--threshold <limit>',
      "a limit for each cell, as in 'fault_latency_ns:p99<50us'; may be repeated",
      thresholds,
    )
    .option('-o, --out <dir>', 'write results to this folder instead of results/soak/<time>-<seed>')
    .option('--json', 'print summary.json to stdout and nothing else')
    .option('-q, --quiet', 'print only the closing line')
    .option('-v, --verbose', 'print a line for each cell')
    .option('--no-progress', 'no progress on stderr')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));
}
