import { LOCK_CLASSES } from '../sync/lock-class.ts';
import { STAT, STAT_MODES } from '../sync/lock-stat.ts';
import { HISTOGRAM } from './counters.ts';
import { bucketOf, HISTOGRAM_DOUBLES, type Histogram, quantilesOf, sumBuckets, sumHistograms } from './histogram.ts';
import { FULL, fullRow, type LockStatLevel, statRows, WAITING } from './lock-stat.ts';
import { type Place, topPlaces } from './lock-stat-places.ts';

/** As lock_stat's LOCKSTAT_POINTS. */
const PLACES_SHOWN = 4;

/** Times of one row, nanoseconds. */
export interface LockTimes {
  readonly min: number;
  readonly max: number;
  readonly total: number;
  readonly mean: number;
  /** With `full`; at most 1/16 too high. */
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
  readonly p999?: number;
}

/** A lock class in one mode, summed over threads. */
export interface LockRow<P = Place> {
  readonly name: string;
  readonly mode: 'R' | 'W';
  /** With `counts` and `full`, as `acqBounces` and `conBounces`. */
  readonly acquisitions?: number;
  /** Acquisitions of a lock that another thread had last, and waits for such a lock. */
  readonly acqBounces?: number;
  readonly conBounces?: number;
  /** Waits, those too that have not ended. */
  readonly contentions: number;
  readonly waitNs: LockTimes;
  /** With `full`, as all that follows: holds that have ended. */
  readonly holdNs?: LockTimes & { readonly count: number };
  /** Where waiters were, and who had taken the lock last: the most frequent. */
  readonly waiters?: readonly (P & { readonly count: number })[];
  readonly holders?: readonly (P & { readonly count: number })[];
}

/** Where the statistics of a cell lie: indices of doubles, by thread. */
export interface LockStatView {
  readonly f64: Float64Array;
  readonly level: LockStatLevel;
  readonly blocks: readonly number[];
  /** None but with `full`. */
  readonly full: readonly number[];
  readonly histograms: readonly number[];
  /** Until when a wait that has not ended is counted: the cell's clock, milliseconds. */
  readonly untilMs: number;
}

/** A row with its histograms. */
export interface LockSum extends LockRow {
  readonly wait: Histogram | null;
  readonly hold: Histogram | null;
}

/**
 * Sums the statistics of threads that have ended: the longest total wait first, then the most acquisitions; rows of which nothing is
 * known are left out. A thread that was ended in a wait has waited until the end.
 */
export function sumLocks(view: LockStatView): LockSum[] {
  return LOCK_CLASSES.flatMap((_, cls) => Array.from({ length: STAT_MODES }, (_, mode) => sumRow(view, cls, mode)))
    .filter((row) => row.contentions > 0 || (row.acquisitions ?? 0) > 0)
    .sort((a, b) => b.waitNs.total - a.waitNs.total || (b.acquisitions ?? 0) - (a.acquisitions ?? 0));
}

/** The waits for all locks. */
export function sumLockWaits(view: LockStatView): Histogram {
  const ended = sumHistograms(
    view.f64,
    view.histograms.map((base) => base + HISTOGRAM.lockWait * HISTOGRAM_DOUBLES),
  );
  return withWaits(ended, waitsThatLast(view));
}

function sumRow(view: LockStatView, cls: number, mode: number): LockSum {
  const { f64, blocks, level } = view;
  const row = (cls * STAT_MODES + mode) * STAT.$doubles;
  const bases = blocks.map((block) => statRows(block) + row);
  const total = (field: number): number => bases.reduce((sum, base) => sum + f64[base + field], 0);
  const ended = total(STAT.contentions);
  const lasting = waitsThatLast(view, row);
  const least = bases.filter((base) => f64[base + STAT.contentions] > 0).map((base) => f64[base + STAT.waitMin]);
  const sum = total(STAT.waitTotal) + lasting.reduce((a, b) => a + b, 0);
  const contentions = ended + lasting.length;
  const max = Math.max(0, ...bases.map((base) => f64[base + STAT.waitMax]), ...lasting);
  const times = {
    min: contentions === 0 ? 0 : Math.min(...least, ...lasting),
    max,
    total: sum,
    mean: contentions === 0 ? 0 : sum / contentions,
  };
  return {
    name: LOCK_CLASSES[cls]!,
    mode: mode === 0 ? 'R' : 'W',
    ...(level === 'off'
      ? {}
      : {
          acquisitions: total(STAT.acquisitions),
          acqBounces: total(STAT.acqBounces),
          conBounces: total(STAT.conBounces),
        }),
    contentions,
    ...(level === 'full' ? fullSum(view, row, bases, times, lasting) : { waitNs: times, wait: null, hold: null }),
  };
}

/** What a row has with `full`. */
function fullSum(
  { f64, full }: LockStatView,
  row: number,
  bases: readonly number[],
  times: LockTimes,
  lasting: readonly number[],
): Pick<LockSum, 'waitNs' | 'holdNs' | 'waiters' | 'holders' | 'wait' | 'hold'> {
  const rows = full.map((base) => fullRow(base, row));
  const part = (offset: number): number[] => rows.map((base) => base + offset);
  const endedNs = times.total - lasting.reduce((a, b) => a + b, 0);
  const wait = withWaits(sumBuckets(f64, part(FULL.wait), endedNs, times.max), lasting);
  const hold = sumHistograms(f64, part(FULL.hold));
  const held = bases.filter((_, i) => sumHistograms(f64, [rows[i]! + FULL.hold]).count > 0);
  return {
    waitNs: { ...times, ...percentiles(wait) },
    holdNs: {
      count: hold.count,
      min: held.length === 0 ? 0 : Math.min(...held.map((base) => f64[base + STAT.holdMin])),
      max: hold.max,
      total: hold.sum,
      mean: hold.count === 0 ? 0 : hold.sum / hold.count,
      ...percentiles(hold),
    },
    waiters: topPlaces(f64, part(FULL.waiters), PLACES_SHOWN),
    holders: topPlaces(f64, part(FULL.holders), PLACES_SHOWN),
    wait,
    hold,
  };
}

function percentiles(histogram: Histogram): Pick<Required<LockTimes>, 'p50' | 'p90' | 'p99' | 'p999'> {
  const { p50, p90, p99, p999 } = quantilesOf(histogram);
  return { p50, p90, p99, p999 };
}

/** Nanoseconds that threads have waited whose wait has not ended, in one row or in any. */
function waitsThatLast({ f64, blocks, untilMs }: LockStatView, row?: number): number[] {
  return blocks
    .filter((block) => {
      const waiting = f64[block + WAITING.row];
      return waiting !== 0 && (row === undefined || waiting === row + 1);
    })
    .map((block) => Math.max(0, Math.round((untilMs - f64[block + WAITING.since]) * 1e6)));
}

function withWaits({ buckets, count, sum, max }: Histogram, waits: readonly number[]): Histogram {
  const all = buckets.slice();
  for (const ns of waits) all[bucketOf(ns)] += 1;
  return {
    buckets: all,
    count: count + waits.length,
    sum: waits.reduce((a, b) => a + b, sum),
    max: Math.max(max, ...waits),
  };
}
