import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ColorChoice } from '../report/style.ts';
import { formatDuration, parseDuration } from '../scenario/duration.ts';
import { parseInject } from '../scenario/inject.ts';
import { LOAD_ROLES, type LoadRole } from '../scenario/plan.ts';
import { MAX_SEED, type ResolveOptions } from '../scenario/resolve.ts';
import { MAX_LOCK_SPINS, MAX_THREADS } from '../scenario/schema.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { parseThreshold, type Threshold } from '../scenario/threshold.ts';
import { DEFAULT_SPINS } from '../sync/task.ts';
import type { InjectPlan } from '../trace/inject.ts';
import { LOCK_STAT_LEVELS, type LockStatLevel } from '../trace/lock-stat.ts';

/** Flags that run cells; every one is also an `ODPTORTURE_*` variable. */
export interface RunFlags {
  readonly strategy?: readonly string[];
  readonly duration?: number;
  readonly threads?: Readonly<Partial<Record<LoadRole, number>>>;
  readonly seed?: number;
  readonly param?: Readonly<Record<string, number>>;
  readonly era?: readonly string[];
  readonly lockDep?: boolean;
  readonly lockStat?: LockStatLevel;
  readonly lockSpins?: number;
  readonly inject?: InjectPlan;
  readonly repeat: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly threshold?: readonly Threshold[];
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress: boolean;
  readonly color: ColorChoice;
  readonly expect?: boolean;
}

export function list(text: string): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.some((word) => word === '')) throw new InvalidArgumentError('expected names with commas between.');
  return words;
}

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError("expected a duration above 0, as in '500ms', '5s', '8h', '1h30m'.");
  return ms;
}

export const wholeIn =
  (min: number, max: number) =>
  (text: string): number => {
    const n = /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
    if (!(n >= min && n <= max)) throw new InvalidArgumentError(`expected a whole number, ${min} to ${max}.`);
    return n;
  };

