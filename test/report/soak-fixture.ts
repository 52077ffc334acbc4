import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSeries } from '../../src/results/series.ts';
import {
  type CellLine,
  cellLineSchema,
  type SeriesPoint,
  type SignatureTotal,
  SOAK_FILES,
  type SoakCheckpoint,
  type SoakSummary,
  soakCheckpointSchema,
  soakSummarySchema,
} from '../../src/results/soak-types.ts';
import type { CellResult, ViolationRecord } from '../../src/results/types.ts';
import { addCell, noTotals } from '../../src/soak/totals.ts';
import { cellResult, failedCell, underflow } from './results-fixture.ts';
import { RECORDED_CELLS, RECORDED_MINUTE } from './soak-minute.ts';

export const STARTED = Date.parse('2026-11-22T21:00:00.000Z');
const wall = (t: number): string => new Date(STARTED + t).toISOString();

const ENVIRONMENT = {
  node: 'v20.20.2',
  platform: 'linux-x64',
  cores: 2,
  cpu: 'AMD EPYC',
  commit: 'ee917f43',
  version: '0.1.0',
};

/** The recorded minute as points. */
export const recordedMinute = (): SeriesPoint[] =>
  RECORDED_MINUTE.map((row) => {
    const [t, cell, operations, faults, sections, registrations, deregistrations] = row as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const [exposures, violations, ...latency] = row.slice(7, 13) as [number, number, number, number, number, number];
    const [rssMb, heapMb, eventLoopMaxMs, written, bytes] = row.slice(13) as [number, number, number, number, number];
    const [scenario, strategy] = RECORDED_CELLS[cell]!;
    const quantiles = (p50: number, p99: number) => ({ p50, p99 });
    return {
      ...{ t, cell, scenario, strategy },
      rates: { operations, faults, sections, registrations, deregistrations },
      ...{ exposures, violations },
      latency:
        latency[0] === 0
          ? null
          : { fault: quantiles(latency[0], latency[1]), section: quantiles(latency[2], latency[3]) },
      ...{ rssMb, heapMb, eventLoopMaxMs },
      log: { written, lost: 0, bytes },
    };
  });

/** The minute over and over until `minutes` are full: time, sums and cells go on, and memory grows a little. */
export function* replayed(minute: readonly SeriesPoint[], minutes: number): Generator<SeriesPoint> {
  const last = minute.at(-1)!;
  const cells = last.cell + 1;
  for (let m = 0; ; m++)
    for (const point of minute) {
      const t = point.t + m * last.t;
      if (t > minutes * 60_000) return;
      yield {
        ...point,
        t,
        cell: point.cell + m * cells,
        exposures: point.exposures + m * last.exposures,
        violations: point.violations + m * last.violations,
        rssMb: point.rssMb + m * 0.05,
        log: {
          written: point.log.written + m * last.log.written,
          lost: 0,
          bytes: point.log.bytes + m * last.log.bytes,
        },
      };
    }
}

/** No process has this number: it is beyond what Linux gives. */
export const NO_PROCESS = 2 ** 30;

export interface FakeSoak {
  readonly dir: string;
  readonly minutes: number;
  readonly status?: 'running' | 'finished' | 'interrupted';
  readonly pid?: number;
  readonly maxPoints?: number;
  /** Kinds of violation besides the expected one: signatures with records of their own. */
  readonly signatures?: number;
  readonly judgedBy?: 'violations' | 'expectations';
  /** A strategy that should have stayed clean shows a violation. */
  readonly surprise?: boolean;
  /** Cells of the result of a strategy; default: figures of the fixture. */
  readonly cellOf?: (strategy: string, index: number) => CellResult;
}

const CELL_MS = 10_000;
const ROLES = ['madvise', 'munmap', 'truncate', 'fork', 'reclaim', 'mremap', 'exit', 'collapse'];
const POINTS = ['section.ending', 'umem.uncounted', 'lock.acquired', 'section.started', 'fault.sampled'] as const;

