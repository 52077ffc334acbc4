import type { EntryFigures } from '../results/soak-figures.ts';
import type { SoakCheckpoint, SoakSession } from '../results/soak-types.ts';
import type { CellProgress } from '../results/types.ts';
import type { CellPlan } from '../scenario/plan.ts';
import type { Histogram } from '../trace/histogram.ts';
import { type Budget, createBudget } from './budget.ts';
import { createMeter, type Meter } from './meter.ts';
import type { SoakParts } from './parts.ts';
import { FIRST_HEARTBEAT_MS } from './progress.ts';
import type { Slot } from './rotation.ts';
import { createSignatures, type Signatures } from './signatures.ts';
import { noTotals } from './totals.ts';

/** The cell that runs. */
export interface Running {
  readonly slot: Slot;
  readonly plan: CellPlan;
  /** Wall clock. */
  readonly startedAt: number;
  /** Soak time at its start, ms. */
  readonly t: number;
  states: () => readonly string[];
  counted: Readonly<Record<string, number>>;
  /** Its distributions, by name; there are none before it has ended. */
  readonly histograms: Map<string, Histogram>;
  last: CellProgress | null;
  pointAt: number;
  pointed: CellProgress | null;
  /** Nothing that comes from it is taken any more. */
  abandoned: boolean;
}

/** All that a soak knows; a checkpoint is made of it, and a resume makes it of the checkpoint. */
export interface State {
  readonly parts: SoakParts;
  readonly meter: Meter;
  readonly budget: Budget;
  readonly signatures: Signatures;
  totals: SoakCheckpoint['totals'];
  figures: readonly EntryFigures[];
  /** Number of the next cell, or of the one that runs. */
  index: number;
  folders: number;
  nextHeartbeat: number;
  readonly sessions: readonly SoakSession[];
  session: SoakSession;
  readonly startedAt: string;
  /** Soak time, ms: of all sessions, and of this one. */
  readonly elapsed: () => number;
  readonly sessionMs: () => number;
  running: Running | null;
  saved: SoakCheckpoint | null;
  sinceRecycled: number;
  finished: boolean;
}

/** A soak before its first cell, or where an earlier session had come to. */
export function createState(parts: SoakParts): State {
  const { plan, clock, from } = parts;
  const began = clock.mono();
  const startedAt = new Date(clock.wall()).toISOString();
  const before = from?.elapsedMs ?? 0;
  const index = from?.next.index ?? 0;
  return {
    parts,
    meter: createMeter(),
    budget: createBudget(plan.budget),
    signatures: createSignatures(from?.signatures ?? []),
    totals: from?.totals ?? noTotals(),
    figures: from?.figures ?? [],
    index,
    folders: from?.violationFolders ?? 0,
    nextHeartbeat: from?.log.nextHeartbeatMs ?? FIRST_HEARTBEAT_MS,
    sessions: from?.sessions ?? [],
    session: {
      startedAt,
      endedAt: null,
      pid: process.pid,
      reason: '',
      firstCell: index,
      elapsedMs: 0,
      maxRssMb: 0,
    },
    startedAt: from?.startedAt ?? startedAt,
    elapsed: () => before + clock.mono() - began,
    sessionMs: () => clock.mono() - began,
    running: null,
    saved: null,
    sinceRecycled: 0,
    finished: false,
  };
}
