import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import { readSeries } from '../results/series.ts';
import { type SignatureTotal, SOAK_FILES } from '../results/soak-types.ts';
import type { Verdict, ViolationRecord } from '../results/types.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import { createFold, type Fold, withFigures } from './soak-fold.ts';
import { jsonOf, type LoggedSignature, linesOf, readRaces } from './soak-lines.ts';
import { type EntryRow, type ReportModel, type RunState, type SignatureRow, violationsOf } from './soak-model.ts';
import { quoted, type RepeatContext, repeatCommands, violationFolders } from './soak-repeat.ts';
import {
  checkpointPart,
  linePart,
  type ReportCell,
  type ReportLine,
  type ReportRun,
  runPart,
  soakSummaryPart,
  summaryPart,
} from './soak-schemas.ts';

export interface LoadOptions {
  /** The folder as a command line in the working folder names it. */
  readonly shownDir: string;
  /** A scenario as a command line names it. */
  readonly scenarioArgument: (name: string) => string;
  /** The verdict on a soak by its last checkpoint, as the soak itself would give it now; null when that cannot be said. */
  readonly judge: (
    run: unknown,
    checkpoint: unknown,
  ) => { readonly verdict: Verdict; readonly why: readonly string[] } | null;
  /** Whether a process is there. */
  readonly alive: (pid: number) => boolean;
}

/** Stretches of time over which a strategy's speed is drawn. */
const STRETCHES = 160;

/**
 * Reads the folder of a soak, a run or a matrix: finished, running, or left by a process that was killed. What is missing or torn is
 * left out, and said in the notes. Throws `ODP_E_RESULTS` when it is no such folder.
 */
export function loadReport(path: string, options: LoadOptions): ReportModel {
  const dir = resolve(path);
  const run = readRun(dir);
  if (run.command === 'explore')
    throw invalid(dir, 'it is the folder of an exploration, which has its own page in each violations/<n>/');
  return run.command === 'soak' ? soakModel(dir, run, options) : runModel(dir, run, options);
}

const invalid = (at: string, message: string): OdpError => new OdpError({ code: 'ODP_E_RESULTS', message, at });

function readRun(dir: string): ReportRun {
  const file = join(dir, SOAK_FILES.run);
  if (!existsSync(dir)) throw invalid(dir, 'there is no such folder');
  if (!existsSync(file))
    throw invalid(dir, `it holds no ${SOAK_FILES.run}: it is not the folder of a soak, a run or a matrix`);
  const parsed = runPart.safeParse(jsonOf(read(file)));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw invalid(file, `it is not what a run writes: ${path.join('.')}: ${message}`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new OdpError(
      { code: 'ODP_E_RESULTS', message: `cannot be read: ${systemReason(error)}`, at: file },
      { cause: error },
    );
  }
}

/** A whole file as JSON; null when there is none. */
const whole = (dir: string, name: string): unknown => {
  const file = join(dir, name);
  return existsSync(file) ? jsonOf(read(file)) : null;
};

/** A whole file, as its schema says; null when there is none. One that is there and cannot be understood is a note. */
function part<T>(dir: string, name: string, schema: z.ZodType<T>, notes: string[]): T | null {
  if (!existsSync(join(dir, name))) return null;
  const parsed = schema.safeParse(whole(dir, name));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  notes.push(`${name} could not be used: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`);
  return null;
}

function stateOf(run: ReportRun, pid: number | undefined, alive: LoadOptions['alive']): RunState {
  if (run.status !== 'running') return run.status;
  return pid !== undefined && alive(pid) ? 'running' : 'died';
}

