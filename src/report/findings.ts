import type { OracleName } from '../oracles/names.ts';
import type { CellResult } from '../results/types.ts';
import { grouped, short } from './format.ts';

export interface Finding {
  readonly oracle: OracleName;
  readonly count: number;
  readonly firstAtMs: number;
}

/** Violations of a cell, the most frequent first. */
export const findings = (cell: CellResult): Finding[] =>
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
  if (found.length > 0) return found.map(({ oracle, count }) => `${oracle} ${grouped(count)}`);
  const outcomes = Object.entries(cell.orders ?? {}).filter(([, n]) => n > 0);
  if (outcomes.length > 0 && outcomes.every(([outcome]) => outcome === 'order-prevented'))
    return ['no violation: this design makes the order impossible'];
  const exposures = exposureCount(cell);
  if (exposures === 0) return ['no exposures: says nothing'];
  return [
    `0 violations in ${grouped(exposures)} exposures (rate below ${rateBound95(exposures).toExponential(1)} each, at 95 %)`,
  ];
}

/** How the forced orders of a litmus cell ended: `complete 50`, `order-prevented 50`. */
export const orderWords = (cell: CellResult): string[] =>
  Object.entries(cell.orders ?? {})
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([outcome, n]) => `${outcome} ${short(n)}`);

/** `as expected` column: what the matrix judges. */
export const expectedWord = (cell: CellResult): string =>
  cell.asExpected === null ? 'unknown' : cell.asExpected ? 'yes' : 'NO';
