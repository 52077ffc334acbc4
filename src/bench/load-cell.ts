import { lockStatView } from '../torture/lock-figures.ts';
import { stopThreads } from '../torture/run.ts';
import { hrtimeMs } from '../trace/clock.ts';
import { COUNTER, COUNTER_COUNT, type CounterName, HISTOGRAM, type HistogramName } from '../trace/counters.ts';
import { HISTOGRAM_DOUBLES, type Histogram, quantilesOf, sumHistograms } from '../trace/histogram.ts';
import { sumLocks, sumLockWaits } from '../trace/lock-stat-sums.ts';
import { arenaWords } from '../world/size.ts';
import { attachWorld, type World } from '../world/world.ts';
import { type CrewAtWork, type CrewReading, runCrew } from './crew.ts';
import { heatOf, histogramBetween } from './distribution.ts';
import { type LoadConfig, type LoadJob, loadPlan } from './load-plan.ts';
import { sharedTakes, takesBytes, takesOf } from './lock-takes.ts';
import type { MetricName } from './metrics.ts';
import { prepared } from './prepare.ts';
import type { CellRun, CellTime } from './run-types.ts';
import { type Speedup, speedupOf } from './speedup.ts';

const ENTRY = new URL('./load-thread.js', import.meta.url);

const KEPT = ['fault', 'section', 'register', 'retriesPerCommit'] as const satisfies readonly HistogramName[];

interface LoadReading {
  /** By thread. */
  readonly counters: readonly Float64Array[];
  readonly histograms: Readonly<Record<(typeof KEPT)[number], Histogram>>;
  /** Nanoseconds waited, by class and mode. */
  readonly waits: ReadonlyMap<string, number>;
  readonly waited: number;
  /** Acquisitions of a lock that another thread had last, by class and mode; empty where nobody counts them. */
  readonly bounces: ReadonlyMap<string, number>;
}

/**
 * Of several threads also what they do together to what one does alone; and then, as counting takes time, another run for the locks that they
 * share.
 */
export async function runScalingCell(config: LoadConfig, time: CellTime): Promise<CellRun> {
  if (config.roles.length === 1) return runLoadCell(config, time);
  let speedup: Speedup | undefined;
  const run = await runLoadCell(config, time, async (crew, world) => {
    const refaults = (): number =>
      world.counters.reduce((sum, base) => sum + world.f64[base + COUNTER['op.madvise']]!, 0);
    speedup = await speedupOf(crew, time, refaults);
  });
  const timed = { ...run, metrics: { ...run.metrics, ...speedup } };
  if (time.signal?.aborted === true) return timed;
  const { sharedLocks } = await runLoadCell({ ...config, counting: true }, time);
  return sharedLocks === undefined ? timed : { ...timed, sharedLocks };
}

/** One strategy under one load for a fixed time. */
export async function runLoadCell(
  config: LoadConfig,
  time: CellTime,
  afterwards?: (crew: CrewAtWork, world: World) => Promise<void>,
): Promise<CellRun> {
  const plan = loadPlan({ ...config, seed: time.seed });
  const threads = config.roles.length;
  const bytes = arenaWords(plan) * 4;
  const takes = config.counting === undefined ? undefined : new SharedArrayBuffer(takesBytes(bytes, threads));
  const job: LoadJob = {
    plan,
    config: { ...config, seed: time.seed },
    buffer: new SharedArrayBuffer(bytes),
  };
  const keys = await prepared(job);
  const world = attachWorld(plan, job.buffer);
  const readings = await runCrew({
    entry: ENTRY,
    threads,
    // Not before: what makes the world takes the locks of all.
    job: { ...job, keys, ...(takes === undefined ? {} : { takes }) },
    ...time,
    read: () => readWorld(world),
    ...(afterwards === undefined ? {} : { afterwards: (crew) => afterwards(crew, world) }),
    stop: () => stopThreads(world),
  });
  const { run, operations } = loadRun(config, readings);
  if (takes === undefined || operations === 0) return run;
  const shared = sharedTakes(takesOf(takes, threads), world.mem);
  return { ...run, sharedLocks: sharedLocks(shared, readings, operations) };
}

