import type { CellProgress } from '../results/types.ts';
import type { EndReason } from './parts.ts';
import type { State } from './state.ts';
import { sumOf } from './totals.ts';
import { reachedOf, type Until } from './until.ts';

/** A cell that would be shorter is not begun. */
const LEAST_CELL_MS = 100;
/** The last cell is as long as what is left; its start is not counted in that, so that it may end a little later. */
const OVERRUN_MS = 2000;

/** Milliseconds that are left by the clocks. */
export function leftMs({ parts: { plan, clock }, elapsed }: State): number {
  const byDuration = plan.durationMs === null ? Number.POSITIVE_INFINITY : plan.durationMs - elapsed();
  const byClock = plan.stopAt === null ? Number.POSITIVE_INFINITY : plan.stopAt - clock.wall();
  return Math.min(byDuration, byClock);
}

/** Why no further cell is begun; null: one is. */
export function isOver(s: State): EndReason | null {
  const { plan, clock } = s.parts;
  if (reached(s, null) !== undefined) return 'until';
  if (leftMs(s) >= LEAST_CELL_MS) return null;
  return plan.stopAt !== null && plan.stopAt - clock.wall() < LEAST_CELL_MS ? 'stop-at' : 'duration';
}

/** Whether the cell that runs is to end early: a clock was set, or a condition holds. `found`: what it has found; null: that does not count. */
export const endsCell = (s: State, found: CellProgress | null): boolean =>
  reached(s, found) !== undefined || leftMs(s) < -OVERRUN_MS;

/** The condition that holds, with what the running cell has found so far. */
function reached({ parts: { plan }, totals, index }: State, running: CellProgress | null): Until | undefined {
  if (plan.until.length === 0) return undefined;
  const exposures = { ...totals.exposures };
  for (const [name, n] of Object.entries(running?.exposures ?? {})) exposures[name] = (exposures[name] ?? 0) + n;
  return reachedOf(plan.until, {
    violations: sumOf(totals.violations) + sumOf(running?.violations ?? {}),
    exposures,
    cells: index,
    rotations: plan.rotations.at(index).rotation,
  });
}
