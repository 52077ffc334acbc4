import type { CellLine, EntryTotal, SoakTotals } from '../results/soak-types.ts';
import { judgeThreshold } from '../results/thresholds.ts';
import type { Threshold } from '../scenario/threshold.ts';

type Counts = Readonly<Record<string, number>>;

/** Sum of two tables of counts; what is 0 in both is left out. */
export function added<K extends string>(
  a: Readonly<Partial<Record<K, number>>>,
  b: Readonly<Partial<Record<K, number>>>,
): Partial<Record<K, number>> {
  const out: Partial<Record<K, number>> = { ...a };
  for (const [key, n] of Object.entries(b) as [K, number][]) if (n !== 0) out[key] = (out[key] ?? 0) + n;
  return out;
}

const addedCounts = (a: Counts, b: Counts): Record<string, number> => added(a, b) as Record<string, number>;

export const sumOf = (counts: Readonly<Partial<Record<string, number>>>): number =>
  Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0);

export const violationsOf = (line: CellLine): SoakTotals['violations'] =>
  Object.fromEntries(Object.entries(line.violations).map(([oracle, { count }]) => [oracle, count]));

const operationsOf = (line: CellLine): Record<string, number> =>
  Object.fromEntries(Object.entries(line.operations).map(([name, { count }]) => [name, count]));

/** Cells that did not end by themselves; a deadlock that the oracle has named is a finding. */
const faultOf = (line: CellLine): Record<string, number> =>
  line.fault === undefined || line.fault.kind === 'deadlock' ? {} : { [line.fault.kind]: 1 };

export const noTotals = (): SoakTotals => ({
  cells: 0,
  durationMs: 0,
  verdicts: { SUCCESS: 0, FAILURE: 0, UNKNOWN: 0 },
  violations: {},
  exposures: {},
  operations: {},
  faults: {},
  canary: { cells: 0, caught: 0, missed: 0, violations: 0 },
  interrupted: 0,
  records: { logged: 0, sampledOut: 0, overBudget: 0, notMade: 0, lost: 0 },
  thresholds: {},
  entries: [],
});

/** Whether a canary was seen; null: it was ended early, or broke, and says nothing. */
export function caught(line: CellLine): boolean | null {
  const seen = Object.keys(line.violations).length > 0;
  if (seen) return true;
  return line.interrupted || line.fault !== undefined ? null : false;
}

/** The totals with one more cell. Exact: every figure is a sum over the lines of cells.ndjson. */
export function addCell(totals: SoakTotals, line: CellLine, thresholds: readonly Threshold[] = []): SoakTotals {
  const { canary, records } = totals;
  const found = violationsOf(line);
  const was = line.canary ? caught(line) : null;
  const judged = line.canary ? {} : { [line.verdict]: 1 };
  return {
    cells: totals.cells + 1,
    durationMs: totals.durationMs + line.durationMs,
    verdicts: addedCounts(totals.verdicts, judged) as SoakTotals['verdicts'],
    violations: line.canary ? totals.violations : added(totals.violations, found),
    exposures: line.canary ? totals.exposures : addedCounts(totals.exposures, line.exposures),
    operations: addedCounts(totals.operations, operationsOf(line)),
    faults: addedCounts(totals.faults, faultOf(line)),
    canary: {
      cells: canary.cells + (line.canary ? 1 : 0),
      caught: canary.caught + (was === true ? 1 : 0),
      missed: canary.missed + (was === false ? 1 : 0),
      violations: canary.violations + (line.canary ? sumOf(found) : 0),
    },
    interrupted: totals.interrupted + (line.interrupted ? 1 : 0),
    records: {
      logged: records.logged + sumOf(line.logged),
      sampledOut: records.sampledOut + line.unlogged.sampledOut,
      overBudget: records.overBudget + line.unlogged.overBudget,
      notMade: records.notMade + line.unlogged.notMade,
      lost: records.lost + line.unlogged.lost,
    },
    thresholds: addThresholds(totals.thresholds, line, thresholds),
    entries: addEntry(totals.entries, line),
  };
}

function addThresholds(
  before: SoakTotals['thresholds'],
  line: CellLine,
  thresholds: readonly Threshold[],
): SoakTotals['thresholds'] {
  const out = { ...before };
  for (const threshold of thresholds) {
    const { met } = judgeThreshold(threshold, line);
    const how = met === null ? 'none' : met ? 'met' : 'missed';
    const was = out[threshold.text] ?? { met: 0, missed: 0, none: 0 };
    out[threshold.text] = { ...was, [how]: was[how] + 1 };
  }
  return out;
}

function addEntry(entries: readonly EntryTotal[], line: CellLine): EntryTotal[] {
  const before = entries.find(({ entry }) => entry === line.entry);
  const base: EntryTotal = before ?? {
    entry: line.entry,
    scenario: line.scenario,
    strategy: line.strategy,
    era: line.era,
    canary: line.canary,
    cells: 0,
    durationMs: 0,
    verdicts: { SUCCESS: 0, FAILURE: 0, UNKNOWN: 0 },
    expected: { yes: 0, no: 0, unknown: 0 },
    must: line.expected.must,
    may: line.expected.may,
    violations: {},
    exposures: {},
    operations: {},
    faultsCommitted: 0,
    faults: {},
  };
  const word = line.asExpected === null ? 'unknown' : line.asExpected ? 'yes' : 'no';
  const now: EntryTotal = {
    ...base,
    cells: base.cells + 1,
    durationMs: base.durationMs + line.durationMs,
    verdicts: { ...base.verdicts, [line.verdict]: base.verdicts[line.verdict] + 1 },
    expected: { ...base.expected, [word]: base.expected[word] + 1 },
    violations: added(base.violations, violationsOf(line)),
    exposures: addedCounts(base.exposures, line.exposures),
    operations: addedCounts(base.operations, operationsOf(line)),
    faultsCommitted: base.faultsCommitted + line.faults.committed,
    faults: addedCounts(base.faults, faultOf(line)),
  };
  return before === undefined ? [...entries, now] : entries.map((entry) => (entry === before ? now : entry));
}