/** With how often each was taken, in all the time that the threads ran, how often it moved in the time that counts. */
function sharedLocks(
  shared: ReadonlyMap<string, number>,
  readings: readonly CrewReading<LoadReading>[],
  operations: number,
): NonNullable<CellRun['sharedLocks']> {
  const moved = perUnit(readings[0]!.figures.bounces, readings.at(-1)!.figures.bounces, operations);
  return Object.fromEntries([...shared].map(([name, taken]) => [name, { taken, moved: moved[name] ?? 0 }]));
}

function readWorld(world: World): LoadReading {
  const view = lockStatView(world, hrtimeMs());
  const locks = sumLocks(view);
  const histogram = (name: HistogramName): Histogram =>
    sumHistograms(
      world.f64,
      world.histograms.map((base) => base + HISTOGRAM[name] * HISTOGRAM_DOUBLES),
    );
  return {
    counters: world.counters.map((base) => world.f64.slice(base, base + COUNTER_COUNT)),
    histograms: Object.fromEntries(KEPT.map((name) => [name, histogram(name)])) as LoadReading['histograms'],
    waits: new Map(locks.map(({ name, mode, waitNs }) => [`${name} ${mode}`, waitNs.total])),
    waited: sumLockWaits(view).sum,
    bounces: new Map(
      locks.flatMap(({ name, mode, acqBounces }) =>
        acqBounces === undefined ? [] : [[`${name} ${mode}`, acqBounces]],
      ),
    ),
  };
}

function loadRun(
  config: LoadConfig,
  readings: readonly CrewReading<LoadReading>[],
): { readonly run: CellRun; readonly operations: number } {
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const seconds = last.atMs / 1000;
  const between = (name: CounterName): number[] =>
    last.figures.counters.map((own, tid) => own[COUNTER[name]]! - first.figures.counters[tid]![COUNTER[name]]!);
  const total = (name: CounterName): number => between(name).reduce((a, b) => a + b, 0);
  const spent = (name: (typeof KEPT)[number]): Histogram =>
    histogramBetween(first.figures.histograms[name], last.figures.histograms[name]);
  const threadNs = last.atMs * 1e6 * config.roles.length;
  const metrics: Partial<Record<MetricName, number>> = {
    lockWait: (last.figures.waited - first.figures.waited) / threadNs,
  };
  const add = (name: 'fault' | 'invalidate' | 'register', histogram: Histogram): void => {
    if (histogram.count === 0) return;
    const { p50, p99 } = quantilesOf(histogram);
    metrics[`${name}P50`] = p50;
    metrics[`${name}P99`] = p99;
  };
  const has = (role: LoadConfig['roles'][number]): boolean => config.roles.includes(role);
  if (has('fault')) {
    const faults = total('op.fault');
    metrics.faultsPerSec = faults / seconds;
    metrics.retriesPerFault = faults === 0 ? 0 : (total('fault.retried') + total('fault.waited')) / faults;
    metrics.retriesMax = spent('retriesPerCommit').max;
    metrics.starved = total('fault.timeout');
    add('fault', spent('fault'));
  }
  if (has('invalidate')) {
    metrics.sectionsPerSec = total('op.section') / seconds;
    add('invalidate', spent('section'));
  }
  if (has('register')) {
    metrics.registrationsPerSec = total('op.register') / seconds;
    add('register', spent('register'));
  }
  let perThread: readonly number[] = [];
  const operations = has('refault') ? total('op.madvise') : 0;
  if (has('refault')) {
    perThread = between('op.madvise');
    metrics.refaultsPerSec = operations / seconds;
    if (operations > 0) {
      metrics.refaultNs = threadNs / operations;
      metrics.cpuNsPerOp = ((last.cpuUs - first.cpuUs) * 1000) / operations;
    }
    const min = Math.min(...perThread);
    if (perThread.length > 1 && min > 0) metrics.maxMin = Math.max(...perThread) / min;
  }
  const latency = has('register') ? 'register' : 'fault';
  const run: CellRun = {
    metrics,
    perThread,
    lockWait: perUnit(first.figures.waits, last.figures.waits, threadNs),
    histogram: spent(latency),
    heat: heatOf(readings.map(({ atMs, figures }) => ({ atMs, histogram: figures.histograms[latency] }))),
  };
  return { run, operations };
}

/** What has come between two readings, for each of `units`; what has not come is left out. */
function perUnit(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  units: number,
): Record<string, number> {
  const shares: Record<string, number> = {};
  for (const [name, n] of after) {
    const share = (n - (before.get(name) ?? 0)) / units;
    if (share > 0) shares[name] = share;
  }
  return shares;
}
