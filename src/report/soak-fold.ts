import type { OracleName } from '../oracles/names.ts';
import { type EntryFigures, unpacked } from '../results/soak-figures.ts';
import type { Verdict } from '../results/types.ts';
import { quantilesOf } from '../trace/histogram.ts';
import { type EntryRow, LATENCIES, type LatencyName, type LatencyRow, type LockRow, type Trend } from './soak-model.ts';
import type { ReportCell } from './soak-schemas.ts';

/** A cell with what a soak knows of it besides. */
export interface FoldedCell {
  readonly entry: string;
  readonly canary: boolean;
  /** Soak time at its start, ms. */
  readonly t: number;
  readonly cell: ReportCell;
}

export interface Fold {
  add(folded: FoldedCell): void;
  readonly cells: () => number;
  readonly entries: () => EntryRow[];
  /** `stretches` stretches of equal length from 0 to `elapsedMs`. */
  trends(elapsedMs: number, stretches: number): { t: number[]; rows: Trend[] };
}

type Counts = Record<string, number>;
type Tally = { cells: number; count: number; p50: number; p99: number; max: number };

interface Sums {
  readonly first: FoldedCell;
  cells: number;
  cellsViolated: number;
  cellsClean: number;
  durationMs: number;
  readonly verdicts: Record<Verdict, number>;
  readonly expected: Record<'yes' | 'no' | 'unknown' | 'none', number>;
  readonly violations: Partial<Record<OracleName, number>>;
  readonly exposures: Counts;
  readonly operations: Counts;
  readonly faults: { committed: number; retries: number; timeouts: number };
  readonly latency: Record<LatencyName, Tally>;
  readonly locks: Map<string, LockSum>;
  readonly crashes: Counts;
  readonly why: Set<string>;
}

const REASONS_KEPT = 5;

/** Sums cells as they are read, so that a soak of any length fits. */
export function createFold(): Fold {
  const byEntry = new Map<string, Sums>();
  /** Of each strategy: middle of the cell, its length, its committed faults; three numbers a cell. */
  const speeds = new Map<string, number[]>();
  let cells = 0;
  return {
    add(folded) {
      cells++;
      const key = `${folded.entry} ${folded.canary}`;
      const sums = byEntry.get(key) ?? noSums(folded);
      byEntry.set(key, sums);
      addCell(sums, folded.cell);
      const { strategy, durationMs, faults, kind } = folded.cell;
      if (kind !== 'load' || folded.canary) return;
      const speed = speeds.get(strategy) ?? [];
      speeds.set(strategy, speed);
      speed.push(folded.t + durationMs / 2, durationMs, faults.committed);
    },
    cells: () => cells,
    entries: () => [...byEntry.values()].map(entryRow),
    trends: (elapsedMs, stretches) => ({
      t: Array.from({ length: stretches }, (_, i) => ((i + 0.5) * elapsedMs) / stretches),
      rows: [...speeds].map(([strategy, speed]) => ({
        strategy,
        faultsPerSecond: stretchMeans(speed, elapsedMs, stretches),
      })),
    }),
  };
}

const noTally = (): Tally => ({ cells: 0, count: 0, p50: 0, p99: 0, max: 0 });

const noSums = (first: FoldedCell): Sums => ({
  first,
  cells: 0,
  cellsViolated: 0,
  cellsClean: 0,
  durationMs: 0,
  verdicts: { SUCCESS: 0, FAILURE: 0, UNKNOWN: 0 },
  expected: { yes: 0, no: 0, unknown: 0, none: 0 },
  violations: {},
  exposures: {},
  operations: {},
  faults: { committed: 0, retries: 0, timeouts: 0 },
  latency: { fault: noTally(), section: noTally(), register: noTally(), deregister: noTally() },
  locks: new Map(),
  crashes: {},
  why: new Set(),
});

function addCell(sums: Sums, cell: ReportCell): void {
  sums.cells++;
  sums.durationMs += cell.durationMs;
  if (Object.keys(cell.violations).length > 0) sums.cellsViolated++;
  else if (!cell.interrupted && cell.fault === undefined) sums.cellsClean++;
  sums.verdicts[cell.verdict]++;
  const { asExpected, expected } = cell;
  sums.expected[expected.none === true ? 'none' : asExpected === null ? 'unknown' : asExpected ? 'yes' : 'no']++;
  for (const [oracle, { count }] of Object.entries(cell.violations))
    sums.violations[oracle as OracleName] = (sums.violations[oracle as OracleName] ?? 0) + count;
  for (const [name, n] of Object.entries(cell.exposures)) sums.exposures[name] = (sums.exposures[name] ?? 0) + n;
  for (const [name, { count }] of Object.entries(cell.operations))
    sums.operations[name] = (sums.operations[name] ?? 0) + count;
  sums.faults.committed += cell.faults.committed;
  sums.faults.retries += cell.faults.retries;
  sums.faults.timeouts += cell.faults.timeouts;
  for (const name of LATENCIES) addLatency(sums.latency[name], cell.latencyNs[name]);
  addLocks(sums.locks, cell);
  // A deadlock that the oracle has named is a finding.
  if (cell.fault !== undefined && cell.fault.kind !== 'deadlock')
    sums.crashes[cell.fault.kind] = (sums.crashes[cell.fault.kind] ?? 0) + 1;
  if (cell.why !== '' && asExpected !== true && sums.why.size < REASONS_KEPT) sums.why.add(cell.why);
}

