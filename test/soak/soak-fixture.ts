import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { type SoakMeans, soakCommand } from '../../src/cli/soak.ts';
import { addSoakOptions, type SoakFlags } from '../../src/cli/soak-options.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { parseRaceRecord, type RaceRecord } from '../../src/results/race-log-schema.ts';
import {
  type CellLine,
  cellLineSchema,
  type SoakCheckpoint,
  type SoakSummary,
  type SoakTotals,
  soakCheckpointSchema,
  soakSummarySchema,
} from '../../src/results/soak-types.ts';
import type { CellResult, CellSink } from '../../src/results/types.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { addCell, noTotals, sumOf } from '../../src/soak/totals.ts';
import { type FakeCell, fakeResult } from './fake-cell.ts';

export interface SoakRunner {
  runCell(plan: CellPlan, sink: CellSink, signal: AbortSignal): Promise<CellResult>;
  closeCells(): Promise<void>;
  arenaWords(plan: CellPlan): number;
}

/** Cells that are doubles: what they find follows from their seeds. */
export const fakeRunner = (cell: FakeCell = {}): SoakRunner => ({
  runCell: (plan, sink, signal) => fakeResult(plan, sink, signal, cell),
  closeCells: async () => {},
  arenaWords: () => 1,
});

export interface Captured extends Terminal {
  readonly lines: string[];
  readonly errors: string[];
}

export function terminalIn(cwd: string): Captured {
  const lines: string[] = [];
  const errors: string[] = [];
  return {
    lines,
    errors,
    out: (line) => lines.push(line),
    err: (line) => errors.push(line),
    env: {},
    cwd,
    outIsTty: false,
    errIsTty: false,
    width: 110,
    stderr: { write: () => true } as unknown as Terminal['stderr'],
  };
}

/** Flags as the command line has them. */
export function soakFlags(args: readonly string[]): { given: string | undefined; flags: SoakFlags } {
  const command = addSoakOptions(new Command('soak').argument('[campaign]')).exitOverride();
  command.configureOutput({ writeErr: () => {} }).parse([...args], { from: 'user' });
  return { given: command.args[0], flags: command.opts<SoakFlags>() };
}

/** The campaign of a work folder: two designs on one scenario, and the canary; three cells a rotation. */
export const SMALL = ['small.yaml', '--no-progress'] as const;
const CAMPAIGN = `kind: campaign
description: Two designs on one load.
cells:
  - { scenarios: [./load.yaml], strategies: [context-count, range-stack] }
canary: { scenario: ./load.yaml }
`;

export const CLOCK = { wall: () => Date.now(), mono: () => performance.now() };

/** `odptorture soak ARGS` in this process, with cells that are doubles unless `means` says otherwise. */
export function soakIn(
  cwd: string,
  args: readonly string[],
  means: Partial<SoakMeans> = {},
  terminal: Captured = terminalIn(cwd),
): Promise<number> {
  const { given, flags } = soakFlags(args);
  return soakCommand(given, flags, terminal, { runner: async () => fakeRunner(), clock: CLOCK, ...means });
}

/** A folder with the campaign `SMALL` and its scenario, a copy: a soak refuses to go on when that has been edited in between. */
export function workFolder(): { dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'odp-soak-'));
  copyFileSync(join(packageRoot(), 'scenarios/seed.yaml'), join(dir, 'load.yaml'));
  writeFileSync(join(dir, 'small.yaml'), CAMPAIGN);
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** What a soak of doubles is given in place of threads. */
export const doubles = (cell: FakeCell): Pick<SoakMeans, 'runner'> => ({ runner: async () => fakeRunner(cell) });

/** A work folder for each test, and a soak of doubles in it. */
export interface SoakBed {
  readonly cwd: string;
  /** Folder of the soak. */
  readonly dir: string;
  start(args: readonly string[], cell?: FakeCell, terminal?: Captured): Promise<number>;
  resume(args: readonly string[], cell?: FakeCell, terminal?: Captured): Promise<number>;
}

/** To be called where the tests are described. */
export function soakBed(): SoakBed {
  let work = { dir: '', remove: () => {} };
  beforeEach(() => {
    work = workFolder();
  });
  afterEach(() => work.remove());
  const bed: SoakBed = {
    get cwd() {
      return work.dir;
    },
    get dir() {
      return join(work.dir, 'soak');
    },
    start: (args, cell = {}, terminal = terminalIn(bed.cwd)) =>
      soakIn(bed.cwd, [...SMALL, '--seed', '7', '-o', bed.dir, ...args], doubles(cell), terminal),
    resume: (args, cell = {}, terminal = terminalIn(bed.cwd)) =>
      soakIn(bed.cwd, ['--no-progress', '--resume', bed.dir, ...args], doubles(cell), terminal),
  };
  return bed;
}

const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
const ndjson = (file: string): unknown[] => {
  const text = readFileSync(file, 'utf8');
  expect(text === '' || text.endsWith('\n'), `${file} ends with a whole line`).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);
};

export const cellsOf = (dir: string): CellLine[] =>
  ndjson(join(dir, 'cells.ndjson')).map((line) => cellLineSchema.parse(line));
