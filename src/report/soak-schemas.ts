import { z } from 'zod';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { entryFiguresSchema } from '../results/soak-figures.ts';
import { sessionSchema, signatureSchema } from '../results/soak-types.ts';

/**
 * What a report needs of the files that runs write, and no more: the folders of other versions, whose files have other members besides,
 * can be read too.
 */

const oracles = z.array(z.enum(ORACLE_NAMES));
const verdict = z.enum(['SUCCESS', 'FAILURE', 'UNKNOWN']);
const counts = z.record(z.string(), z.number());
const quantiles = z.object({ count: z.number(), p50: z.number(), p99: z.number(), max: z.number() });
const judgedBy = z.enum(['violations', 'expectations']);

export const environmentSchema = z.object({
  node: z.string(),
  platform: z.string(),
  cores: z.number(),
  cpu: z.string(),
  commit: z.string().nullable(),
  version: z.string(),
});

const lockTimes = { total: z.number(), max: z.number() };
const lock = z.object({
  name: z.string(),
  mode: z.enum(['R', 'W']),
  contentions: z.number(),
  waitNs: z.object(lockTimes),
  acquisitions: z.number().optional(),
  acqBounces: z.number().optional(),
  conBounces: z.number().optional(),
  holdNs: z.object({ count: z.number(), ...lockTimes }).optional(),
});

export const cellPart = z.object({
  scenario: z.string(),
  kind: z.enum(['load', 'litmus']),
  strategy: z.string(),
  era: z.string(),
  seed: z.number(),
  durationMs: z.number(),
  verdict,
  asExpected: z.boolean().nullable(),
  expected: z.object({ must: oracles, may: oracles, none: z.literal(true).optional() }),
  why: z.string(),
  violations: z.record(z.string(), z.object({ count: z.number(), firstAtMs: z.number() })),
  exposures: counts,
  operations: z.record(z.string(), z.object({ count: z.number() })),
  faults: z.object({ committed: z.number(), retries: z.number(), timeouts: z.number() }),
  latencyNs: z.object({ fault: quantiles, section: quantiles, register: quantiles, deregister: quantiles }),
  locks: z.array(lock).default([]),
  fault: z.object({ kind: z.string(), thread: z.string(), message: z.string() }).optional(),
  interrupted: z.boolean(),
});
export type ReportCell = z.output<typeof cellPart>;

/** A line of cells.ndjson. */
export const linePart = cellPart.extend({
  index: z.number(),
  entry: z.string(),
  canary: z.boolean(),
  startedAt: z.string(),
  t: z.number(),
  signatures: counts,
  logged: counts,
});
export type ReportLine = z.output<typeof linePart>;

const threshold = z.object({
  scenario: z.string(),
  strategy: z.string(),
  seed: z.number(),
  threshold: z.string(),
  value: z.number().nullable(),
  met: z.boolean().nullable(),
});

/** run.json. */
export const runPart = z.object({
  status: z.enum(['running', 'finished', 'interrupted', 'failed']),
  command: z.string(),
  seed: z.number(),
  startedAt: z.string().optional().meta({ description: 'A soak has it in its checkpoint.' }),
  pid: z.number().optional(),
  settings: z.object({ judge: judgedBy }).optional(),
  environment: environmentSchema,
  cells: z.array(z.looseObject({ scenario: z.string(), strategy: z.string() })).optional(),
  entries: z
    .array(z.object({ key: z.string(), plan: z.looseObject({ scenario: z.string(), strategy: z.string() }) }))
    .optional(),
  error: z.string().optional(),
});
export type ReportRun = z.output<typeof runPart>;

/** summary.json of a run or a matrix. */
export const summaryPart = z.object({
  runId: z.string(),
  startedAt: z.string(),
  durationMs: z.number(),
  verdict,
  judgedBy,
  records: z.object({ written: z.number(), lost: z.number() }),
  thresholds: z.array(threshold),
  cells: z.array(cellPart),
});

const soakParts = {
  runId: z.string(),
  campaign: z.string(),
  startedAt: z.string(),
  elapsedMs: z.number(),
  sessions: z.array(sessionSchema),
  signatures: z.array(signatureSchema.unwrap().strip()),
  totals: z.object({ records: z.object({ lost: z.number() }) }),
};
/** checkpoint.json. */
export const checkpointPart = z.object({
  ...soakParts,
  savedAt: z.string(),
  next: z.object({ index: z.number() }),
  figures: z.array(entryFiguresSchema).default([]),
});
/** summary.json of a soak. */
export const soakSummaryPart = z.object({
  ...soakParts,
  endedAt: z.string(),
  verdict,
  judgedBy,
  why: z.array(z.string()),
});