function pairs(text: string): [string, string][] {
  return list(text).map((word) => {
    const at = word.indexOf('=');
    if (at <= 0 || at === word.length - 1) throw new InvalidArgumentError(`expected name=value, found '${word}'.`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

function threads(text: string, before: Partial<Record<LoadRole, number>> = {}): Partial<Record<LoadRole, number>> {
  const result = { ...before };
  for (const [role, n] of pairs(text)) {
    if (!(LOAD_ROLES as readonly string[]).includes(role))
      throw new InvalidArgumentError(`no role '${role}'${didYouMean(role, LOAD_ROLES)}.`);
    result[role as LoadRole] = wholeIn(0, MAX_THREADS)(n);
  }
  return result;
}

export function params(text: string, before: Record<string, number> = {}): Record<string, number> {
  const result = { ...before };
  for (const [name, value] of pairs(text)) {
    const n = Number(value);
    if (!Number.isFinite(n)) throw new InvalidArgumentError(`'${name}' needs a number, found '${value}'.`);
    result[name] = n;
  }
  return result;
}

/** `on` or `off`. Also of `explore`. */
export function onOff(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError("expected 'on' or 'off'.");
  return text === 'on';
}

/** Also of `soak`. */
export function lockStat(text: string): LockStatLevel {
  const level = LOCK_STAT_LEVELS.find((one) => one === text);
  if (level === undefined) throw new InvalidArgumentError(`expected one of ${LOCK_STAT_LEVELS.join(', ')}.`);
  return level;
}

/** Also of `explore`. */
export function inject(text: string, before: InjectPlan = {}): InjectPlan {
  const plan = parseInject(text);
  if (typeof plan === 'string') throw new InvalidArgumentError(`${plan}.`);
  return { ...before, ...plan };
}

/** Also of `soak`. */
export function thresholds(text: string, before: readonly Threshold[] = []): Threshold[] {
  const parsed = text.split(/[,;]/).map((one) => {
    const threshold = parseThreshold(one);
    if (typeof threshold === 'string') throw new InvalidArgumentError(`${threshold}.`);
    return threshold;
  });
  return [...before, ...parsed];
}

/** What these flags say of all cells alike, whatever they run. */
export const cellOptions = ({ era, lockDep, lockStat, lockSpins, inject }: RunFlags): ResolveOptions => ({
  ...(era === undefined ? {} : { eras: era }),
  ...(lockDep === undefined ? {} : { lockDep }),
  ...(lockStat === undefined ? {} : { lockStat }),
  ...(lockSpins === undefined ? {} : { lockSpins }),
  ...(inject === undefined ? {} : { inject }),
});

/** Adds the common flags to a command. */
export function addRunOptions(command: Command): Command {
  return command
    .option(
      '-s, --strategy <names>',
      "strategies, or files of your own (./x.mjs), with commas between; or 'all' (default: all)",
      list,
    )
    .option('-d, --duration <time>', "length of a load cell, as in 5s, 8h (default: the scenario's)", duration)
    .option('--threads <role=n,...>', "threads of a role, in place of the scenario's", threads)
    .option('--seed <n>', 'seed of the first cell (default: random for run, 1 for matrix)', wholeIn(1, MAX_SEED))
    .option('--repeat <n>', 'cells of each strategy, with seeds in a row', wholeIn(1, 1_000_000), 1)
    .option('--param <k=v,...>', "a strategy's parameter; may be repeated", params)
    .option('--era <names>', "kernels whose locking the mm follows, or 'all' (default: the scenario's, v5.5)", list)
    .option('--lock-dep <on|off>', "check the order of locks (default: the scenario's, which is on)", onOff)
    .option(
      '--lock-stat <off|counts|full>',
      "statistics of locks, see docs/lock-stat.md (default: the scenario's, which is off)",
      lockStat,
    )
    .option(
      '--lock-spins <n>',
      `looks at a held lock before its waiter sleeps (default: the scenario's, which is ${DEFAULT_SPINS})`,
      wholeIn(0, MAX_LOCK_SPINS),
    )
    .option(
      '--inject <capability:attribute=value,...>',
      'make calls fail, see docs/fault-injection.md; may be repeated',
      inject,
    )
    .option('--threshold <limit>', "a limit to hold, as in 'fault_latency_ns:p99<50us'; may be repeated", thresholds)
    .option('-o, --out <dir>', 'write results to this folder instead of results/<scenario>/<time>-<seed>')
    .option('--json', 'print summary.json to stdout and nothing else')
    .option('-q, --quiet', 'print only the closing line')
    .option('-v, --verbose', 'print more: exposures, expectations with their reasons, notes')
    .option('--no-progress', 'no progress on stderr')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));
}

export const environmentName = (option: Option): string =>
  `ODPTORTURE_${option.long!.replace(/^--/, '').replaceAll('-', '_').toUpperCase()}`;

const isOff = (text: string): boolean => ['', '0', 'false', 'no', 'off'].includes(text.toLowerCase());

/**
 * Fills in from `ODPTORTURE_*` what no flag has set: a flag outranks its variable, a variable the scenario. Throws
 * `InvalidArgumentError` with the variable's name.
 */
export function applyEnvironment(command: Command, env: Readonly<Record<string, string | undefined>>): void {
  for (const option of command.options) {
    if (option.long === undefined || option.long === null) continue;
    const text = env[environmentName(option)];
    const source = command.getOptionValueSource(option.attributeName());
    if (text === undefined || text === '' || source === 'cli') continue;
    command.setOptionValueWithSource(option.attributeName(), optionValue(option, text), 'env');
  }
}

function optionValue(option: Option, text: string): unknown {
  if (option.isBoolean() || option.negate) return option.negate ? isOff(text) : !isOff(text);
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, undefined);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`${environmentName(option)}='${text}' is invalid. ${reason}`);
  }
}

/** The flags as they stand in run.json. */
export const flagRecord = (flags: RunFlags): Record<string, unknown> => ({
  ...flags,
  ...(flags.duration === undefined ? {} : { duration: formatDuration(flags.duration) }),
  ...(flags.era === undefined ? {} : { era: flags.era }),
  ...(flags.lockDep === undefined ? {} : { lockDep: flags.lockDep ? 'on' : 'off' }),
  threshold: flags.threshold?.map((threshold) => threshold.text),
});
