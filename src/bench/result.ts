import { z } from 'zod';

const whole = z.int().min(0);
const params = z.record(z.string(), z.union([z.number(), z.string()])).readonly();
/** JSON has no NaN: a figure that there is none of is null. */
const figure = z.number().nullable();

const estimateSchema = z
  .strictObject({ median: figure, lo: figure, hi: figure, n: whole })
  .readonly()
  .meta({ description: 'Median over the rounds, with its 95 % bootstrap interval.' });

const heatSchema = z
  .strictObject({
    sliceMs: z.number(),
    upToNs: z.array(z.number()).readonly().meta({ description: 'Largest value of each row, nanoseconds.' }),
    counts: z.array(z.array(z.number()).readonly()).readonly().meta({ description: 'By slice of time, then by row.' }),
  })
  .readonly();

const roundSchema = z
  .strictObject({
    round: whole,
    metrics: z.record(z.string(), z.number()).readonly(),
    beside: z
      .record(z.string(), z.number())
      .readonly()
      .optional()
      .meta({ description: "The group's reference, measured in the same thread, in turn with the cell." }),
    perThread: z.array(z.number()).readonly().meta({ description: 'Operations of each thread.' }),
    lockWait: z
      .record(z.string(), z.number())
      .readonly()
      .meta({ description: "Part of the threads' time that was waited for each class of locks." }),
    sharedLocks: z
      .record(z.string(), z.strictObject({ taken: z.number(), moved: z.number() }).readonly())
      .readonly()
      .optional()
      .meta({
        description:
          'Locks that more than one thread takes, by class and mode: acquisitions for each operation, and how many of them found the lock last taken by another thread. Counted in a run beside the timed one.',
      }),
  })
  .readonly();

const limitSchema = z
  .strictObject({
    shared: z
      .strictObject({ lock: z.string(), taken: estimateSchema, moved: estimateSchema })
      .readonly()
      .nullable()
      .meta({ description: 'The class of locks whose word moves most between the threads; null: they share none.' }),
    waited: z
      .strictObject({ lock: z.string(), share: estimateSchema })
      .readonly()
      .nullable()
      .meta({ description: "The class most waited for, as a part of the threads' time; null: none is." }),
  })
  .readonly()
  .meta({ description: 'What keeps the threads of a cell from being as fast together as each of them alone.' });

export const cellSchema = z
  .strictObject({
    id: z.string(),
    suite: z.enum(['primitives', 'locks', 'strategies']),
    group: z.string(),
    subject: z.string().meta({ description: 'The lock or the strategy.' }),
    params,
    threads: whole,
    oversubscribed: z
      .boolean()
      .meta({ description: 'More threads than cores: its rank says how the scheduler shares.' }),
    failures: z.array(z.string()).readonly().meta({ description: 'Rounds that gave no figure, and why.' }),
    rounds: z.array(roundSchema).readonly(),
    metrics: z.record(z.string(), estimateSchema).readonly(),
    fairness: z
      .strictObject({ max: z.number(), min: z.number(), unfair: z.boolean() })
      .readonly()
      .nullable()
      .meta({ description: 'Operations of the busiest and the idlest thread; unfair: more than twice as many (???).' }),
    limit: limitSchema.optional(),
    histogram: z
      .array(z.tuple([z.number(), whole]))
      .readonly()
      .nullable()
      .meta({ description: 'Largest value of a bucket in nanoseconds, and how many; of all rounds.' }),
    heat: heatSchema.nullable().meta({ description: 'Of the last round.' }),
  })
  .readonly();

const ratioSchema = z
  .strictObject({
    cell: z.string(),
    reference: z.string(),
    metric: z.string(),
    ratio: estimateSchema,
    differs: z.boolean().nullable().meta({ description: 'null: too few rounds to say.' }),
  })
  .readonly();

const claimSchema = z
  .strictObject({
    cell: z.string(),
    base: z.string(),
    metric: z.string(),
    asked: z.enum(['at least', 'at most']),
    bound: z.number(),
    figure: estimateSchema,
    holds: z.boolean().nullable().meta({
      description: 'null: the bound lies in the interval, there are too few rounds, or others used the cores.',
    }),
  })
  .readonly()
  .meta({ description: 'What is asked of a design, and whether the interval of its figure lies on that side.' });

export const benchSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    runId: z.string(),
    seed: whole,
    startedAt: z.string(),
    durationMs: z.number(),
    interrupted: z.boolean(),
    command: z.string(),
    options: z
      .strictObject({
        suites: z.array(z.string()).readonly(),
        rounds: whole,
        cellMs: z.number(),
        warmupMs: z.number(),
        quick: z.boolean(),
        filter: z.string().nullable(),
        strategyFiles: z
          .record(z.string(), z.string())
          .readonly()
          .optional()
          .meta({ description: "Users' own strategies by name: SHA-256 of the file." }),
      })
      .readonly(),
    environment: z
      .strictObject({
        node: z.string(),
        platform: z.string(),
        cpu: z.string(),
        cores: whole,
        governor: z.string().nullable(),
        loadavg: z.number(),
        commit: z.string().nullable(),
        version: z.string(),
      })
      .readonly(),
    rounds: z
      .array(
        z
          .strictObject({
            order: z.array(whole).readonly().meta({ description: 'Indices of cells, in the order in which they ran.' }),
            steal: figure.meta({ description: 'Part of the CPU time that a hypervisor took away.' }),
            others: figure.meta({ description: 'Part of the CPU time that other processes used.' }),
          })
          .readonly(),
      )
      .readonly(),
    notes: z.array(z.string()).readonly(),
    cells: z.array(cellSchema).readonly(),
    ratios: z.array(ratioSchema).readonly(),
    claims: z.array(claimSchema).readonly().optional(),
  })
  .meta({ title: 'odptorture bench.json', description: 'What `odptorture bench` has measured.' });

export type BenchResult = Readonly<z.infer<typeof benchSchema>>;
export type BenchCell = BenchResult['cells'][number];
export type BenchRound = BenchCell['rounds'][number];
export type BenchRatio = BenchResult['ratios'][number];
export type BenchClaim = NonNullable<BenchResult['claims']>[number];
export type BenchLimit = NonNullable<BenchCell['limit']>;
export type SharedLock = NonNullable<BenchRound['sharedLocks']>[string];
export type Heat = NonNullable<BenchCell['heat']>;
export type FiniteEstimate = BenchCell['metrics'][string];
export type Suite = BenchCell['suite'];
export type Params = Readonly<Record<string, number | string>>;

/** Throws `ZodError` when it is no bench.json of this version. */
export const validateBench = (value: unknown): BenchResult => benchSchema.parse(value);

/** `odptorture schema bench`. */
export const benchJsonSchema = (): Record<string, unknown> => z.toJSONSchema(benchSchema) as Record<string, unknown>;
