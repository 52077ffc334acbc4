import { DEFAULT_ERA, ERAS, type Era } from '../mm/era.ts';
import { STRATEGIES } from '../strategies/index.ts';
import type { InjectPlan } from '../trace/inject.ts';
import type { LockStatLevel } from '../trace/lock-stat.ts';
import { findVariant } from '../variants/index.ts';
import { DEFAULT_PERTURB } from './defaults.ts';
import { type Issue, OdpError } from './errors.ts';
import { resolveInject, resolveKill } from './inject.ts';
import { litmusPlan } from './litmus.ts';
import type { LoadedScenario } from './load.ts';
import { checkMemory, memoryPlan } from './memory.ts';
import type { CellPlan, LoadRole, MemoryPlan, StrategyFile } from './plan.ts';
import { didYouMean } from './suggest.ts';
import { checkChildren, mrPagesOf, threadPlans } from './threads.ts';

/** What resolving needs to know of a strategy. */
export interface StrategyInfo {
  readonly name: string;
  readonly params: Readonly<Record<string, ParamInfo>>;
  /** Of a user's own. */
  readonly file?: StrategyFile;
}
export interface ParamInfo {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly description: string;
}

export interface ResolveOptions {
  /** Strategies that exist; names outside it are refused. Default: the built-in ones. */
  readonly registry?: readonly StrategyInfo[];
  /** Names, or `all`. Default: all. */
  readonly strategies?: readonly string[];
  /** Seed of the first cell, 1 .. 2^32 - 1. */
  readonly seed?: number;
  /** Cells of each strategy, with seeds in a row. */
  readonly repeat?: number;
  readonly durationMs?: number;
  readonly threads?: Readonly<Partial<Record<LoadRole, number>>>;
  readonly params?: Readonly<Record<string, number>>;
  /** Kernels whose locking the mm follows, or `all`. Default: the scenario's. */
  readonly eras?: readonly string[];
  /** In place of the scenario's word. */
  readonly lockDep?: boolean;
  readonly lockStat?: LockStatLevel;
  readonly lockSpins?: number;
  /** Capabilities in place of the scenario's. */
  readonly inject?: InjectPlan;
}

export const MAX_SEED = 0xffff_ffff;

/** The cells of a scenario under the given flags: every strategy with every seed. Throws `OdpError` with all that is wrong. */
export function resolveCells(loaded: LoadedScenario, options: ResolveOptions = {}): CellPlan[] {
  const registry = options.registry ?? STRATEGIES;
  const issues: Issue[] = [];
  const strategies = selectStrategies(options.strategies ?? ['all'], registry, issues);
  const eras = selectEras(options.eras ?? [loaded.scenario.era ?? DEFAULT_ERA], issues);
  const params = selectParams(strategies, options.params ?? {}, issues);
  checkExpectations(loaded, registry, issues);
  if (options.threads !== undefined && Object.keys(options.threads).length > 0 && loaded.scenario.kind === 'litmus')
    issues.push({ code: 'ODP_E_THREADS', message: `the threads of litmus scenario '${loaded.name}' are fixed` });
  const { threads, issues: threadIssues } = threadPlans(loaded, options.threads ?? {});
  issues.push(...threadIssues);
  const { inject, issues: injectIssues } = resolveInject(loaded, options.inject, threads);
  const { kill, issues: killIssues } = resolveKill(loaded, threads);
  issues.push(...injectIssues, ...killIssues);
  const memory = memoryPlan(loaded, threads.length);
  issues.push(
    ...checkMemory(loaded, memory, threads.length),
    ...checkRanges(loaded, memory),
    ...checkChildren(memory, threads),
  );
  if (issues.length > 0) throw new OdpError(issues);

  const base = basePlan(loaded, memory);
  const lockStat = options.lockStat ?? loaded.scenario.lockStat;
  const lockSpins = options.lockSpins ?? loaded.scenario.lockSpins;
  const plans: CellPlan[] = [];
  for (const era of eras)
    for (const strategy of strategies)
      for (let n = 0; n < (options.repeat ?? 1); n++)
        plans.push({
          ...base,
          era,
          durationMs: options.durationMs ?? base.durationMs,
          threads,
          strategy: strategy.name,
          ...(strategy.file === undefined ? {} : { strategyFile: strategy.file }),
          seed: nthSeed(options.seed ?? 1, n),
          params: params.get(strategy.name)!,
          lockDep: options.lockDep ?? loaded.scenario.lockDep === 'on',
          ...(lockStat === 'off' ? {} : { lockStat }),
          ...(lockSpins === undefined ? {} : { lockSpins }),
          ...(Object.keys(inject).length === 0 ? {} : { inject }),
          ...(kill.length === 0 ? {} : { kill }),
          ...(loaded.scenario.stall === undefined ? {} : { stall: loaded.scenario.stall }),
        });
  return plans;
}

/** `seed + n`, kept within 1 .. 2^32 - 1: a seed of 0 would stop the random streams. */
export const nthSeed = (seed: number, n: number): number => ((seed - 1 + n) % MAX_SEED) + 1;