function addLatency(tally: Tally, { count, p50, p99, max }: ReportCell['latencyNs'][LatencyName]): void {
  if (count === 0) return;
  tally.cells++;
  tally.count += count;
  tally.p50 = Math.max(tally.p50, p50);
  tally.p99 = Math.max(tally.p99, p99);
  tally.max = Math.max(tally.max, max);
}

type LockSum = { -readonly [K in keyof LockRow]: LockRow[K] };

function addLocks(locks: Sums['locks'], cell: ReportCell): void {
  for (const { name, mode, contentions, waitNs, acquisitions, acqBounces, conBounces, holdNs } of cell.locks) {
    const row = locks.get(`${name} ${mode}`) ?? noLock(name, mode);
    locks.set(`${name} ${mode}`, row);
    row.contentions += contentions;
    row.waitNs = joined(row.waitNs, waitNs);
    row.acquisitions = plus(row.acquisitions, acquisitions);
    row.acqBounces = plus(row.acqBounces, acqBounces);
    row.conBounces = plus(row.conBounces, conBounces);
    if (holdNs !== undefined) {
      const before = row.holdNs ?? { count: 0, total: 0, max: 0 };
      row.holdNs = { count: before.count + holdNs.count, ...joined(before, holdNs) };
    }
  }
}

const noLock = (name: string, mode: 'R' | 'W'): LockSum => ({
  ...{ name, mode, contentions: 0, waitNs: { total: 0, max: 0 } },
  ...{ acquisitions: null, acqBounces: null, conBounces: null, holdNs: null },
});
type Times = LockRow['waitNs'];
const joined = (a: Times, b: Times): Times => ({ total: a.total + b.total, max: Math.max(a.max, b.max) });
const plus = (sum: number | null, n: number | undefined): number | null => (n === undefined ? sum : (sum ?? 0) + n);

function entryRow(sums: Sums): EntryRow {
  const { first, latency, locks, why, ...rest } = sums;
  const { scenario, strategy, era, expected } = first.cell;
  const row = (name: LatencyName): LatencyRow => {
    const { cells, ...sums } = latency[name];
    return { ...sums, atMost: cells > 1 };
  };
  return {
    ...rest,
    entry: first.entry,
    scenario,
    strategy,
    era,
    canary: first.canary,
    must: expected.must,
    may: expected.may,
    latencyNs: {
      fault: row('fault'),
      section: row('section'),
      register: row('register'),
      deregister: row('deregister'),
    },
    locks: [...locks.values()].sort((a, b) => b.waitNs.total - a.waitNs.total),
    why: [...why],
  };
}

/** Rows with the quantiles of all cells together: a soak's checkpoint has the sums of their histograms. */
export const withFigures = (entries: readonly EntryRow[], figures: readonly EntryFigures[]): EntryRow[] =>
  entries.map((row) => {
    const histograms = figures.find(({ entry }) => entry === row.entry)?.histograms ?? {};
    const latencyNs = { ...row.latencyNs };
    for (const name of LATENCIES) {
      const sum = histograms[name];
      if (sum === undefined) continue;
      const { p50, p99 } = quantilesOf(unpacked(sum));
      latencyNs[name] = { ...latencyNs[name], p50, p99, atMost: false };
    }
    return { ...row, latencyNs };
  });

function stretchMeans(speed: readonly number[], elapsedMs: number, stretches: number): (number | null)[] {
  const ms = new Float64Array(stretches);
  const faults = new Float64Array(stretches);
  for (let i = 0; i < speed.length; i += 3) {
    const place = Math.min(stretches - 1, Math.floor((speed[i]! / Math.max(elapsedMs, 1)) * stretches));
    ms[place] = ms[place]! + speed[i + 1]!;
    faults[place] = faults[place]! + speed[i + 2]!;
  }
  return Array.from(ms, (sum, i) => (sum > 0 ? (faults[i]! / sum) * 1000 : null));
}
