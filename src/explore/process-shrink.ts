import type { Host } from './host.ts';
import type { Minimized, OpenRequest, ShrinkJob } from './process-messages.ts';
import { captureRace, DATA_RACE } from './race-log.ts';
import { followSchedule } from './replay.ts';
import { drawReplay, recordReplay } from './replay-record.ts';
import { shrink } from './shrink.ts';
import { costOf } from './shrink-segments.ts';

/** Schedules that shrinking may take. */
const SHRINK_RUNS = 50_000;

/** Makes a finding small and draws it; null when its schedule does not show it again. */
export function minimize({ engine, subject }: Host, request: OpenRequest, job: ShrinkJob): Minimized | null {
  const { found, how, budgetMs } = job;
  const until = performance.now() + budgetMs;
  const shrunk = shrink((wishes) => followSchedule(engine, subject, wishes), found, { runs: SHRINK_RUNS, until });
  if (shrunk === null) return null;
  const record = (finding: typeof found.finding, schedule: readonly number[]) => {
    const { steps } = followSchedule(engine, subject, schedule);
    const before = { preemptions: shrunk.before.preemptions, steps: shrunk.before.steps };
    const smaller = costOf(steps).steps < before.steps || costOf(steps).preemptions < before.preemptions;
    return recordReplay({
      spec: request.spec,
      subject,
      options: request.options,
      finding,
      steps,
      found: { ...how, ...(smaller ? { shrunkFrom: before } : {}) },
    });
  };
  const replay = record(shrunk.finding, shrunk.schedule);
  const picture = drawReplay(engine, subject, replay).picture;
  const { oracle, object } = replay.finding;
  const race = oracle === DATA_RACE ? captureRace(engine, subject, replay.schedule, object) : null;
  return { replay, picture, race, before: { preemptions: shrunk.before.preemptions, steps: shrunk.before.steps } };
}
