import { z } from 'zod';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { entryFiguresSchema } from './soak-figures.ts';
import { cellSchema } from './summary.ts';

/** Names of the files in a soak's folder, besides `races-<n>.ndjson` and `violations/<n>/`. */
export const SOAK_FILES = {
  run: 'run.json',
  checkpoint: 'checkpoint.json',
  cells: 'cells.ndjson',
  series: 'series.ndjson',
  summary: 'summary.json',
  log: 'odptorture.log',
  lock: 'soak.lock',
} as const;

const whole = z.int().min(0);
const oracle = z.enum(ORACLE_NAMES);
const verdict = z.enum(['SUCCESS', 'FAILURE', 'UNKNOWN']);
const counts = z.record(z.string(), whole);
/** Milliseconds of soak: time in which cells ran, summed over all sessions; it stands still between an end and a resume. */
const soakMs = z.number().min(0);

/**
 * A line of cells.ndjson: a finished cell. The sums over these lines are the totals of the checkpoint and of the summary.
 */
export const cellLineSchema = cellSchema
  .extend({
    index: whole.meta({ description: 'Running number of the cell in the soak, from 0, without gaps.' }),
    rotation: whole,
    entry: z.string().meta({ description: "Scenario, strategy and era: 'seed/context-count/v5.5'." }),
    canary: z.boolean().meta({ description: 'A known-bad cell, which must be caught.' }),
    startedAt: z.string().meta({ description: 'Wall clock, ISO 8601.' }),
    t: soakMs.meta({ description: 'Soak time at its start, ms.' }),
    signatures: counts.meta({ description: 'Exact number of violations of each signature.' }),
    logged: counts.meta({ description: 'Of these, full records in the race log.' }),
    offered: counts.meta({
      description: 'Of these, full records that the cell made; what is not logged of them was sampled out.',
    }),
    unlogged: z.strictObject({ sampledOut: whole, overBudget: whole, lost: whole, notMade: whole }).meta({
      description: 'Violations of the cell without a full record in the race log; with `logged` they are all.',
    }),
    session: whole,
  })
  .readonly();
export type CellLine = z.output<typeof cellLineSchema>;

/** One kind of violation over the whole soak. */
export const signatureSchema = z
  .strictObject({
    signature: z.string().meta({
      description:
        'oracle/strategy/role/point: who noticed it, and the last point that this thread had passed (- without a trace).',
    }),
    oracle,
    strategy: z.string(),
    role: z.string(),
    point: z.string(),
    canary: z.boolean().meta({ description: 'Seen in canary cells only.' }),
    count: whole.meta({ description: 'Exact.' }),
    cells: whole.meta({ description: 'Cells in which it was seen.' }),
    offered: whole.meta({ description: 'Full records that the cells made.' }),
    offeredByCanaries: whole
      .default(0)
      .meta({ description: 'Of these, by canaries. Each of both has its own first ones.' }),
    logged: whole.meta({
      description: 'Full records in the race log: the first ones, then those whose number is a power of two.',
    }),
    notLogged: whole.meta({ description: 'count - logged.' }),
    scenarios: z.array(z.string()),
    first: z
      .strictObject({ cell: whole, t: soakMs, at: z.string() })
      .meta({ description: 'First seen; `at` is wall clock.' }),
    last: z.strictObject({ cell: whole, t: soakMs, at: z.string() }).meta({
      description: 'Last seen: its last record, or the end of the last cell that counted one without a record.',
    }),
  })
  .readonly();
export type SignatureTotal = z.output<typeof signatureSchema>;

/** Sums over the cells of one entry (scenario, strategy, era) of the campaign. */
export const entryTotalSchema = z
  .strictObject({
    entry: z.string(),
    scenario: z.string(),
    strategy: z.string(),
    era: z.string(),
    canary: z.boolean(),
    cells: whole,
    durationMs: z.number(),
    verdicts: z.strictObject({ SUCCESS: whole, FAILURE: whole, UNKNOWN: whole }),
    expected: z.strictObject({ yes: whole, no: whole, unknown: whole }),
    must: z.array(oracle).readonly(),
    may: z.array(oracle).readonly(),
    violations: z.partialRecord(oracle, whole),
    exposures: counts,
    operations: counts,
    faultsCommitted: whole,
    faults: counts.meta({
      description: 'Cells that did not end by themselves, by kind: hang, thread-threw, out-of-memory, ...',
    }),
  })
  .readonly();
export type EntryTotal = z.output<typeof entryTotalSchema>;

export const soakTotalsSchema = z.strictObject({
  cells: whole,
  durationMs: z.number().meta({ description: 'Sum of the durations of the cells.' }),
  verdicts: z.strictObject({ SUCCESS: whole, FAILURE: whole, UNKNOWN: whole }),
  violations: z.partialRecord(oracle, whole).meta({ description: 'Exact, without those of canaries.' }),
  exposures: counts,
  operations: counts,
  faults: counts.meta({ description: 'Cells that did not end by themselves, by kind.' }),
  canary: z.strictObject({ cells: whole, caught: whole, missed: whole, violations: whole }),
  interrupted: whole.meta({ description: 'Cells that were ended early.' }),
  records: z.strictObject({
    logged: whole.meta({ description: 'Full records in the race log.' }),
    sampledOut: whole.meta({ description: 'Made, and not logged because the log had enough of their signature.' }),
    overBudget: whole.meta({ description: 'Made, and not logged because the disk budget was reached.' }),
    notMade: whole.meta({ description: 'Only counted: beyond the first few of a cell, or the arena had no room.' }),
    lost: whole.meta({ description: 'Could not be written.' }),
  }),
  thresholds: z
    .record(z.string(), z.strictObject({ met: whole, missed: whole, none: whole }))
    .meta({ description: 'Cells by how they did, for each limit.' }),
  entries: z.array(entryTotalSchema),
});
export type SoakTotals = z.output<typeof soakTotalsSchema>;