function basePlan(
  loaded: LoadedScenario,
  memory: MemoryPlan,
): Omit<CellPlan, 'strategy' | 'strategyFile' | 'seed' | 'params' | 'threads' | 'era'> {
  const { scenario } = loaded;
  // A litmus test forces its order; random delays would only make it slower.
  const perturb = scenario.perturb ?? (scenario.kind === 'load' ? DEFAULT_PERTURB : 'off');
  return {
    scenario: loaded.name,
    kind: scenario.kind,
    durationMs: scenario.duration,
    memory,
    hca: { ...scenario.hca, mrPages: mrPagesOf(loaded) },
    notifier: scenario.notifier,
    perturb: perturb === 'off' ? null : perturb,
    trace: scenario.trace,
    bounds: scenario.bounds,
    litmus: scenario.kind === 'litmus' ? litmusPlan(scenario) : null,
    evidence: scenario.evidence as Record<string, number>,
    expect: scenario.kind === 'litmus' ? scenario.expect : {},
  };
}

/** Names to eras, without repeats, in the order asked for. */
function selectEras(names: readonly string[], issues: Issue[]): readonly Era[] {
  const chosen = new Set<Era>();
  for (const name of names) {
    const era = ERAS.find((candidate) => candidate === name);
    if (name === 'all') for (const each of ERAS) chosen.add(each);
    else if (era !== undefined) chosen.add(era);
    else
      issues.push({
        code: 'ODP_E_ERA',
        message: `no era '${name}'${didYouMean(name, [...ERAS, 'all'])}; there are ${ERAS.join(', ')}`,
      });
  }
  return [...chosen];
}

/** Names to strategies, without repeats, in the order asked for. */
export function selectStrategies(
  names: readonly string[],
  registry: readonly StrategyInfo[],
  issues: Issue[],
): StrategyInfo[] {
  const chosen = new Set<StrategyInfo>();
  const known = registry.map((strategy) => strategy.name);
  for (const name of names) {
    if (name === 'all') for (const strategy of registry) chosen.add(strategy);
    else {
      // `all` means the designs; a known bug is asked for by name.
      const strategy: StrategyInfo | undefined =
        registry.find((candidate) => candidate.name === name) ?? findVariant(name);
      if (strategy !== undefined) chosen.add(strategy);
      else
        issues.push({
          code: 'ODP_E_STRATEGY_UNKNOWN',
          message: `no strategy '${name}'${didYouMean(name, [...known, 'all'])}`,
        });
    }
  }
  if (chosen.size === 0 && issues.length === 0) issues.push({ code: 'ODP_E_USAGE', message: 'no strategy was chosen' });
  return [...chosen];
}

/** Parameters of each chosen strategy: its defaults, and what was set of those that it has. */
function selectParams(
  strategies: readonly StrategyInfo[],
  set: Readonly<Record<string, number>>,
  issues: Issue[],
): Map<string, Record<string, number>> {
  const known = [...new Set(strategies.flatMap((strategy) => Object.keys(strategy.params)))];
  for (const name of Object.keys(set))
    if (strategies.length > 0 && !known.includes(name))
      issues.push({
        code: 'ODP_E_PARAM',
        message: `no chosen strategy has a parameter '${name}'${didYouMean(name, known)}`,
      });
  const result = new Map<string, Record<string, number>>();
  for (const strategy of strategies) {
    const values: Record<string, number> = {};
    for (const [name, info] of Object.entries(strategy.params)) {
      const value = set[name] ?? info.default;
      if (!(value >= info.min && value <= info.max))
        issues.push({
          code: 'ODP_E_PARAM',
          message: `parameter ${name}=${value} of ${strategy.name} is outside ${info.min}..${info.max}`,
        });
      values[name] = value;
    }
    result.set(strategy.name, values);
  }
  return result;
}

function checkExpectations(loaded: LoadedScenario, registry: readonly StrategyInfo[], issues: Issue[]): void {
  if (loaded.scenario.kind !== 'litmus') return;
  const known = registry.map((strategy) => strategy.name);
  // A known bug as well: what `explore --from` draws from one names it.
  for (const name of Object.keys(loaded.scenario.expect))
    if (!known.includes(name) && findVariant(name) === undefined)
      issues.push({
        code: 'ODP_E_SCENARIO_INVALID',
        message: `expect: no strategy '${name}'${didYouMean(name, known)}`,
        at: loaded.locate(['expect', name]),
      });
}

/** Litmus ranges must lie in an address space; each thread needs a step that it can take there. */
function checkRanges(loaded: LoadedScenario, memory: MemoryPlan): Issue[] {
  const { scenario } = loaded;
  if (scenario.kind !== 'litmus') return [];
  const issues: Issue[] = [];
  for (const [name, range] of Object.entries(scenario.ranges)) {
    const at = loaded.locate(['ranges', name]);
    if (range.mm >= memory.mms)
      issues.push({
        code: 'ODP_E_AREA',
        message: `range ${name} is in mm ${range.mm}, but there are ${memory.mms}`,
        at,
      });
    else if (range.at + range.pages > memory.pages)
      issues.push({
        code: 'ODP_E_AREA',
        message: `range ${name} is pages ${range.at}..${range.at + range.pages - 1}, the address space has ${memory.pages} pages`,
        at,
      });
  }
  return issues;
}
