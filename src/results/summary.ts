import { z } from 'zod';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { detectionSchema } from './detection.ts';
import type { ThresholdResult } from './thresholds.ts';
import type { CellResult, Verdict } from './types.ts';

const whole = z.int().min(0);
const oracle = z.enum(ORACLE_NAMES);
const oracles = z.array(oracle).readonly();
const verdict = z.enum(['SUCCESS', 'FAILURE', 'UNKNOWN']);
const quantiles = z
  .strictObject({
    count: whole,
    mean: z.number(),
    p50: z.number(),
    p90: z.number(),
    p99: z.number(),
    p999: z.number(),
    max: z.number(),
  })
  .readonly();
const lockTimes = {
  min: z.number(),
  max: z.number(),
  total: z.number(),
  mean: z.number(),
  p50: z.number().exactOptional(),
  p90: z.number().exactOptional(),
  p99: z.number().exactOptional(),
  p999: z.number().exactOptional(),
};
const places = z
  .array(z.strictObject({ role: z.string(), point: z.string().nullable(), count: whole }).readonly())
  .readonly();
/** A lock class in one mode. */
export const lockRowSchema = z
  .strictObject({
    name: z.string(),
    mode: z.enum(['R', 'W']),
    acquisitions: whole.exactOptional(),
    acqBounces: whole.exactOptional(),
    conBounces: whole.exactOptional(),
    contentions: whole,
    waitNs: z.strictObject(lockTimes).readonly(),
    holdNs: z
      .strictObject({ count: whole, ...lockTimes })
      .readonly()
      .exactOptional(),
    waiters: places.exactOptional(),
    holders: places.exactOptional(),
  })
  .readonly();
const rate = z.strictObject({ count: whole, perSecond: z.number() }).readonly();

export const cellSchema = z.strictObject({
  scenario: z.string(),
  kind: z.enum(['load', 'litmus']),
  strategy: z.string(),
  strategyFile: z.string().exactOptional().meta({ description: "A user's own strategy: its file." }),
  era: z.string(),
  seed: z.int().min(1),
  durationMs: z.number(),
  verdict,
  asExpected: z.boolean().nullable().meta({ description: 'null: too few exposures to say.' }),
  expected: z
    .strictObject({ must: oracles, may: oracles, reason: z.string(), none: z.literal(true).exactOptional() })
    .readonly(),
  why: z.string().meta({ description: 'Why the verdict is UNKNOWN or not as expected; empty otherwise.' }),
  violations: z.partialRecord(oracle, z.strictObject({ count: whole, firstAtMs: z.number() }).readonly()).readonly(),
  exposures: z.record(z.string(), whole).readonly(),
  operations: z.record(z.string(), rate).readonly(),
  failures: z.record(z.string(), whole).readonly(),
  faults: z.strictObject({ committed: whole, retries: whole, timeouts: whole, retriesPerCommit: quantiles }).readonly(),
  latencyNs: z
    .strictObject({
      fault: quantiles,
      section: quantiles,
      register: quantiles,
      deregister: quantiles,
      lockWait: quantiles,
    })
    .readonly(),
  locks: z.array(lockRowSchema).readonly().meta({
    description:
      'Locks for which threads had to wait, with --lock-stat all that were taken, by class; W also stands for locks without modes.',
  }),
  audits: z.strictObject({ done: whole, skipped: whole, entries: whole, incoherentPinned: whole }).readonly(),
  readerPipe: z.array(whole).readonly().meta({
    description:
      'Device accesses by how many generations behind their page was: 0 to 9, and 10 or more. Beyond the first is a violation.',
  }),
  inject: z
    .record(z.string(), whole)
    .readonly()
    .exactOptional()
    .meta({ description: 'How often each capability made a call fail.' }),
  stalls: whole.exactOptional().meta({ description: 'How often a thread was stopped at a point.' }),
  records: z.strictObject({ kept: whole, dropped: whole }).readonly(),
  orders: z.record(z.string(), whole).readonly().exactOptional(),
  notes: z.array(z.string()).readonly(),
  fault: z
    .strictObject({
      kind: z.enum(['thread-threw', 'thread-exited', 'out-of-memory', 'hang', 'deadlock', 'start-timeout']),
      thread: z.string(),
      message: z.string(),
    })
    .readonly()
    .exactOptional(),
  interrupted: z.boolean(),
}) satisfies z.ZodType<CellResult>;

const thresholdSchema = z.strictObject({
  scenario: z.string(),
  strategy: z.string(),
  seed: z.int(),
  threshold: z.string(),
  value: z.number().nullable(),
  met: z.boolean().nullable(),
}) satisfies z.ZodType<ThresholdResult>;

/** summary.json, which is also what `--json` prints. */
export const summarySchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: z.string(),
  command: z.string(),
  seed: z.int().min(1),
  startedAt: z.string(),
  durationMs: z.number(),
  verdict,
  judgedBy: z.enum(['violations', 'expectations']),
  exitCode: z.int(),
  interrupted: z.boolean(),
  environment: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cores: whole,
    cpu: z.string(),
    commit: z.string().nullable(),
    version: z.string(),
  }),
  records: z
    .strictObject({ written: whole, lost: whole })
    .meta({ description: 'Lines of the race log, and those that could not be written.' }),
  thresholds: z.array(thresholdSchema),
  variants: z
    .array(detectionSchema)
    .exactOptional()
    .meta({ description: 'Of `matrix --variants`: how each known bug was found.' }),
  cells: z.array(cellSchema),
});

export type Summary = z.output<typeof summarySchema>;
export type JudgedBy = Summary['judgedBy'];

/** A cell that the schema takes is a cell of the type, and the other way round. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
export const CELL_SCHEMA_IS_THE_TYPE: Same<z.output<typeof cellSchema>, CellResult> = true;

/** Throws when the summary is not what the schema says: a mistake of ours, found before a reader finds it. */
export function validateSummary(summary: unknown): Summary {
  const parsed = summarySchema.safeParse(summary);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new TypeError(`the summary is not what its schema says: ${path.join('.')}: ${message}`, {
    cause: parsed.error,
  });
}

export const summaryJsonSchema = (): Record<string, unknown> => ({
  title: 'odptorture summary',
  ...z.toJSONSchema(summarySchema),
});

/** The verdict of a run of `cells`. */
export function runVerdict(cells: readonly CellResult[], judgedBy: JudgedBy): Verdict {
  if (judgedBy === 'violations') {
    if (cells.some((cell) => cell.verdict === 'FAILURE')) return 'FAILURE';
    return cells.length === 0 || cells.some((cell) => cell.verdict === 'UNKNOWN') ? 'UNKNOWN' : 'SUCCESS';
  }
  if (cells.some((cell) => cell.asExpected === false)) return 'FAILURE';
  return cells.length === 0 || cells.some((cell) => cell.asExpected === null) ? 'UNKNOWN' : 'SUCCESS';
}
