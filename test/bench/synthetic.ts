import { claimsOf } from '../../src/bench/claims.ts';
import { SUITES } from '../../src/bench/defaults.ts';
import { heatOf, histogramBetween } from '../../src/bench/distribution.ts';
import { GROUP_METRICS, type MetricName } from '../../src/bench/metrics.ts';
import { type BenchResult, type Suite, validateBench } from '../../src/bench/result.ts';
import { measureRounds } from '../../src/bench/run.ts';
import type { CellRun, CellSpec } from '../../src/bench/run-types.ts';
import { benchCells } from '../../src/bench/suites.ts';
import { HISTOGRAM_DOUBLES, type Histogram, histogramAdd, sumHistograms } from '../../src/trace/histogram.ts';
import { mixSeed, nextRandom, type RandomState } from '../../src/trace/random.ts';

/** A number between 0 and 1. */
export const uniform = (state: RandomState): number => (nextRandom(state) >>> 0) / 2 ** 32;

/** A standard normal number (Box and Muller). */
export const normal = (state: RandomState): number =>
  Math.sqrt(-2 * Math.log(1 - uniform(state))) * Math.cos(2 * Math.PI * uniform(state));

/** Latencies around `ns`, read after each of 20 slices. */
function latencies(ns: number, state: RandomState): { histogram: Histogram; heat: CellRun['heat'] } {
  const f64 = new Float64Array(HISTOGRAM_DOUBLES);
  const readings = Array.from({ length: 21 }, (_, slice) => {
    if (slice > 0)
      for (let i = 0; i < 50; i++)
        histogramAdd(f64, 0, Math.round(ns * Math.exp(normal(state)) * (slice === 9 ? 20 : 1)));
    return { atMs: slice * 5, histogram: sumHistograms(f64, [0]) };
  });
  return {
    histogram: histogramBetween(readings[0]!.histogram, readings.at(-1)!.histogram),
    heat: heatOf(readings),
  };
}

/** What a cell with this name gives in a round: invented, with 3 % of noise, and with a machine that is slow in some rounds. */
export function invented(spec: CellSpec, seed: number): CellRun {
  const state: RandomState = {
    rng: mixSeed(
      seed,
      [...spec.id].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, 7),
    ),
  };
  const slow = seed % 3 === 0 ? 0.6 : 1;
  const base = (1e6 * (1 + (spec.subject.length % 5))) / Math.max(1, spec.threads / 2);
  const noise = (): number => slow * (1 + 0.03 * normal(state));
  const { histogram, heat } = latencies(2000 * spec.threads, state);
  const perSec = base * noise();
  const perThread = Array.from({ length: spec.threads }, (_, tid) => (tid === 0 && spec.threads === 4 ? 300 : 100));
  const figures: Partial<Record<MetricName, number>> = {
    nsPerOp: 1e9 / perSec,
    opsPerSec: perSec,
    waitP99: 1e4 / noise(),
    faultsPerSec: perSec,
    faultP99: 5e3 / noise(),
    sectionsPerSec: perSec / 2,
    registrationsPerSec: perSec / 9,
    registerP99: 8e3 / noise(),
    refaultNs: 1e9 / perSec,
    refaultsPerSec: perSec,
    lockWait: 0.2,
    ...(spec.threads === 1 ? {} : { maxMin: spec.threads, speedup: 1 + 0.03 * normal(state), cpuGrowth: 2 }),
  };
  const own = GROUP_METRICS[spec.group]!;
  return {
    metrics: Object.fromEntries(own.flatMap((name) => (figures[name] === undefined ? [] : [[name, figures[name]]]))),
    perThread,
    lockWait: spec.suite === 'strategies' ? { 'mmap_lock R': 0.12, 'umem_mutex W': 0.05, 'range_pool W': 0.03 } : {},
    ...(spec.group === 'scaling' && spec.threads > 1 ? { sharedLocks: spec.params.mms === 1 ? SHARED : {} } : {}),
    histogram,
    heat,
  };
}

/** What two threads of one mm are said to share. */
const SHARED = { 'mmap_lock R': { taken: 2, moved: 1.4 }, 'umem_rwsem R': { taken: 3, moved: 0.9 } };

/** A bench whose figures are invented; nothing runs but the rounds. */
export async function syntheticBench(
  options: {
    readonly seed?: number;
    readonly rounds?: number;
    readonly suites?: readonly Suite[];
    readonly threads?: readonly number[];
    readonly factor?: number;
  } = {},
): Promise<BenchResult> {
  const { seed = 1, rounds = 8, suites = SUITES, threads = [1, 2, 4], factor = 1 } = options;
  const strategies = ['interval-notifier', 'context-count', 'pinned'].map((strategy) => ({ strategy }));
  const { cells, notes } = benchCells({ suites, strategies, threads, quick: true, filter: null });
  const specs = cells.map(
    (spec): CellSpec => ({
      ...spec,
      run: async (time) => {
        const run = invented(spec, time.seed);
        const { opsPerSec } = run.metrics;
        return opsPerSec === undefined ? run : { ...run, metrics: { ...run.metrics, opsPerSec: opsPerSec * factor } };
      },
    }),
  );
  const measured = await measureRounds(specs, { seed, rounds, cellMs: 100, warmupMs: 10, cores: 2 });
  // The invented machine is quiet, whatever runs beside the tests.
  const quiet = measured.rounds.map((round) => ({ ...round, steal: 0, others: 0.01 }));
  return validateBench({
    schemaVersion: 1,
    runId: `20261123T120000Z-${seed}`,
    seed,
    startedAt: '2026-11-23T12:00:00.000Z',
    durationMs: 1000,
    command: 'odptorture bench --quick',
    options: { suites: [...suites], rounds, cellMs: 100, warmupMs: 10, quick: true, filter: null },
    environment: {
      node: process.version,
      platform: 'linux-x64',
      cpu: 'a CPU',
      cores: 2,
      governor: null,
      loadavg: 0.1,
      commit: null,
      version: '0.0.0',
    },
    notes,
    ...measured,
    rounds: quiet,
    claims: claimsOf(measured.cells, quiet, seed),
  });
}
