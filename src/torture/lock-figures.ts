import type { CellResult, LockPlace } from '../results/types.ts';
import { ROLES } from '../scenario/plan.ts';
import { HISTOGRAM, type HistogramName } from '../trace/counters.ts';
import { HISTOGRAM_DOUBLES, type Histogram, sumHistograms } from '../trace/histogram.ts';
import type { Place } from '../trace/lock-stat-places.ts';
import { type LockStatView, type LockSum, sumLocks, sumLockWaits } from '../trace/lock-stat-sums.ts';
import { pointName } from '../trace/points.ts';
import type { World } from '../world/world.ts';

/** Where the lock statistics of a cell lie that has ended after `untilMs`. */
export const lockStatView = (world: World, untilMs: number): LockStatView => ({
  f64: world.f64,
  level: world.plan.lockStat ?? 'off',
  blocks: world.contention,
  full: world.lockFull,
  histograms: world.histograms,
  untilMs,
});

/** A row as it stands in summary.json. */
export function lockRow({ wait: _wait, hold: _hold, waiters, holders, ...row }: LockSum): CellResult['locks'][number] {
  return {
    ...row,
    ...(waiters === undefined ? {} : { waiters: waiters.map(lockPlace) }),
    ...(holders === undefined ? {} : { holders: holders.map(lockPlace) }),
  };
}

const lockPlace = ({ role, point, count }: Place & { readonly count: number }): LockPlace & { count: number } => ({
  role: ROLES[role] ?? 'unknown',
  point: point < 0 ? null : pointName(point),
  count,
});

export const histogramOf = (world: World, name: HistogramName): Histogram =>
  sumHistograms(
    world.f64,
    world.histograms.map((base) => base + HISTOGRAM[name] * HISTOGRAM_DOUBLES),
  );

const LATENCIES = ['fault', 'section', 'register', 'deregister'] as const satisfies readonly HistogramName[];

/** The distributions of a cell that has ended after `untilMs`, in nanoseconds; none that is empty. */
export function cellHistograms(world: World, untilMs: number): [name: string, histogram: Histogram][] {
  const stat = lockStatView(world, untilMs);
  const all: [string, Histogram | null][] = LATENCIES.map((name) => [name, histogramOf(world, name)]);
  all.push(['lock-wait', sumLockWaits(stat)]);
  for (const { name, mode, wait, hold } of sumLocks(stat))
    all.push([`lock-wait-${name}-${mode}`, wait], [`lock-hold-${name}-${mode}`, hold]);
  return all.filter((one): one is [string, Histogram] => (one[1]?.count ?? 0) > 0);
}