function soakModel(dir: string, run: ReportRun, options: LoadOptions): ReportModel {
  const notes: string[] = [];
  const checkpoint = part(dir, SOAK_FILES.checkpoint, checkpointPart, notes);
  const pid = checkpoint?.sessions.at(-1)?.pid ?? run.pid;
  const state = stateOf(run, pid, options.alive);
  // That of an earlier session stands there while a resumed one runs.
  const over = state !== 'running' && state !== 'died';
  const summary = over ? part(dir, SOAK_FILES.summary, soakSummaryPart, notes) : null;
  const fold = createFold();
  const tail: ReportLine[] = [];
  readCells(
    dir,
    fold,
    (line) => {
      if (checkpoint === null || line.index >= checkpoint.next.index) tail.push(line);
    },
    notes,
  );
  const series = readSeries(dir);
  const entries = withFigures(fold.entries(), checkpoint?.figures ?? []);
  const races = readRaces(dir, false);
  if (races.torn > 0) notes.push(`the race log: ${lines(races.torn)} not whole, left out`);
  const elapsedMs = Math.max(
    summary?.elapsedMs ?? 0,
    checkpoint?.elapsedMs ?? 0,
    series.at(-1)?.t ?? 0,
    ...tail.slice(-1).map((line) => line.t + line.durationMs),
  );
  const canary = canaryOf(entries);
  const judgedBy = summary?.judgedBy ?? run.settings?.judge ?? 'violations';
  const judged = summary ?? options.judge(whole(dir, SOAK_FILES.run), whole(dir, SOAK_FILES.checkpoint));
  if (judged === null) notes.push('without a checkpoint that can be read there is no verdict');
  if (state === 'died')
    notes.push(
      `its process ended without a word after ${fold.cells()} cells; what ran then is not counted. It goes on with: odptorture soak --resume ${quoted(options.shownDir)}`,
    );
  const context = contextOf(dir, run, entries, elapsedMs, options);
  const signatures = soakSignatures(summary?.signatures ?? checkpoint?.signatures ?? [], tail);
  return {
    kind: 'soak',
    name: checkpoint?.campaign ?? summary?.campaign ?? run.command,
    command: run.command,
    runId: summary?.runId ?? checkpoint?.runId ?? dir.split(/[\\/]/).at(-1)!,
    dir: options.shownDir,
    seed: run.seed,
    state,
    verdict: judged?.verdict ?? 'UNKNOWN',
    judgedBy,
    why: [...(run.error === undefined ? [] : [run.error]), ...(judged?.why ?? [])],
    startedAt: (summary ?? checkpoint)?.startedAt ?? '',
    savedAt: summary?.endedAt ?? checkpoint?.savedAt ?? '',
    elapsedMs,
    environment: run.environment,
    sessions: summary?.sessions ?? checkpoint?.sessions ?? [],
    cells: fold.cells(),
    canary,
    records: { logged: races.records, lost: (checkpoint ?? summary)?.totals.records.lost ?? 0 },
    entries,
    signatures: signatures
      .map((total) => signatureRow(total, races.signatures.get(total.signature)?.first ?? null, context))
      .sort(byWeight),
    series,
    trends: fold.trends(elapsedMs, STRETCHES),
    notes,
    results: null,
    thresholds: [],
  };
}

const lines = (n: number): string => (n === 1 ? '1 line is' : `${n} lines are`);

function readCells(dir: string, fold: Fold, each: (line: ReportLine) => void, notes: string[]): void {
  let torn = 0;
  for (const text of linesOf(join(dir, SOAK_FILES.cells))) {
    const parsed = linePart.safeParse(jsonOf(text));
    if (!parsed.success) {
      torn++;
      continue;
    }
    const line = parsed.data;
    fold.add({ entry: line.entry, canary: line.canary, t: line.t, cell: line });
    each(line);
  }
  if (torn > 0) notes.push(`${SOAK_FILES.cells}: ${lines(torn)} not whole, left out`);
}

/** A canary is caught when it shows any violation, and missed when it ends by itself without one. */
function canaryOf(entries: readonly EntryRow[]): NonNullable<ReportModel['canary']> {
  const canaries = entries.filter((entry) => entry.canary);
  const sum = (of: (entry: EntryRow) => number): number => canaries.reduce((total, entry) => total + of(entry), 0);
  return {
    cells: sum((entry) => entry.cells),
    caught: sum((entry) => entry.cellsViolated),
    missed: sum((entry) => entry.cellsClean),
    violations: sum(violationsOf),
  };
}

/** Totals of the last checkpoint, and of the cells that were finished after it was written. */
function soakSignatures(known: readonly SignatureTotal[], tail: readonly ReportLine[]): SignatureTotal[] {
  const totals = new Map(known.map((total) => [total.signature, { ...total }]));
  for (const line of tail)
    for (const [signature, count] of Object.entries(line.signatures)) {
      const oracle = signature.split('/')[0] as OracleName;
      // The name of a strategy of one's own may have slashes.
      const [role, point] = signature.split('/').slice(-2) as [string, string];
      if (count === 0 || !ORACLE_NAMES.includes(oracle)) continue;
      const seen = { cell: line.index, t: line.t + line.durationMs, at: line.startedAt };
      const before = totals.get(signature);
      const logged = (before?.logged ?? 0) + (line.logged[signature] ?? 0);
      const total = (before?.count ?? 0) + count;
      totals.set(signature, {
        signature,
        oracle,
        strategy: line.strategy,
        role,
        point,
        canary: line.canary && (before?.canary ?? true),
        count: total,
        cells: (before?.cells ?? 0) + 1,
        offered: before?.offered ?? 0,
        offeredByCanaries: before?.offeredByCanaries ?? 0,
        logged,
        notLogged: total - logged,
        scenarios: [...new Set([...(before?.scenarios ?? []), line.scenario])],
        first: before?.first ?? { ...seen, t: line.t },
        last: seen,
      });
    }
  return [...totals.values()];
}

const HOUR_MS = 3_600_000;

interface Context extends RepeatContext {
  readonly elapsedMs: number;
}

const contextOf = (
  dir: string,
  run: ReportRun,
  entries: readonly EntryRow[],
  elapsedMs: number,
  options: LoadOptions,
): Context => ({
  ...options,
  dir,
  entries,
  elapsedMs,
  plans: run.cells ?? run.entries?.map(({ plan }) => plan) ?? [],
  folders: violationFolders(dir),
});

const perHour = (count: number, elapsedMs: number): number => (elapsedMs > 0 ? (count * HOUR_MS) / elapsedMs : 0);

