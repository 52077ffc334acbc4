import { rateBound95 } from '../report/findings.ts';
import { type SoakCheckpoint, type SoakSummary, soakSummarySchema } from '../results/soak-types.ts';
import { EXIT } from '../scenario/errors.ts';
import { sumOf } from '../soak/totals.ts';
import { judgeSoak } from '../soak/verdict.ts';

/** What a summary needs beside the checkpoint; run.json has it. */
export interface SummaryContext {
  readonly judgedBy: SoakSummary['judgedBy'];
  /** Keys of all kinds of cells. */
  readonly entries: readonly string[];
  readonly environment: SoakSummary['environment'];
  /** Exit code of the signal that ended it; null: none did. */
  readonly interruptedBy: number | null;
  /** Exit code when records were lost in a flush, after they had been counted as written. */
  readonly unsaved: number | null;
}

const HOUR_MS = 3_600_000;

/** summary.json of a soak, from its checkpoint alone: also of one that was killed. */
export function summarizeSoak(checkpoint: SoakCheckpoint, context: SummaryContext): SoakSummary {
  const { totals, sessions, elapsedMs } = checkpoint;
  const { judgedBy, entries, environment, interruptedBy, unsaved } = context;
  const last = sessions.at(-1);
  const { verdict, why, exitCode } = judgeSoak({
    totals,
    judgedBy,
    entries,
    diskFull: checkpoint.disk.full,
    memoryFull: last?.reason === 'memory',
    logDropped: checkpoint.log.dropped,
  });
  const hours = Math.max(elapsedMs, 1) / HOUR_MS;
  const clean = totals.entries.filter(({ violations, exposures }) => sumOf(violations) === 0 && sumOf(exposures) > 0);
  return soakSummarySchema.parse({
    schemaVersion: 1,
    kind: 'soak',
    runId: checkpoint.runId,
    campaign: checkpoint.campaign,
    seed: checkpoint.seed,
    startedAt: checkpoint.startedAt,
    endedAt: last?.endedAt ?? checkpoint.savedAt,
    elapsedMs,
    sessions,
    verdict,
    judgedBy,
    why: [...why],
    // An interrupted soak says so, whatever it found: it did not do what was asked.
    exitCode:
      interruptedBy ?? (exitCode === EXIT.violation || exitCode === EXIT.crash ? exitCode : (unsaved ?? exitCode)),
    interrupted: interruptedBy !== null,
    reason: last?.reason ?? '',
    environment,
    totals,
    signatures: checkpoint.signatures.map((signature) => ({ ...signature, perHour: signature.count / hours })),
    rateBound95: Object.fromEntries(clean.map(({ entry, exposures }) => [entry, rateBound95(sumOf(exposures))])),
    disk: checkpoint.disk,
  } satisfies SoakSummary);
}
