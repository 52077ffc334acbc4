import type { CellResult } from '../../src/results/types.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import {
  HISTOGRAM_DOUBLES,
  type Histogram,
  histogramAdd,
  quantilesOf,
  sumHistograms,
} from '../../src/trace/histogram.ts';
import { mixSeed } from '../../src/trace/random.ts';

export function histogramOf(values: readonly number[]): Histogram {
  const f64 = new Float64Array(HISTOGRAM_DOUBLES);
  for (const value of values) histogramAdd(f64, 0, value);
  return sumHistograms(f64, [0]);
}

/** Times of a cell that follow from its seed: `what` tells one figure from another. Nanoseconds. */
function timesOf(seed: number, what: number, least: number, most: number): number[] {
  const draw = (i: number): number => mixSeed(seed, what * 1000 + i) >>> 0;
  const length = least + (draw(0) % (most - least));
  return Array.from({ length }, (_, i) => draw(i + 1) % 10 ** (5 + (seed % 5)));
}

export const faultsOf = (seed: number): number[] => timesOf(seed, 1, 20, 60);
export const waitsOf = (seed: number): number[] => timesOf(seed, 2, 0, 5);
export const holdsOf = (seed: number): number[] => timesOf(seed, 3, 1, 40);

type LockRow = CellResult['locks'][number];

const timed = (times: readonly number[]): LockRow['waitNs'] => {
  const total = times.reduce((a, b) => a + b, 0);
  return {
    min: times.length === 0 ? 0 : Math.min(...times),
    max: Math.max(0, ...times),
    total,
    mean: times.length === 0 ? 0 : total / times.length,
  };
};

/** Statistics of one lock, as far as the plan asks for them. A cell in which nobody waited has none without a level. */
function locksOf({ seed, lockStat }: CellPlan): LockRow[] {
  const waits = waitsOf(seed);
  const base = { name: 'umem_rwsem', mode: 'W', contentions: waits.length, waitNs: timed(waits) } as const;
  if (lockStat === undefined) return waits.length === 0 ? [] : [base];
  const holds = holdsOf(seed);
  const counted = { ...base, acquisitions: holds.length, acqBounces: seed % 3, conBounces: seed % 2 };
  if (lockStat === 'counts') return [counted];
  const { p50, p90, p99, p999 } = quantilesOf(histogramOf(waits));
  const place = (point: string) => ({ role: 'madvise', point, count: seed });
  return [
    {
      ...counted,
      waitNs: { ...timed(waits), p50, p90, p99, p999 },
      holdNs: { count: holds.length, ...timed(holds) },
      waiters: [place('umem.counted')],
      holders: [place(`section.${seed % 2 === 0 ? 'started' : 'ending'}`)],
    },
  ];
}

export interface FakeFigures {
  readonly locks: readonly LockRow[];
  readonly fault: CellResult['latencyNs']['fault'];
  readonly histograms: readonly (readonly [name: string, histogram: Histogram])[];
}

/** As a cell gives them: no distribution that is empty. */
export function fakeFigures(plan: CellPlan): FakeFigures {
  const fault = histogramOf(faultsOf(plan.seed));
  const all = [
    ['fault', fault],
    ...(plan.lockStat === 'full' ? [['lock-wait-umem_rwsem-W', histogramOf(waitsOf(plan.seed))] as const] : []),
  ] as const;
  return { locks: locksOf(plan), fault: quantilesOf(fault), histograms: all.filter(([, { count }]) => count > 0) };
}