function lineOf(index: number, result: CellResult, canary: boolean): CellLine {
  const { strategy, violations } = result;
  const counts = Object.fromEntries(
    Object.entries(violations).map(([oracle, { count }]) => [`${oracle}/${strategy}/madvise/umem.uncounted`, count]),
  );
  return cellLineSchema.parse({
    ...result,
    seed: index + 1,
    durationMs: CELL_MS,
    index,
    rotation: Math.floor(index / 4),
    entry: `${result.scenario}/${strategy}/${result.era}${canary ? '/canary' : ''}`,
    canary,
    startedAt: wall(index * CELL_MS),
    t: index * CELL_MS,
    signatures: counts,
    logged: Object.fromEntries(Object.keys(counts).map((key) => [key, 1])),
    offered: Object.fromEntries(Object.keys(counts).map((key) => [key, 1])),
    unlogged: {
      sampledOut: 0,
      overBudget: 0,
      lost: 0,
      notMade: Math.max(0, Object.values(counts).reduce((a, b) => a + b, 0) - Object.keys(counts).length),
    },
    session: 0,
  });
}

function cellsOf({ minutes, surprise = false, cellOf }: FakeSoak): CellLine[] {
  const kinds = ['context-count', 'private-count', 'interval-notifier', 'private-count'];
  return Array.from({ length: minutes * 6 }, (_, index) => {
    const canary = index % 4 === 3;
    const strategy = kinds[index % 4]!;
    const given = cellOf?.(strategy, index);
    if (given !== undefined) return lineOf(index, given, canary);
    const bad = strategy === 'private-count' ? failedCell() : cellResult({ strategy });
    const odd =
      surprise && index === 2
        ? { verdict: 'FAILURE' as const, asExpected: false, violations: { 'stale-dma': { count: 2, firstAtMs: 77 } } }
        : {};
    return lineOf(index, { ...bad, ...odd }, canary);
  });
}

/** The first totals of each signature, and `more` that are made up, each with a record. */
function signaturesOf(
  lines: readonly CellLine[],
  more: number,
): { totals: SignatureTotal[]; records: ViolationRecord[] } {
  const totals = new Map<string, SignatureTotal>();
  const records: ViolationRecord[] = [];
  const note = (signature: string, count: number, line: CellLine, canary: boolean): void => {
    const [oracle, strategy, role, point] = signature.split('/') as [SignatureTotal['oracle'], string, string, string];
    const before = totals.get(signature);
    const seen = { cell: line.index, t: line.t + 77, at: wall(line.t + 77) };
    totals.set(signature, {
      ...{ signature, oracle, strategy, role, point },
      canary: canary && (before?.canary ?? true),
      count: (before?.count ?? 0) + count,
      cells: (before?.cells ?? 0) + 1,
      ...{ offered: 1, offeredByCanaries: canary ? 1 : 0, logged: 1, notLogged: (before?.count ?? 0) + count - 1 },
      scenarios: [line.scenario],
      first: before?.first ?? seen,
      last: seen,
    });
    if (before === undefined)
      records.push({
        ...underflow({ oracle, strategy, signature, seed: line.seed, nth: 1, point: 'umem.uncounted' }),
        // As a soak writes them.
        ...{ cell: line.index, t: line.t + 77 },
      });
  };
  for (const line of lines)
    for (const [signature, count] of Object.entries(line.signatures)) note(signature, count, line, line.canary);
  for (let i = 0; i < more; i++) {
    const name = `counter-underflow/private-count/${ROLES[i % ROLES.length]}/${POINTS[i % POINTS.length]}-${i}`;
    note(name, 1000 - i, lines[(i * 37) % lines.length]!, false);
  }
  return { totals: [...totals.values()], records };
}

export function checkpointOf(
  lines: readonly CellLine[],
  soak: FakeSoak,
  signatures: readonly SignatureTotal[],
): SoakCheckpoint {
  const elapsedMs = lines.length * CELL_MS;
  return soakCheckpointSchema.parse({
    checkpointVersion: 1,
    kind: 'soak',
    runId: '20261122T210000Z-1',
    campaign: 'default',
    campaignHash: '0',
    seed: 1,
    startedAt: wall(0),
    savedAt: wall(elapsedMs),
    elapsedMs,
    sessions: [
      {
        startedAt: wall(0),
        endedAt: wall(elapsedMs / 2),
        pid: 1,
        reason: 'SIGINT',
        firstCell: 0,
        elapsedMs: elapsedMs / 2,
        maxRssMb: 203,
      },
      {
        startedAt: wall(elapsedMs / 2),
        endedAt: null,
        pid: soak.pid ?? NO_PROCESS,
        reason: '',
        firstCell: lines.length >> 1,
        elapsedMs: elapsedMs / 2,
        maxRssMb: 240,
      },
    ],
    next: { index: lines.length, rotation: lines.length >> 2 },
    totals: lines.reduce((sum, line) => addCell(sum, line), noTotals()),
    signatures,
    offsets: { cells: 0, races: { file: 1, bytes: 0, records: 0 }, log: 0, series: null },
    violationFolders: 1,
    disk: { bytes: 1, full: false },
    log: { lines: 1, dropped: 0, nextHeartbeatMs: 1 },
    finished: soak.status === 'finished',
  });
}

