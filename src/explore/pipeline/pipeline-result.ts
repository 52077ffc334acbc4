import { z } from 'zod';
import { POLICIES } from './pipeline-policy.ts';

const whole = z.int().min(0);

const violationSchema = z
  .strictObject({
    oracle: z.string(),
    object: z.string().meta({ description: 'What it is about; empty when there is no such thing.' }),
    text: z.string(),
    phase: z.string(),
    afterSchedules: whole.meta({ description: 'Schedules of this exploration up to this one, with it.' }),
    preemptions: whole,
    steps: whole,
    fewest: z.boolean().meta({ description: 'All schedules with fewer preemptions were tried: none shows it.' }),
    foundWith: z
      .strictObject({ preemptions: whole, steps: whole })
      .readonly()
      .meta({ description: 'Before it was made small.' }),
    schedule: z.array(whole).readonly().meta({ description: 'Thread of each step.' }),
    folder: z.string().nullable().meta({ description: 'Folder with replay file and timelines, below the results.' }),
  })
  .readonly();

const phaseSchema = z
  .strictObject({
    name: z.string(),
    schedules: whole,
    durationMs: z.number(),
    complete: z.boolean(),
    guarantee: z.string().nullable(),
  })
  .readonly();

const coverageSchema = z
  .strictObject({
    distinct: whole.meta({ description: 'Executions that differ in more than the order of independent steps.' }),
    atLeast: z.boolean().meta({ description: 'There were more than could be told apart.' }),
    estimate: z.number().meta({ description: 'Estimated number of distinct executions; a lower bound (Chao1).' }),
    share: z.number().meta({
      description: 'Chance that the next sampled schedule is one that was seen; not the share of all that exist.',
    }),
  })
  .readonly();

const explorationSchema = z
  .strictObject({
    name: z.string(),
    kind: z.enum(['program', 'litmus']),
    strategy: z.string().nullable(),
    threads: z.array(z.string()).readonly(),
    verdict: z.enum(['VIOLATED', 'PROVED', 'NO-VIOLATION', 'UNKNOWN']),
    guarantee: z.string().nullable().meta({ description: 'What was shown when nothing was found.' }),
    why: z.string().meta({ description: 'Why the verdict is UNKNOWN; empty otherwise.' }),
    policy: z.enum(POLICIES),
    schedules: whole,
    steps: whole,
    redundant: whole.meta({ description: 'Schedules given up because they were explored in another order.' }),
    cut: whole.meta({ description: 'Schedules that reached the step bound.' }),
    forced: whole.meta({ description: 'Schedules in which a wait timed out because nobody else could run.' }),
    durationMs: z.number(),
    perSecond: z.number(),
    processes: whole,
    restarts: whole.meta({ description: 'Processes that died and were replaced.' }),
    coverage: coverageSchema.nullable(),
    phases: z.array(phaseSchema).readonly(),
    violations: z.array(violationSchema).readonly(),
    interrupted: z.boolean(),
    notes: z.array(z.string()).readonly(),
  })
  .readonly();

/** explore.json, which is also what `explore --json` prints. */
export const exploreSchema = z.strictObject({
  schemaVersion: z.literal(1),
  command: z.literal('explore'),
  runId: z.string(),
  target: z.string(),
  seed: z.int().min(1),
  startedAt: z.string(),
  durationMs: z.number(),
  verdict: z.enum(['VIOLATED', 'PROVED', 'NO-VIOLATION', 'UNKNOWN']),
  exitCode: z.int(),
  interrupted: z.boolean(),
  resumedFrom: z.string().nullable(),
  caveat: z.string(),
  races: z.boolean().meta({ description: 'Plain accesses were watched for data races.' }),
  granularity: z.enum(['lock', 'atomic']),
  timeouts: whole,
  maxSteps: z.int().min(1),
  environment: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cores: whole,
    cpu: z.string(),
    commit: z.string().nullable(),
    version: z.string(),
  }),
  explorations: z.array(explorationSchema),
});

export type ExploreSummary = z.output<typeof exploreSchema>;
export type Exploration = z.output<typeof explorationSchema>;
export type ExploreViolation = Exploration['violations'][number];
export type ExplorePhase = Exploration['phases'][number];
export type ExploreVerdict = Exploration['verdict'];

export const exploreJsonSchema = (): Record<string, unknown> => ({
  title: 'odptorture explore',
  ...z.toJSONSchema(exploreSchema),
});

/** Throws when it is not what the schema says: a mistake of ours, found before a reader finds it. */
export function validateExplore(summary: unknown): ExploreSummary {
  const parsed = exploreSchema.safeParse(summary);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new TypeError(`the result is not what its schema says: ${path.join('.')}: ${message}`, { cause: parsed.error });
}

/** Said with every result: a search of interleavings cannot show everything. */
export const caveat = (races: boolean): string =>
  'Interleavings of sequentially consistent operations, which is what JavaScript gives Atomics: a missing hardware barrier cannot show here.' +
  (races ? '' : ' Plain reads and writes are no steps of their own: --races finds those that race.');

/** The verdict over several: the worst. */
export function worstVerdict(verdicts: readonly ExploreVerdict[]): ExploreVerdict {
  const order: readonly ExploreVerdict[] = ['VIOLATED', 'UNKNOWN', 'NO-VIOLATION', 'PROVED'];
  return order.find((verdict) => verdicts.includes(verdict)) ?? 'UNKNOWN';
}
