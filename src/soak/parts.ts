import type { DumpKeeper } from '../results/arena-dump.ts';
import type { CellLine, SoakCheckpoint } from '../results/soak-types.ts';
import type { CellProgress, CellResult, CellSink, ViolationRecord } from '../results/types.ts';
import type { CellPlan } from '../scenario/plan.ts';
import type { BudgetLimits } from './budget.ts';
import type { Journal } from './journal.ts';
import type { Rotations, Slot } from './rotation.ts';
import type { Until } from './until.ts';

/** What runs cells. */
export interface CellRunner {
  runCell(plan: CellPlan, sink: CellSink, signal: AbortSignal): Promise<CellResult>;
  /** Ends the threads that are kept between cells. */
  closeCells(): Promise<void>;
}

/** Milliseconds; injected, so that tests can let clocks jump. */
export interface Clock {
  /** Wall clock. It may jump; only times for people and `stopAt` are taken from it. */
  wall(): number;
  /** Never goes back. All durations are taken from it. */
  mono(): number;
}

export interface SoakPlan {
  readonly campaign: string;
  readonly campaignHash: string;
  readonly seed: number;
  readonly rotations: Rotations;
  /** Soak time, all sessions together; null: no limit. */
  readonly durationMs: number | null;
  readonly until: readonly Until[];
  /** Wall clock. */
  readonly stopAt: number | null;
  readonly budget: BudgetLimits;
}

/** Why a session ended. `memory`: its budget was passed. `abandoned`: stopped, and the cell did not end in time. */
export type EndReason = 'duration' | 'until' | 'stop-at' | 'memory' | 'stopped' | 'abandoned';

/** What watches a soak: a terminal. */
export interface SoakView {
  begin(slot: Slot): void;
  progress(progress: CellProgress): void;
  cell(line: CellLine, fresh: readonly string[]): void;
  note(message: string): void;
}

/** What a soak is given. */
export interface SoakParts {
  readonly plan: SoakPlan;
  readonly journal: Journal;
  readonly runner: CellRunner;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  readonly view: SoakView;
  readonly from: SoakCheckpoint | null;
  /** Draws a violation, for its folder. */
  readonly draw: (record: ViolationRecord) => string;
  /** Keeps arenas beside violations; absent: none are kept. */
  readonly dumps?: DumpKeeper;
  /** How long a cell may take to end when the soak was told to, milliseconds. */
  readonly graceMs?: number;
}