/** Writes the folder of a soak, as the command leaves it; two sessions. */
export function writeSoak(soak: FakeSoak): { lines: CellLine[]; checkpoint: SoakCheckpoint } {
  const { dir, minutes, status = 'finished', judgedBy = 'expectations' } = soak;
  const file = (name: string): string => join(dir, name);
  const lines = cellsOf(soak);
  const { totals, records } = signaturesOf(lines, soak.signatures ?? 0);
  const checkpoint = checkpointOf(lines, soak, totals);
  mkdirSync(join(dir, 'violations', '1'), { recursive: true });
  const json = (value: unknown): string => `${JSON.stringify(value)}\n`;
  const run = {
    ...{ status, schemaVersion: 1, kind: 'soak', command: 'soak', seed: 1, pid: soak.pid ?? 1 },
    ...{ campaign: { name: 'default' }, settings: { seed: 1, judge: judgedBy }, environment: ENVIRONMENT },
    entries: [...new Map(lines.map((line) => [line.entry, line])).values()].map(
      ({ entry, canary, scenario, strategy, era }) => ({
        ...{ key: entry, weight: 1, canary },
        plan: { scenario, strategy, era, kind: 'load', durationMs: CELL_MS, params: {} },
      }),
    ),
  };
  writeFileSync(file(SOAK_FILES.run), json(run));
  writeFileSync(file(SOAK_FILES.checkpoint), json(checkpoint));
  writeFileSync(file(SOAK_FILES.cells), lines.map(json).join(''));
  writeFileSync(
    file('races-1.ndjson'),
    records.map((record) => json({ level: 'error', time: wall(0), ...record })).join(''),
  );
  const kept = records[0];
  if (kept !== undefined) {
    const short = kept.signature.split('/').slice(0, 3).join('/');
    writeFileSync(file('violations/1/violation.json'), json({ ...kept, signature: short }));
    const cell = {
      scenario: kept.scenario,
      strategy: kept.strategy,
      seed: kept.seed,
      kind: 'load',
      era: 'v5.5',
      durationMs: CELL_MS,
      params: { size: 3 },
    };
    writeFileSync(file('violations/1/cell.json'), json(cell));
  }
  const series = openSeries({ dir, maxPoints: soak.maxPoints ?? 20_000 });
  for (const point of replayed(recordedMinute(), minutes)) series.add(point);
  series.close();
  if (status !== 'running') {
    const { runId, campaign, seed, startedAt, savedAt, elapsedMs, sessions, signatures, disk } = checkpoint;
    const summary: SoakSummary = soakSummarySchema.parse({
      ...{ schemaVersion: 1, kind: 'soak', runId, campaign, seed, startedAt, endedAt: savedAt, elapsedMs, sessions },
      verdict: soak.surprise === true || judgedBy === 'violations' ? 'FAILURE' : 'SUCCESS',
      judgedBy,
      ...{ why: [], exitCode: 0, interrupted: status === 'interrupted', reason: 'duration', environment: ENVIRONMENT },
      totals: checkpoint.totals,
      signatures: signatures.map((one) => ({ ...one, perHour: (one.count * 3_600_000) / elapsedMs })),
      rateBound95: {},
      disk,
    });
    writeFileSync(file(SOAK_FILES.summary), json(summary));
  }
  return { lines, checkpoint };
}

/** Adds what stands behind the last whole line after a kill. */
export const tear = (dir: string, name: string, text: string): void => appendFileSync(join(dir, name), text);
