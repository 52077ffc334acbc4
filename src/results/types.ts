import type { OracleName } from '../oracles/names.ts';
import type { Histogram } from '../trace/histogram.ts';
import type { LockRow } from '../trace/lock-stat-sums.ts';
import type { PointName } from '../trace/points.ts';
import type { TakeImage } from './arena-image.ts';

export type Verdict = 'SUCCESS' | 'FAILURE' | 'UNKNOWN';

/** One point in a violation's window. */
export interface WindowRecord {
  readonly tid: number;
  readonly timeMs: number;
  readonly point: PointName;
  readonly args: readonly [number, number, number];
  /** Serial number of the thread's operation. */
  readonly op: number;
}

/** A lock as a lock-order report names it. */
export interface LockDescription {
  /** Its class, with `/1` and up for a subclass. */
  readonly name: string;
  readonly address: number;
  readonly mode: 'mutex' | 'spin' | 'read' | 'write' | 'srcu' | 'map' | 'slot';
}

/** A cycle of lock orders. */
export interface LockOrderRecord {
  readonly kind: 'circular' | 'recursive';
  readonly acquiring: LockDescription;
  readonly holding: LockDescription;
  /** The new order first, then those that lead back: `to` was taken while `from` was held. */
  readonly chain: readonly {
    readonly from: string;
    readonly to: string;
    /** Held exclusively or shared (E, S); taken so that it may have to wait, or never (N, R). */
    readonly modes: readonly ('EN' | 'ER' | 'SN' | 'SR')[];
    /** Who took them so first. */
    readonly thread: string;
    /** The last point that it had passed; null: no trace. */
    readonly point: string | null;
  }[];
  /** All that the thread holds, the oldest first. */
  readonly held: readonly LockDescription[];
}

/** One violation with all that is known of it; one line of the race log. */
export interface ViolationRecord {
  readonly oracle: OracleName;
  /** Groups violations of one kind: oracle, strategy, and the points at which the threads involved stood. */
  readonly signature: string;
  /** Running number of the violation within its signature, from 1. */
  readonly nth: number;
  readonly scenario: string;
  readonly strategy: string;
  readonly seed: number;
  /** Milliseconds since the cell's start. */
  readonly atMs: number;
  /** The thread that noticed it. */
  readonly thread: { readonly tid: number; readonly name: string };
  /** The last step of the protocol that this thread had passed. */
  readonly point?: PointName;
  /** What it is about; absent members do not apply. */
  readonly umem?: number;
  readonly key?: number;
  readonly range?: { readonly start: number; readonly last: number };
  readonly page?: number;
  readonly frame?: number;
  readonly generation?: { readonly entry: number; readonly frame: number };
  readonly identity?: { readonly expected: number; readonly found: number };
  readonly counter?: { readonly value: number; readonly expected: number; readonly seq: number };
  readonly lockOrder?: LockOrderRecord;
  /** One sentence for people; for a deadlock the wait-for cycle. */
  readonly detail: string;
  /** Names by tid of all threads of the cell. */
  readonly names: readonly string[];
  /** Points around it, of every thread, in order of time. */
  readonly window: readonly WindowRecord[];
}

export interface Rate {
  readonly count: number;
  readonly perSecond: number;
}

export interface LatencyQuantiles {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Where a thread was when a lock was contended. */
export interface LockPlace {
  readonly role: string;
  /** The last point that it had passed; null: no trace. */
  readonly point: string | null;
}

/** How a cell ended when it did not end by itself. */
export interface CellFault {
  readonly kind: 'thread-threw' | 'thread-exited' | 'out-of-memory' | 'hang' | 'deadlock' | 'start-timeout';
  readonly thread: string;
  readonly message: string;
}

/** One cell of summary.json. */
export interface CellResult {
  readonly scenario: string;
  readonly kind: 'load' | 'litmus';
  readonly strategy: string;
  /** Of a user's own: its file, as a command line names it. */
  readonly strategyFile?: string;
  readonly era: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly verdict: Verdict;
  /** null: too few exposures to say. */
  readonly asExpected: boolean | null;
  readonly expected: {
    readonly must: readonly OracleName[];
    readonly may: readonly OracleName[];
    readonly reason: string;
    /** The strategy states none: any violation counts against it. */
    readonly none?: true;
  };
  /** Why the verdict is UNKNOWN or not as expected; empty otherwise. */
  readonly why: string;
  readonly violations: Readonly<Partial<Record<OracleName, { readonly count: number; readonly firstAtMs: number }>>>;
  readonly exposures: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, Rate>>;
  /** Operations with a defined other outcome than success, by name. */
  readonly failures: Readonly<Record<string, number>>;
  readonly faults: {
    readonly committed: number;
    readonly retries: number;
    readonly timeouts: number;
    readonly retriesPerCommit: LatencyQuantiles;
  };
  /** `lockWait`: of all locks together. */
  readonly latencyNs: Readonly<Record<'fault' | 'section' | 'register' | 'deregister' | 'lockWait', LatencyQuantiles>>;
  /**
   * Locks by class and mode, the longest total wait first: those for which threads had to wait; with `--lock-stat counts` or `full`,
   * all that were taken.
   */
  readonly locks: readonly LockRow<LockPlace>[];
  readonly audits: {
    readonly done: number;
    readonly skipped: number;
    readonly entries: number;
    readonly incoherentPinned: number;
  };
  /** Device accesses by how many generations behind their page was: 0 .. 9, and 10 or more. Beyond the first is a stale-dma violation. */
  readonly readerPipe: readonly number[];
  /** How often each capability made a call fail; absent when nothing was to fail. */
  readonly inject?: Readonly<Record<string, number>>;
  /** How often a thread was stopped at a point; absent when none was to be. */
  readonly stalls?: number;
  readonly records: { readonly kept: number; readonly dropped: number };
  /** Forced orders of a litmus: how often each outcome was seen. */
  readonly orders?: Readonly<Record<string, number>>;
  /** Notes for the reader: oracles that were skipped and why. */
  readonly notes: readonly string[];
  readonly fault?: CellFault;
  /** True when the user ended the run while this cell ran. */
  readonly interrupted: boolean;
}

/** Where a cell stands; sent a few times a second while it runs. */
export interface CellProgress {
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly operations: Readonly<Record<string, number>>;
  readonly violations: Readonly<Partial<Record<OracleName, number>>>;
  readonly exposures: Readonly<Record<string, number>>;
  readonly latencyNs?: CellResult['latencyNs'];
}

/** Where a running cell sends what it finds. */
export interface CellSink {
  /** `take` copies the arena as it is at this moment; absent: there is none. */
  violation(record: ViolationRecord, take?: TakeImage): void;
  progress(progress: CellProgress): void;
  /** A distribution of a load cell that has ended, in nanoseconds; none that is empty. */
  histogram?(name: string, histogram: Histogram): void;
  log(level: 'info' | 'warn' | 'error', message: string, data?: Readonly<Record<string, unknown>>): void;
  /** The threads start: `states` says at any time where those stand that have not finished, one line each. */
  inspect?(states: () => readonly string[]): void;
  /** The cell has ended: its violations by signature, exact. */
  counted?(signatures: Readonly<Record<string, number>>): void;
}