function signatureRow(total: SignatureTotal, record: ViolationRecord | null, context: Context): SignatureRow {
  return {
    ...total,
    expected: expectationOf(total.oracle, total.strategy, context.entries),
    atLeast: false,
    perHour: perHour(total.count, context.elapsedMs),
    record,
    repeat: repeatCommands(record, total, context),
  };
}

function expectationOf(oracle: OracleName, strategy: string, entries: readonly EntryRow[]): SignatureRow['expected'] {
  const own = entries.filter((entry) => entry.strategy === strategy && (entry.violations[oracle] ?? 0) > 0);
  if (own.length === 0 || own.every((entry) => entry.expected.none > 0)) return 'unknown';
  if (own.some((entry) => !entry.must.includes(oracle) && !entry.may.includes(oracle))) return 'no';
  return own.some((entry) => entry.must.includes(oracle)) ? 'must' : 'may';
}

const WEIGHT = { no: 0, unknown: 1, must: 2, may: 2 } as const;
/** What nobody expected first, canaries last, the most frequent first. */
const byWeight = (a: SignatureRow, b: SignatureRow): number =>
  Number(a.canary) - Number(b.canary) || WEIGHT[a.expected] - WEIGHT[b.expected] || b.count - a.count;

function runModel(dir: string, run: ReportRun, options: LoadOptions): ReportModel {
  const notes: string[] = [];
  const summary = part(dir, SOAK_FILES.summary, summaryPart, notes);
  const state = stateOf(run, run.pid, options.alive);
  const results: readonly ReportCell[] = summary?.cells ?? [];
  const races = readRaces(dir, true);
  if (races.torn > 0) notes.push(`the race log: ${lines(races.torn)} not whole, left out`);
  if (summary === null)
    notes.push(
      `a run writes its summary at its end, and this one has none: only the ${races.records} records of the race log are known, not one figure, not one clean cell`,
    );
  const fold = createFold();
  const startOf = new Map<ReportCell, number>();
  let elapsedMs = 0;
  for (const cell of results) {
    startOf.set(cell, elapsedMs);
    fold.add({ entry: `${cell.scenario}/${cell.strategy}/${cell.era}`, canary: false, t: elapsedMs, cell });
    elapsedMs += cell.durationMs;
  }
  const entries = fold.entries();
  const context = contextOf(dir, run, entries, elapsedMs, options);
  const scenarios = [...new Set((run.cells ?? []).map((cell) => cell.scenario))];
  return {
    kind: 'run',
    name: scenarios.length === 1 ? scenarios[0]! : run.command,
    command: run.command,
    runId: summary?.runId ?? dir.split(/[\\/]/).at(-1)!,
    dir: options.shownDir,
    seed: run.seed,
    state,
    verdict: summary?.verdict ?? (races.records > 0 && run.command === 'run' ? 'FAILURE' : 'UNKNOWN'),
    judgedBy: summary?.judgedBy ?? (run.command === 'matrix' ? 'expectations' : 'violations'),
    why: run.error === undefined ? [] : [run.error],
    startedAt: run.startedAt ?? '',
    savedAt: summary === null ? '' : endOf(summary),
    elapsedMs,
    environment: run.environment,
    sessions: [],
    cells: results.length,
    canary: null,
    records: { logged: summary?.records.written ?? races.records, lost: summary?.records.lost ?? 0 },
    entries,
    signatures: [...races.signatures]
      .map(([signature, seen]) => runSignature(signature, seen, results, startOf, context))
      .sort(byWeight),
    series: [],
    trends: { t: [], rows: [] },
    notes,
    results,
    thresholds: summary?.thresholds ?? [],
  };
}

const endOf = (summary: z.output<typeof summaryPart>): string =>
  new Date(Date.parse(summary.startedAt) + summary.durationMs).toISOString();

/** The role of a thread: its name without its number. */
const roleOf = ({ thread }: ViolationRecord): string => thread.name.replace(/-\d+$/, '');

function runSignature(
  signature: string,
  { first, nth, lastAtMs }: LoggedSignature,
  results: readonly ReportCell[],
  startOf: ReadonlyMap<ReportCell, number>,
  context: Context,
): SignatureRow {
  const { oracle, strategy } = first;
  const cells = results.filter((cell) => nth.has(`${cell.scenario} ${cell.strategy} ${cell.seed}`));
  const seen = (cell: ReportCell | undefined, atMs: number) => ({
    cell: cell === undefined ? 0 : results.indexOf(cell),
    t: (cell === undefined ? 0 : startOf.get(cell)!) + atMs,
    at: null,
  });
  const count = [...nth.values()].reduce((a, b) => a + b, 0);
  return {
    signature,
    oracle,
    strategy,
    role: roleOf(first),
    point: signature.split('/').at(-1)!,
    canary: false,
    expected: expectationOf(oracle, strategy, context.entries),
    count,
    atLeast: true,
    cells: nth.size,
    scenarios: [...new Set([first.scenario, ...cells.map((cell) => cell.scenario)])],
    first: seen(cells[0], first.atMs),
    last: seen(cells.at(-1), lastAtMs),
    perHour: perHour(count, context.elapsedMs),
    record: first,
    repeat: repeatCommands(first, { signature }, context),
  };
}
