import { ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import type { SeriesPoint, SignatureTotal, SoakSession, SoakTotals } from '../results/soak-types.ts';
import type { JudgedBy, Summary } from '../results/summary.ts';
import type { Verdict, ViolationRecord } from '../results/types.ts';
import type { Repeat } from './soak-repeat.ts';
import type { ReportCell } from './soak-schemas.ts';

/** A waited-for lock class in one mode, summed over cells; nanoseconds. */
export interface LockRow {
  readonly name: string;
  readonly mode: 'R' | 'W';
  readonly contentions: number;
  readonly waitNs: { readonly total: number; readonly max: number };
  /** With lock statistics only. */
  readonly conBounces: number | null;
  readonly acqBounces: number | null;
  readonly acquisitions: number | null;
  readonly holdNs: { readonly count: number; readonly total: number; readonly max: number } | null;
}

/** A latency over cells, nanoseconds. */
export interface LatencyRow {
  readonly count: number;
  /** Of all cells together, read off the sum of their histograms. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Only the cells' own are known: these are the largest of them, and that of all cells together is no larger. */
  readonly atMost: boolean;
}

export const LATENCIES = ['fault', 'section', 'register', 'deregister'] as const;
export type LatencyName = (typeof LATENCIES)[number];

/** All cells of one scenario, strategy and era. */
export interface EntryRow {
  readonly entry: string;
  readonly scenario: string;
  readonly strategy: string;
  readonly era: string;
  readonly canary: boolean;
  readonly cells: number;
  /** Cells with a violation, and cells without one that ended by themselves and were not cut short. */
  readonly cellsViolated: number;
  readonly cellsClean: number;
  readonly durationMs: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Cells by whether they did as expected; `none`: nothing is stated. */
  readonly expected: Readonly<Record<'yes' | 'no' | 'unknown' | 'none', number>>;
  readonly must: readonly OracleName[];
  readonly may: readonly OracleName[];
  readonly violations: Readonly<Partial<Record<OracleName, number>>>;
  readonly exposures: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, number>>;
  readonly faults: { readonly committed: number; readonly retries: number; readonly timeouts: number };
  readonly latencyNs: Readonly<Record<LatencyName, LatencyRow>>;
  /** The longest total wait first. */
  readonly locks: readonly LockRow[];
  /** Cells that did not end by themselves, by kind. */
  readonly crashes: Readonly<Record<string, number>>;
  /** Why cells are not as expected or unknown: the first distinct reasons. */
  readonly why: readonly string[];
}

/** One kind of violation with its first record. */
export interface SignatureRow extends Pick<SignatureTotal, 'signature' | 'oracle' | 'strategy' | 'role' | 'point'> {
  readonly canary: boolean;
  /** Whether the strategy is expected to show it; `unknown`: no finished cell says. */
  readonly expected: 'must' | 'may' | 'no' | 'unknown';
  readonly count: number;
  /** The count is a lower bound: a run keeps only the first records of each. */
  readonly atLeast: boolean;
  readonly cells: number;
  readonly scenarios: readonly string[];
  readonly first: { readonly cell: number; readonly t: number; readonly at: string | null };
  readonly last: { readonly cell: number; readonly t: number; readonly at: string | null };
  readonly perHour: number;
  /** Its first record in the race log; null: none was kept. */
  readonly record: ViolationRecord | null;
  /** Commands that show it again. */
  readonly repeat: readonly Repeat[];
}

/** `running`: its process is there; `died`: it is not, and nobody has written how it ended. */
export type RunState = 'finished' | 'interrupted' | 'failed' | 'running' | 'died';

/** How fast one strategy was over the soak: the mean of its cells in each stretch of time, null where it had none. */
export interface Trend {
  readonly strategy: string;
  readonly faultsPerSecond: readonly (number | null)[];
}

/** All that a report says, whatever kind of folder it comes from. */
export interface ReportModel {
  readonly kind: 'soak' | 'run';
  /** Campaign or scenario, or the command when there are several. */
  readonly name: string;
  readonly command: string;
  readonly runId: string;
  readonly dir: string;
  readonly seed: number;
  readonly state: RunState;
  readonly verdict: Verdict;
  readonly judgedBy: JudgedBy;
  readonly why: readonly string[];
  readonly startedAt: string;
  /** When it ended, or what is known last of it. */
  readonly savedAt: string;
  /** How long it ran, ms; of a soak all sessions together. */
  readonly elapsedMs: number;
  readonly environment: Summary['environment'];
  readonly sessions: readonly SoakSession[];
  readonly cells: number;
  readonly canary: SoakTotals['canary'] | null;
  readonly records: { readonly logged: number; readonly lost: number };
  readonly entries: readonly EntryRow[];
  readonly signatures: readonly SignatureRow[];
  readonly series: readonly SeriesPoint[];
  /** Times at the middle of each stretch, ms, and a row a strategy. */
  readonly trends: { readonly t: readonly number[]; readonly rows: readonly Trend[] };
  /** What of the folder could not be read, and what follows from that. */
  readonly notes: readonly string[];
  /** Every cell of a run; a soak has too many. */
  readonly results: readonly ReportCell[] | null;
  readonly thresholds: Summary['thresholds'];
}

export const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, n) => sum + n, 0);

export const violationsOf = (entry: EntryRow): number => sumOf(entry.violations);

/** Oracles that an entry is not expected to fire and that did. */
export const unexpectedOf = (entry: EntryRow): OracleName[] =>
  entry.expected.none > 0
    ? []
    : ORACLE_NAMES.filter(
        (oracle) => (entry.violations[oracle] ?? 0) > 0 && !entry.must.includes(oracle) && !entry.may.includes(oracle),
      );

/**
 * How an entry did: in one cell as that cell says; in many, an oracle that none of them fired although it must, leaves it unknown, for
 * the next cell may.
 */
export function standingOf(entry: EntryRow): 'yes' | 'no' | 'unknown' | 'none' {
  const { expected, cells, must, violations, verdicts } = entry;
  if (expected.none === cells) return 'none';
  if (unexpectedOf(entry).length > 0 || (cells === 1 && expected.no > 0)) return 'no';
  const unseen = must.some((oracle) => (violations[oracle] ?? 0) === 0);
  return unseen || verdicts.UNKNOWN === cells || expected.unknown === cells ? 'unknown' : 'yes';
}
