import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readSeries } from '../../src/results/series.ts';
import { type CellLine, cellLineSchema, type SoakTotals } from '../../src/results/soak-types.ts';
import { SEED } from './real-soak.ts';
import { cellsOf, checkpointOf, racesOf, reconcile } from './soak-fixture.ts';

export interface Figures {
  readonly cells: number;
  readonly sessions: number;
  /** Of all cells, canaries included. */
  readonly violations: number;
  readonly exposures: number;
  readonly operations: number;
  readonly records: number;
  readonly folders: number;
  readonly points: number;
}

type Counts = Record<string, number>;

/** Sums by name; a name that has only zeros is left out. Not the product's own sum, which these are compared with. */
function sums(lines: readonly CellLine[], of: (line: CellLine) => readonly (readonly [string, number])[]): Counts {
  const out = new Map<string, number>();
  for (const line of lines) for (const [name, n] of of(line)) out.set(name, (out.get(name) ?? 0) + n);
  return Object.fromEntries([...out].filter(([, n]) => n > 0));
}

const violationsOf = ({ violations }: CellLine) =>
  Object.entries(violations).map(([name, { count }]): [string, number] => [name, count]);
const exposuresOf = ({ exposures }: CellLine) => Object.entries(exposures);
const operationsOf = ({ operations }: CellLine) =>
  Object.entries(operations).map(([name, { count }]): [string, number] => [name, count]);
const total = (counts: Readonly<Partial<Counts>>): number => Object.values(counts).reduce<number>((a, b) => a + b!, 0);

/**
 * What the files of a soak on real threads say of each other, however often it was killed: the totals are sums over the lines of cells.ndjson,
 * every cell has the next seed, each record stands at the cell that counts it, and nothing is there twice. The soak has ended.
 * `incomplete`: there was no room for some folders of violations.
 */
export function reconcileReal(dir: string, { incomplete = false } = {}): Figures {
  reconcile(dir);
  const lines = cellsOf(dir);
  const { totals, sessions, next } = checkpointOf(dir);
  expect(
    lines.map(({ seed }) => seed),
    'no seed is left out or run twice',
  ).toEqual(lines.map((_, i) => SEED + i));
  expect(next.index).toBe(lines.length);
  checkTotals(lines, totals);
  const records = checkRecords(dir, lines);
  const folders = checkFolders(dir, incomplete);
  const points = readSeries(dir);
  expect(points.every(({ t }, i) => i === 0 || t > points[i - 1]!.t)).toBe(true);
  expect(points.at(-1)).toMatchObject({ violations: total(totals.violations) + totals.canary.violations });
  for (const line of readFileSync(join(dir, 'odptorture.log'), 'utf8').trimEnd().split('\n')) JSON.parse(line);
  return {
    cells: lines.length,
    sessions: sessions.length,
    violations: total(sums(lines, violationsOf)),
    exposures: total(sums(lines, exposuresOf)),
    operations: total(totals.operations),
    records,
    folders,
    points: points.length,
  };
}

function checkTotals(lines: readonly CellLine[], totals: SoakTotals): void {
  const own = lines.filter(({ canary }) => !canary);
  const canaries = lines.filter(({ canary }) => canary);
  expect(totals.cells).toBe(lines.length);
  expect(totals.violations).toEqual(sums(own, violationsOf));
  expect(totals.exposures).toEqual(sums(own, exposuresOf));
  expect(totals.operations).toEqual(sums(lines, operationsOf));
  expect(totals.canary).toMatchObject({ cells: canaries.length, violations: total(sums(canaries, violationsOf)) });
  expect(totals.durationMs).toBeCloseTo(
    lines.reduce((sum, { durationMs }) => sum + durationMs, 0),
    3,
  );
  for (const entry of totals.entries) {
    const mine = lines.filter((line) => line.entry === entry.entry);
    expect(entry.cells).toBe(mine.length);
    expect(entry.violations).toEqual(sums(mine, violationsOf));
    expect(entry.exposures).toEqual(sums(mine, exposuresOf));
    expect(entry.operations).toEqual(sums(mine, operationsOf));
  }
}

/** Each record is one that its cell counts as logged, and their numbers go on over all sessions. */
function checkRecords(dir: string, lines: readonly CellLine[]): number {
  const records = racesOf(dir);
  const logged = new Map<string, number>();
  const last = new Map<string, number>();
  for (const { cell, seed, strategy, signature, nth } of records) {
    const line = lines[cell!]!;
    expect({ seed, strategy }, `record ${nth} of ${signature}`).toEqual({ seed: line.seed, strategy: line.strategy });
    logged.set(`${cell} ${signature}`, (logged.get(`${cell} ${signature}`) ?? 0) + 1);
    expect(nth, signature).toBeGreaterThan(last.get(signature) ?? 0);
    last.set(signature, nth);
  }
  const counted = lines.flatMap(({ index, logged: of }) =>
    Object.entries(of).map(([signature, n]): [string, number] => [`${index} ${signature}`, n]),
  );
  expect(Object.fromEntries(logged)).toEqual(Object.fromEntries(counted.filter(([, n]) => n > 0)));
  return records.length;
}

/** The folder of a violation is that of a record that counts, or of one that was lost, and no two are of the same. */
function checkFolders(dir: string, incomplete: boolean): number {
  const root = join(dir, 'violations');
  if (!existsSync(root)) return 0;
  const known = new Set(racesOf(dir).map(({ cell, signature, nth }) => `${cell} ${signature} ${nth}`));
  const kept = readdirSync(root)
    // The file that is written last.
    .filter((name) => !incomplete || existsSync(join(root, name, 'cell.json')))
    .map((name) => {
      const text = readFileSync(join(root, name, 'violation.json'), 'utf8');
      const { cell, signature, nth } = JSON.parse(text) as { cell: number; signature: string; nth: number };
      return `${cell} ${signature} ${nth}`;
    });
  if (!incomplete) expect(kept.filter((one) => !known.has(one))).toEqual([]);
  expect(new Set(kept).size).toBe(kept.length);
  return kept.length;
}

/** Of a soak that has not ended in order: every line up to the last checkpoint is whole, and what it says adds up to the totals there. */
export function expectIntact(dir: string): void {
  const { totals, offsets, next } = checkpointOf(dir);
  const lines = readFileSync(join(dir, 'cells.ndjson'))
    .subarray(0, offsets.cells)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => cellLineSchema.parse(JSON.parse(line)));
  expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: next.index }, (_, i) => i));
  checkTotals(lines, totals);
}
