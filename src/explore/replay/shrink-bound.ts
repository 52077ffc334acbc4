import type { Engine } from '../control/engine.ts';
import { PreemptionBound } from '../search/preemption-bound.ts';
import { type Found, runStretch } from '../search/search.ts';
import type { Finding, Subject } from '../subject/subject.ts';
import { followSchedule, sameFinding } from './replay.ts';
import { type ShrinkBudget, type Shrunk, shrink } from './shrink.ts';

export interface FewestPreemptions {
  /** The schedule that shows the finding with the fewest preemptions of all, when it has fewer than was asked for. */
  readonly found: Found | null;
  /** True when every schedule with fewer preemptions than that, or than was asked for, was run to its end and does not show it. */
  readonly proved: boolean;
  /** What the search may say of what it ran, with its assumptions. */
  readonly guarantee: string | null;
  readonly schedules: number;
}

const CHUNK = 512;

/**
 * Is there a schedule with fewer than `below` preemptions that shows the finding? Runs all there are with none, then all with one, and
 * so on: the first hit has the fewest, and with no hit `below` was the fewest.
 */
export function fewestPreemptions(
  engine: Engine,
  subject: Subject,
  wanted: Finding,
  below: number,
  budget: ShrinkBudget,
): FewestPreemptions {
  const search = new PreemptionBound({ maxPreemptions: below - 1 });
  let schedules = 0;
  while (below > 0) {
    const left = Math.min(CHUNK, budget.runs - schedules);
    if (left <= 0 || performance.now() >= budget.until) break;
    const stretch = runStretch(engine, subject, search, { schedules: left, until: budget.until, stopAtFirst: false });
    const hit = stretch.found.find((one) => sameFinding(one.finding, wanted));
    if (hit !== undefined) {
      const found = { ...hit, schedules: schedules + hit.schedules };
      return { found, proved: !search.progress().limited, guarantee: search.guarantee(), schedules: found.schedules };
    }
    schedules += stretch.schedules;
    if (stretch.ended)
      return { found: null, proved: !search.progress().limited, guarantee: search.guarantee(), schedules };
    if (stretch.broken !== null) break;
  }
  return { found: null, proved: below <= 0, guarantee: search.guarantee(), schedules };
}

/**
 * Goes on from a schedule that was made small: one with fewer preemptions takes its place, if there is one. `fewest`: it is sure that
 * there is no better one.
 */
export function toFewest(
  engine: Engine,
  subject: Subject,
  small: Shrunk,
  budget: ShrinkBudget,
  proof: ShrinkBudget,
): { readonly shrunk: Shrunk; readonly fewest: boolean } {
  const { found, proved } = fewestPreemptions(engine, subject, small.finding, small.preemptions, proof);
  if (found === null) return { shrunk: small, fewest: proved };
  const better = shrink((wishes) => followSchedule(engine, subject, wishes), found, budget);
  if (better === null) return { shrunk: small, fewest: false };
  return { shrunk: { ...better, before: small.before, runs: small.runs + better.runs }, fewest: proved };
}