/** One stretch between a start or resume and an end. */
export const sessionSchema = z
  .strictObject({
    startedAt: z.string(),
    endedAt: z.string().nullable().meta({ description: 'null: it is running, or was killed.' }),
    pid: whole,
    reason: z.string().meta({
      description: "Why it ended: duration, until, stop-at, cells, SIGINT, SIGTERM, memory, error; '' before.",
    }),
    firstCell: whole,
    elapsedMs: soakMs,
    maxRssMb: z.number(),
  })
  .readonly();
export type SoakSession = z.output<typeof sessionSchema>;

/**
 * checkpoint.json: all that a resume needs. Written whole after each cell. The cells of a campaign follow from its seed, so the place
 * in the rotation is the number of the next cell.
 */
export const soakCheckpointSchema = z.strictObject({
  checkpointVersion: z.literal(1),
  kind: z.literal('soak'),
  runId: z.string(),
  campaign: z.string(),
  campaignHash: z.string(),
  seed: z.int().min(1),
  startedAt: z.string(),
  savedAt: z.string(),
  elapsedMs: soakMs,
  sessions: z.array(sessionSchema),
  next: z.strictObject({ index: whole, rotation: whole }),
  totals: soakTotalsSchema,
  figures: z
    .array(entryFiguresSchema)
    .default([])
    .meta({ description: 'Locks and distributions; of a soak of an earlier version those of the cells since.' }),
  signatures: z.array(signatureSchema),
  /** Where the append-only files ended; what stands behind belongs to a cell that was not finished. */
  offsets: z.strictObject({
    cells: whole,
    races: z.strictObject({ file: whole, bytes: whole, records: whole }),
    log: whole,
    series: z.unknown(),
  }),
  violationFolders: whole,
  disk: z.strictObject({ bytes: whole, full: z.boolean() }),
  log: z.strictObject({ lines: whole, dropped: whole, nextHeartbeatMs: z.number() }),
  finished: z.boolean().meta({ description: 'Its own end was reached: a resume needs a later one.' }),
});
export type SoakCheckpoint = z.output<typeof soakCheckpointSchema>;

/** summary.json of a soak, which is also what `--json` prints. All of it follows from the checkpoint and run.json. */
export const soakSummarySchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('soak'),
  runId: z.string(),
  campaign: z.string(),
  seed: z.int().min(1),
  startedAt: z.string(),
  endedAt: z.string(),
  elapsedMs: soakMs,
  sessions: z.array(sessionSchema),
  verdict,
  judgedBy: z.enum(['violations', 'expectations']),
  why: z.array(z.string()).meta({
    description: 'What the reader must know beside the verdict: a missed canary, a budget that was reached, ...',
  }),
  exitCode: z.int(),
  interrupted: z.boolean(),
  reason: z.string(),
  environment: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cores: whole,
    cpu: z.string(),
    commit: z.string().nullable(),
    version: z.string(),
  }),
  totals: soakTotalsSchema,
  signatures: z.array(
    signatureSchema.unwrap().extend({ perHour: z.number().meta({ description: 'Count by hours of soak.' }) }),
  ),
  rateBound95: z
    .record(z.string(), z.number())
    .meta({ description: 'Entries without a violation: upper end of the 95 % interval of the rate per exposure.' }),
  disk: z.strictObject({ bytes: whole, full: z.boolean() }),
});
export type SoakSummary = z.output<typeof soakSummarySchema>;

const rate = z.number().min(0);
const quantiles = z.strictObject({ p50: z.number(), p99: z.number() });

/** A point of the time series: the harness and the model, once a second while a cell runs. */
export const seriesPointSchema = z.strictObject({
  t: soakMs.meta({ description: 'Soak time, ms, summed over resumes.' }),
  cell: whole.meta({ description: 'Index of the cell.' }),
  scenario: z.string(),
  strategy: z.string(),
  rates: z.record(z.string(), rate).meta({
    description: 'Per second since the last point: faults, sections, registrations, deregistrations, operations.',
  }),
  exposures: whole.meta({ description: 'All kinds, summed over the soak.' }),
  exposureCounts: counts.optional().meta({ description: 'The same by kind.' }),
  violations: whole.meta({ description: 'Summed over the soak, canaries included.' }),
  violationCounts: counts.optional().meta({ description: 'By oracle, without those of canaries.' }),
  latency: z
    .strictObject({
      fault: quantiles,
      section: quantiles,
      register: quantiles.optional(),
      deregister: quantiles.optional(),
      lockWait: quantiles.optional(),
    })
    .nullable()
    .meta({ description: 'Nanoseconds, since the start of the cell; null: not known.' }),
  rssMb: z.number(),
  heapMb: z.number(),
  eventLoopMaxMs: z.number(),
  log: z.strictObject({ written: whole, lost: whole, bytes: whole }),
});
export type SeriesPoint = z.output<typeof seriesPointSchema>;

const jsonSchema = (title: string, schema: z.ZodType): Record<string, unknown> => ({
  title,
  ...z.toJSONSchema(schema),
});
export const soakJsonSchema = (): Record<string, unknown> => jsonSchema('odptorture soak', soakSummarySchema);
export const seriesJsonSchema = (): Record<string, unknown> => jsonSchema('odptorture time series', seriesPointSchema);
export const cellsJsonSchema = (): Record<string, unknown> => jsonSchema('odptorture cell of a soak', cellLineSchema);