export const checkpointOf = (dir: string): SoakCheckpoint =>
  soakCheckpointSchema.parse(json(join(dir, 'checkpoint.json')));
export const summaryOf = (dir: string): SoakSummary => soakSummarySchema.parse(json(join(dir, 'summary.json')));

/** Segments of the race log, the one that is being written included. */
export function raceFiles(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => /^races-\d+\.ndjson(\.open)?$/.test(name))
    .sort((a, b) => Number(/\d+/.exec(a)) - Number(/\d+/.exec(b)));
}
export const racesOf = (dir: string): RaceRecord[] =>
  raceFiles(dir).flatMap((name) => ndjson(join(dir, name)).map(parseRaceRecord));

/**
 * Every count of an ended soak against every other: lines without gaps or repeats, totals and figures that are their sums, signatures
 * that add up to the violations, records in the race log as often as they are counted, and none twice.
 */
export function reconcile(dir: string): { cells: number; violations: number; records: number } {
  const lines = cellsOf(dir);
  const checkpoint = checkpointOf(dir);
  expect(lines.map(({ index }) => index)).toEqual(lines.map((_, i) => i));
  expect(checkpoint.next.index).toBe(lines.length);
  const { thresholds: _, ...totals } = checkpoint.totals;
  const { thresholds: __, ...sums } = lines.reduce((sum: SoakTotals, line) => addCell(sum, line), noTotals());
  expect(totals).toEqual(sums);
  reconcileFigures(checkpoint, lines);
  let violations = 0;
  const signatures: Record<string, number> = {};
  for (const line of lines) {
    const counted = Object.values(line.violations).reduce((sum, { count }) => sum + count, 0);
    expect(sumOf(line.signatures), `signatures of cell ${line.index}`).toBe(counted);
    expect(sumOf(line.logged) + sumOf(line.unlogged), `records of cell ${line.index}`).toBe(counted);
    for (const [key, n] of Object.entries(line.signatures)) signatures[key] = (signatures[key] ?? 0) + n;
    violations += counted;
  }
  expect(Object.fromEntries(checkpoint.signatures.map(({ signature, count }) => [signature, count]))).toEqual(
    signatures,
  );
  expect(sumOf(checkpoint.totals.records)).toBe(violations);
  expect(raceFiles(dir).filter((name) => name.endsWith('.open'))).toEqual([]);
  const records = racesOf(dir);
  expect(records).toHaveLength(checkpoint.totals.records.logged);
  expect(new Set(records.map(({ signature, nth }) => `${signature} ${nth}`)).size).toBe(records.length);
  for (const { signature, logged } of checkpoint.signatures)
    expect(
      records.filter((record) => record.signature === signature),
      signature,
    ).toHaveLength(logged);
  const folders = existsSync(join(dir, 'violations')) ? readdirSync(join(dir, 'violations')) : [];
  expect(folders).toHaveLength(checkpoint.violationFolders);
  return { cells: lines.length, violations, records: records.length };
}

/** The figures of locks and latencies against the lines: no cell is missing in them, and none is there twice. */
function reconcileFigures({ figures }: SoakCheckpoint, lines: readonly CellLine[]): void {
  expect(figures.map(({ entry }) => entry).sort()).toEqual([...new Set(lines.map(({ entry }) => entry))].sort());
  for (const { entry, cells, locks, histograms } of figures) {
    const own = lines.filter((line) => line.entry === entry);
    expect(cells, entry).toBe(own.length);
    const rows = own.flatMap((line) => line.locks);
    for (const { name, mode, contentions, waitNs, acquisitions, holdNs } of locks) {
      const same = rows.filter((row) => row.name === name && row.mode === mode);
      const sum = (of: (row: (typeof rows)[number]) => number | undefined): number =>
        same.reduce((total, row) => total + (of(row) ?? 0), 0);
      expect(contentions, `${entry}: ${name}-${mode}`).toBe(sum((row) => row.contentions));
      expect(waitNs.total).toBeCloseTo(
        sum((row) => row.waitNs.total),
        0,
      );
      expect(waitNs.max).toBe(Math.max(...same.map((row) => row.waitNs.max)));
      expect(acquisitions ?? 0).toBe(sum((row) => row.acquisitions));
      expect(holdNs?.count ?? 0).toBe(sum((row) => row.holdNs?.count));
    }
    expect(locks).toHaveLength(new Set(rows.map(({ name, mode }) => `${name} ${mode}`)).size);
    for (const [name, figure] of LATENCY_NAMES) {
      // A litmus gives its quantiles only.
      const loads = own.filter(({ kind }) => kind === 'load').map(({ latencyNs }) => latencyNs[name]);
      const sum = histograms[figure];
      const count = sum?.counts.reduce((a, b) => a + b, 0) ?? 0;
      expect(count, `${entry}: ${figure}`).toBe(loads.reduce((total, one) => total + one.count, 0));
      expect(sum?.max ?? 0).toBe(Math.max(0, ...loads.map(({ max }) => max)));
    }
  }
}

const LATENCY_NAMES = [
  ['fault', 'fault'],
  ['section', 'section'],
  ['register', 'register'],
  ['deregister', 'deregister'],
  ['lockWait', 'lock-wait'],
] as const;
