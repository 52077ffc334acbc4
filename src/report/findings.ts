import type { OracleName } from '../oracles/names.ts';
import type { CellResult } from '../results/types.ts';
import { grouped, short } from './format.ts';

export interface Finding {
  readonly oracle: OracleName;
  readonly count: number;
  readonly firstAtMs: number;
}

/** Violations of a cell, the most frequent first. */
export const findings = (cell: Pick<CellResult, 'violations'>): Finding[] =>
  Object.entries(cell.violations)
    .map(([oracle, { count, firstAtMs }]) => ({ oracle: oracle as OracleName, count, firstAtMs }))
    .filter((finding) => finding.count > 0)
    .sort((a, b) => b.count - a.count || a.firstAtMs - b.firstAtMs);

export const violationCount = (cell: CellResult): number =>
  findings(cell).reduce((sum, finding) => sum + finding.count, 0);

/** Dangerous overlaps that happened, all kinds together. */
export const exposureCount = (cell: CellResult): number => Object.values(cell.exposures).reduce((sum, n) => sum + n, 0);

/** Upper end of the 95 % confidence interval of a rate of which no case was seen in `trials` (the rule of three). */
export const rateBound95 = (trials: number): number => 3 / trials;

/** What a cell found, in words. "0 violations" never stands alone: without exposures it would mean nothing. */
export function findingWords(cell: CellResult): string[] {
  const found = findings(cell);
  if (found.length > 0)
    return [
      ...found.map(({ oracle, count }) => `${oracle} ${grouped(count)}`),
      ...windowWords(cell).map((w) => `in ${w}`),
    ];
  const outcomes = Object.entries(cell.orders ?? {}).filter(([, n]) => n > 0);
  if (outcomes.length > 0 && outcomes.every(([outcome]) => outcome === 'order-prevented'))
    return ['no violation: this design makes the order impossible'];
  const exposures = exposureCount(cell);
  if (exposures === 0) return ['no exposures: says nothing'];
  // The bound is one for each window of the kind that is named, never for all kinds together: that would flatter.
  const window = windows(cell)[0];
  if (window === undefined)
    return [`0 violations in ${grouped(exposures)} exposures, none of them a registration or a fault inside a section`];
  const bound = rateBound95(window.count).toExponential(1);
  return [
    `0 violations in ${grouped(window.count)} ${window.name} (a rate below ${bound} each, at 95 %)`,
    ...windowWords(cell).slice(1),
  ];
}

/** The windows that the thread is about, those that were hit, in this order. */
const WINDOWS = ['register-in-section', 'register-meets-section', 'fault-in-section', 'truncate-in-fault'];
export const windows = ({ exposures }: Pick<CellResult, 'exposures'>): { name: string; count: number }[] =>
  WINDOWS.map((name) => ({ name, count: exposures[name] ?? 0 })).filter(({ count }) => count > 0);
const windowWords = (cell: CellResult): string[] => windows(cell).map(({ name, count }) => `${name} ${grouped(count)}`);

/** How the forced orders of a litmus cell ended: `complete 50`, `order-prevented 50`. */
export const orderWords = (cell: CellResult): string[] =>
  Object.entries(cell.orders ?? {})
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([outcome, n]) => `${outcome} ${short(n)}`);

/** `as expected` column: what the matrix judges. */
export const expectedWord = (cell: CellResult): string =>
  cell.expected.none === true
    ? 'no expectation'
    : cell.asExpected === null
      ? 'unknown'
      : cell.asExpected
        ? 'yes'
        : 'NO';
