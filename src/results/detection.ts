import { z } from 'zod';
import { ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import { FAMILIES, type Variant } from '../variants/index.ts';
import type { CellResult } from './types.ts';

const whole = z.int().min(0);
const oracle = z.enum(ORACLE_NAMES);

/** How one known bug was found in one scenario, over all the cells that it had there. */
export const detectionSchema = z.strictObject({
  variant: z.string(),
  base: z.string().meta({ description: 'The design in which one step is replaced.' }),
  family: z.enum(FAMILIES),
  bug: z.string(),
  origin: z.string(),
  oracles: z.array(oracle).readonly().meta({ description: 'It is found when any of these fires.' }),
  scenario: z.string(),
  own: z.boolean().meta({ description: 'Its own litmus, in which it must be found.' }),
  cells: whole,
  found: whole.meta({ description: 'Cells in which it was found.' }),
  oracle: oracle.nullable().meta({ description: 'The one that fired first, in most cells.' }),
  firstMs: z
    .strictObject({ median: z.number(), min: z.number(), max: z.number() })
    .readonly()
    .nullable()
    .meta({ description: 'From the start of a cell to its first violation, over the cells that found it.' }),
  seconds: z.number().meta({ description: 'Length of all cells together.' }),
  violations: whole.meta({
    description: 'Of the oracle that fired first in each cell: one mistake may make several fire.',
  }),
  perSecond: z.number(),
  perIteration: z.number().nullable().meta({ description: 'Violations an iteration; of a litmus.' }),
  perExposure: z.number().nullable().meta({ description: 'Violations a dangerous overlap of any kind; of a load.' }),
});
export type Detection = z.output<typeof detectionSchema>;

/** The first violation by one of the oracles that may find a known bug, or null. `count` is that oracle's. */
export function firstSeen(
  cell: Pick<CellResult, 'violations'>,
  oracles: readonly string[],
): { readonly oracle: OracleName; readonly atMs: number; readonly count: number } | null {
  const seen = Object.entries(cell.violations)
    .filter(([name, { count }]) => oracles.includes(name) && count > 0)
    .map(([name, { count, firstAtMs }]) => ({ oracle: name as OracleName, atMs: firstAtMs, count }));
  return seen.sort((a, b) => a.atMs - b.atMs)[0] ?? null;
}

/** Sums up the cells of one known bug in one scenario; there is at least one. */
export function detectionOf(variant: Variant, cells: readonly CellResult[]): Detection {
  const { strategy, base, family, bug, oracles, litmus } = variant;
  const { scenario, kind } = cells[0]!;
  const seen = cells.map((cell) => firstSeen(cell, oracles)).filter((first) => first !== null);
  const violations = sum(seen.map(({ count }) => count));
  const seconds = sum(cells.map(lengthMs)) / 1000;
  const rate = (n: number): number => violations / Math.max(n, 1);
  return {
    variant: strategy.name,
    base,
    family,
    bug,
    origin: strategy.origin,
    oracles: oracles as readonly OracleName[],
    scenario,
    own: scenario === litmus,
    cells: cells.length,
    found: seen.length,
    oracle: mostFrequent(seen.map((first) => first.oracle)),
    firstMs: spread(seen.map(({ atMs }) => atMs)),
    seconds,
    violations,
    perSecond: violations / Math.max(seconds, 0.001),
    perIteration: kind === 'litmus' ? rate(sum(cells.map(iterations))) : null,
    perExposure: kind === 'load' ? rate(sum(cells.map((cell) => sum(Object.values(cell.exposures))))) : null,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** The main thread takes note of a start late, so that a cell that ends at once may seem shorter than it was. */
const lengthMs = (cell: CellResult): number =>
  Math.max(cell.durationMs, ...Object.values(cell.violations).map(({ firstAtMs }) => firstAtMs));

/** Of an iteration that does not end, as in a deadlock, nobody counts the end. */
const iterations = (cell: CellResult): number => Math.max(sum(Object.values(cell.orders ?? {})), 1);

function mostFrequent(names: readonly OracleName[]): OracleName | null {
  const times = (name: OracleName): number => names.filter((other) => other === name).length;
  return names.toSorted((a, b) => times(b) - times(a))[0] ?? null;
}

function spread(values: readonly number[]): Detection['firstMs'] {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}
