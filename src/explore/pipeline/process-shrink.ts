import type { Host } from '../control/host.ts';
import { captureRace, DATA_RACE } from '../races/race-log.ts';
import { followSchedule } from '../replay/replay.ts';
import { drawReplay, recordReplay } from '../replay/replay-record.ts';
import { type ShrinkBudget, type Shrunk, shrink } from '../replay/shrink.ts';
import { toFewest } from '../replay/shrink-bound.ts';
import { costOf } from '../replay/shrink-segments.ts';
import type { Minimized, OpenRequest, ShrinkJob } from './process-messages.ts';

/** Schedules that shrinking may take. */
const SHRINK_RUNS = 50_000;

/** All schedules with fewer preemptions are run when that takes no longer than this, and so many schedules. */
const PROOF_MS = 2000;
const PROOF_RUNS = 100_000;

/** Makes a finding small and draws it; null when its schedule does not show it again. */
export function minimize(host: Host, request: OpenRequest, job: ShrinkJob): Minimized | null {
  const { engine, subject } = host;
  const until = performance.now() + job.budgetMs;
  const budget = { runs: SHRINK_RUNS, until };
  const small = shrink((wishes) => followSchedule(engine, subject, wishes), job.found, budget);
  if (small === null) return null;
  const { shrunk, fewest } = provenFewest(host, job, small, budget);
  const record = (finding: typeof shrunk.finding, schedule: readonly number[]) => {
    const { steps } = followSchedule(engine, subject, schedule);
    const before = { preemptions: shrunk.before.preemptions, steps: shrunk.before.steps };
    const smaller = costOf(steps).steps < before.steps || costOf(steps).preemptions < before.preemptions;
    return recordReplay({
      spec: request.spec,
      subject,
      options: request.options,
      finding,
      steps,
      found: { ...job.how, ...(smaller ? { shrunkFrom: before } : {}), fewest },
    });
  };
  const replay = record(shrunk.finding, shrunk.schedule);
  const picture = drawReplay(engine, subject, replay).picture;
  // Of the drawing's last run.
  const lockOrder = subject.lockOrder?.(replay.finding) ?? null;
  const { oracle, object } = replay.finding;
  const race = oracle === DATA_RACE ? captureRace(engine, subject, replay.schedule, object) : null;
  const before = { preemptions: shrunk.before.preemptions, steps: shrunk.before.steps };
  return { replay, picture, race, lockOrder, before, fewest };
}

/** The search by preemptions may have tried all schedules with fewer already; else they are tried now, where that is cheap. */
function provenFewest(
  { engine, subject }: Host,
  { boundKept, budgetMs }: ShrinkJob,
  small: Shrunk,
  budget: ShrinkBudget,
): { readonly shrunk: Shrunk; readonly fewest: boolean } {
  if (small.preemptions <= boundKept + 1) return { shrunk: small, fewest: true };
  const proof = { runs: PROOF_RUNS, until: performance.now() + Math.min(PROOF_MS, budgetMs) };
  return toFewest(engine, subject, small, budget, proof);
}
