import type { SoakCheckpoint } from '../results/soak-types.ts';
import type { State } from './state.ts';

/** All that a resume needs. `kept`: the figures of files and of their sizes are those of an earlier checkpoint. */
export function checkpointOf(
  s: State,
  offsets: SoakCheckpoint['offsets'],
  kept: SoakCheckpoint | null = null,
): SoakCheckpoint {
  const { parts, totals, index } = s;
  const { plan, journal, clock } = parts;
  s.session = { ...s.session, elapsedMs: Math.round(s.sessionMs()) };
  s.saved = {
    checkpointVersion: 1,
    kind: 'soak',
    runId: journal.runId,
    campaign: plan.campaign,
    campaignHash: plan.campaignHash,
    seed: plan.seed,
    startedAt: s.startedAt,
    savedAt: new Date(clock.wall()).toISOString(),
    elapsedMs: Math.round(s.elapsed()),
    sessions: [...s.sessions, s.session],
    next: { index, rotation: plan.rotations.at(index).rotation },
    totals,
    figures: [...s.figures],
    signatures: kept?.signatures.slice() ?? s.signatures.totals(),
    offsets,
    violationFolders: kept?.violationFolders ?? s.folders,
    disk: { bytes: s.budget.used(), full: s.budget.isFull() },
    log: { lines: journal.logLines(), dropped: journal.logDropped(), nextHeartbeatMs: Math.round(s.nextHeartbeat) },
    finished: s.finished,
  };
  return s.saved;
}

/** What goes on at this moment, for people. */
export function snapshotOf(s: State): Record<string, unknown> {
  const { running, totals } = s;
  return {
    at: new Date(s.parts.clock.wall()).toISOString(),
    elapsedMs: Math.round(s.elapsed()),
    ...s.meter.read(),
    cell:
      running === null
        ? null
        : {
            index: running.slot.index,
            entry: running.slot.entry.key,
            seed: running.slot.seed,
            progress: running.last,
            // What each thread waits for and which locks it holds, at this moment.
            threads: running.states(),
          },
    totals,
  };
}
