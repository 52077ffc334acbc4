import { ERA_RULES } from '../mm/era.ts';
import type { Strategy, Traits } from '../odp/strategy.ts';
import { ORACLE, ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import { countOf } from '../oracles/report.ts';
import { judge } from '../oracles/verdict.ts';
import type { CellFault, CellProgress, CellResult, LatencyQuantiles } from '../results/types.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { COUNTER, COUNTER_NAMES, EXPOSURES, type HistogramName, PIPE_BUCKETS } from '../trace/counters.ts';
import { quantilesOf } from '../trace/histogram.ts';
import { CAPABILITIES, type InjectPlan } from '../trace/inject.ts';
import { sumLocks, sumLockWaits } from '../trace/lock-stat-sums.ts';
import type { World } from '../world/world.ts';
import { histogramOf, lockRow, lockStatView } from './lock-figures.ts';
import { pathOfStrategy } from './strategy-file.ts';
import type { SupervisorExit } from './supervisor.ts';
import { killedThreads } from './thread.ts';

/** How a cell ended, besides what stands in its arena. */
export interface CellEnd {
  readonly durationMs: number;
  readonly interrupted: boolean;
  readonly fault: CellFault | null;
  readonly supervisor: SupervisorExit | null;
}

const sum = (world: World, counter: number): number =>
  world.counters.reduce((total, base) => total + world.f64[base + counter]!, 0);

/** Counters with a prefix, by the rest of their names. */
function group(world: World, prefix: string): Record<string, number> {
  const out: Record<string, number> = {};
  COUNTER_NAMES.forEach((name, i) => {
    if (name.startsWith(prefix)) out[name.slice(prefix.length)] = sum(world, i);
  });
  return out;
}

const exposuresOf = (world: World): Record<string, number> =>
  Object.fromEntries(EXPOSURES.map(({ counter, name }) => [name, sum(world, COUNTER[counter])]));

function violationsOf(world: World): CellResult['violations'] {
  const out: Partial<Record<OracleName, { count: number; firstAtMs: number }>> = {};
  for (const name of ORACLE_NAMES) {
    const found = countOf(world.oracles, ORACLE[name]);
    if (found.count > 0) out[name] = found;
  }
  return out;
}

const quantiles = (world: World, name: HistogramName): LatencyQuantiles => quantilesOf(histogramOf(world, name));

const latencies = (world: World): CellResult['latencyNs'] => ({
  fault: quantiles(world, 'fault'),
  section: quantiles(world, 'section'),
  register: quantiles(world, 'register'),
  deregister: quantiles(world, 'deregister'),
  lockWait: quantiles(world, 'lockWait'),
});

/** Where the cell stands now; the sums are read while the threads go on. */
export function progressOf(world: World, elapsedMs: number): CellProgress {
  const violations: Partial<Record<OracleName, number>> = {};
  for (const [name, { count }] of Object.entries(violationsOf(world))) violations[name as OracleName] = count;
  return {
    elapsedMs,
    durationMs: world.plan.durationMs,
    operations: group(world, 'op.'),
    violations,
    exposures: exposuresOf(world),
    latencyNs: latencies(world),
  };
}

/** What the design is expected to earn here: the litmus file's word before the strategy's. */
export function expectationOf(world: World): CellResult['expected'] {
  const { plan, strategy } = world;
  const given = plan.expect[plan.strategy];
  const expected =
    given === undefined
      ? strategy.expected(plan.era, traitsOf(plan), world.contexts[0]!.params)
      : { ...given, reason: `the scenario's own expectation` };
  return {
    must: expected.must as readonly OracleName[],
    may: expected.may as readonly OracleName[],
    reason: expected.reason,
    ...('none' in expected ? { none: true } : {}),
  };
}

/** Operations whose sections are driven through the reverse map, and of these the ones that pass a page only once. */
const RMAP: readonly string[] = ['truncate', 'punch-hole', 'reclaim', 'migrate'];
const VMA_LOCKED: readonly string[] = ['madvise', 'touch', 'read', 'write'];
const ALLOCATING: readonly string[] = ['mremap', 'fork'];

/** What the cell does, in words that an expectation may depend on. */
export function traitsOf(plan: CellPlan): Traits {
  const does = doings(plan);
  const any = (names: readonly string[]): boolean => names.some((name) => does.has(name));
  return {
    rmap: any(RMAP),
    onePass: any(RMAP.filter((name) => name !== 'truncate')),
    vmaLocks: ERA_RULES[plan.era].vmaLocks && any(VMA_LOCKED),
    nested: plan.memory.pressure !== null && any(ALLOCATING),
    allocates: any(ALLOCATING),
    locksRmap: does.has('mremap') && any(RMAP),
    nonBlockable: any(['oom-reaper', 'oom-reap']),
    exits: does.has('exit'),
    ...(plan.inject === undefined ? {} : { fails: Object.keys(plan.inject) }),
  };
}

/** Roles of a load, verbs of a litmus. */
const doings = (plan: CellPlan): ReadonlySet<string> =>
  new Set(
    plan.litmus === null
      ? plan.threads.map(({ role }) => role)
      : plan.litmus.programs.flatMap((program) => program.map(({ verb }) => verb)),
  );

const BORN = 'register-in-section';
const MET = 'register-meets-section';

/** What was exposed too seldom. A design under which a forced order is impossible has shown that, not nothing. */
function lacking(
  plan: CellPlan,
  { pins, keepsOut }: Strategy,
  exposures: Readonly<Record<string, number>>,
  end: CellEnd,
): string[] {
  if (plan.litmus !== null) {
    const rounds = Object.values(end.supervisor?.orders ?? {}).reduce((a, b) => a + b, 0);
    return rounds === 0 ? ['no iteration was completed'] : [];
  }
  // Under a design that pins there are no faults, so nothing is missing when none was exposed.
  const asked = Object.entries(plan.evidence)
    .filter(([name]) => !(pins && name.includes('fault')))
    // Nor under one that keeps registrations out of sections: what it kept out is counted in its place.
    .map(([name, least]) => [keepsOut === true && name === BORN ? MET : name, least] as const);
  return asked
    .filter(([name, least]) => (exposures[name] ?? 0) < least)
    .map(([name, least]) => `${name} ${exposures[name] ?? 0}, at least ${least} needed`);
}

/** Sums a finished cell up. Every count is exact: each thread's own words, read after it has ended. */
export function cellResult(world: World, end: CellEnd): CellResult {
  const { plan } = world;
  const seconds = Math.max(end.durationMs, 1) / 1000;
  const exposures = exposuresOf(world);
  const violations = violationsOf(world);
  const expected = expectationOf(world);
  const counts = Object.fromEntries(Object.entries(violations).map(([name, v]) => [name, v.count]));
  const broken = end.fault === null ? null : `${end.fault.kind}: ${end.fault.thread}: ${end.fault.message}`;
  const judgement = judge({
    counts,
    must: expected.must,
    may: expected.may,
    lacking: lacking(plan, world.strategy, exposures, end),
    // A deadlock that the oracle has named is a finding, not a broken cell.
    broken: end.fault?.kind === 'deadlock' ? null : broken,
  });
  const { madvise, ...rest } = group(world, 'op.');
  const operations = Object.entries({ madvise: madvise!, ...rest }).map(([name, count]) => [
    name,
    { count, perSecond: count / seconds },
  ]);
  const orders = end.supervisor?.orders;
  const stat = lockStatView(world, end.durationMs);
  return {
    scenario: plan.scenario,
    kind: plan.kind,
    strategy: plan.strategy,
    ...(plan.strategyFile === undefined ? {} : { strategyFile: pathOfStrategy(plan.strategyFile) }),
    era: plan.era,
    seed: plan.seed,
    durationMs: Math.round(end.durationMs),
    ...judgement,
    expected,
    violations,
    exposures,
    operations: Object.fromEntries(operations),
    failures: group(world, 'fail.'),
    faults: {
      committed: sum(world, COUNTER['fault.committed']),
      retries: sum(world, COUNTER['fault.retried']),
      timeouts: sum(world, COUNTER['fault.timeout']),
      retriesPerCommit: quantiles(world, 'retriesPerCommit'),
    },
    latencyNs: { ...latencies(world), lockWait: quantilesOf(sumLockWaits(stat)) },
    locks: sumLocks(stat).map(lockRow),
    audits: {
      done: sum(world, COUNTER['audit.done']),
      skipped: sum(world, COUNTER['audit.skipped']),
      entries: sum(world, COUNTER['audit.entries']),
      incoherentPinned: sum(world, COUNTER['audit.incoherentPinned']),
    },
    readerPipe: readerPipe(world, violations, end),
    ...(plan.inject === undefined ? {} : { inject: injected(world, plan.inject) }),
    ...(plan.stall === undefined ? {} : { stalls: sum(world, COUNTER['thread.stalled']) }),
    records: { kept: sum(world, COUNTER['record.kept']), dropped: sum(world, COUNTER['record.dropped']) },
    ...(plan.litmus === null || orders === undefined ? {} : { orders }),
    notes: notes(world, end),
    ...(end.fault === null ? {} : { fault: end.fault }),
    interrupted: end.interrupted,
  };
}

/** How often each capability that was asked for made a call fail. */
const injected = (world: World, plan: InjectPlan): Record<string, number> =>
  Object.fromEntries(
    CAPABILITIES.filter((name) => plan[name] !== undefined).map((name) => [
      name,
      sum(world, COUNTER[`inject.${name}`]),
    ]),
  );

/**
 * rcutorture's Reader Pipe: device accesses by how many frees of the frame lie between the entry's making and the access. The oracle
 * `stale-dma` looks at the same two generations by another way, so where both are complete they must agree; that they do not would
 * be a mistake of ours, and no figure of such a cell could be believed.
 */
function readerPipe(world: World, violations: CellResult['violations'], end: CellEnd): number[] {
  const pipe = Array.from({ length: PIPE_BUCKETS }, (_, i) => sum(world, COUNTER['pipe.0'] + i));
  const stale = pipe.slice(1).reduce((total, n) => total + n, 0);
  const seen = violations['stale-dma']?.count ?? 0;
  if (end.supervisor?.quiet === true && stale !== seen)
    throw new Error(`the reader pipe has ${stale} accesses beyond bucket 0, stale-dma counted ${seen}`);
  return pipe;
}

function notes(world: World, end: CellEnd): string[] {
  const prevented = end.supervisor?.prevented ?? '';
  const why = prevented === '' ? [] : [`the forced order was impossible: ${prevented}`];
  const killed = killedThreads(world).map(({ tid, name }) => {
    const after = world.plan.kill?.find((one) => one.tid === tid)?.after ?? 0;
    return `${name} after ${after} operations`;
  });
  if (killed.length > 0) why.push(`killed: ${killed.join(', ')}; leak was not run`);
  if (end.supervisor?.quiet === true) return why;
  if (end.supervisor?.started === false) return ['the cell was stopped before all its threads had started'];
  return [...why, 'leak and the last audit were not run: not every thread came to rest'];
}
