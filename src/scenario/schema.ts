import { z } from 'zod';
import { MAX_FRAMES, MAX_MKEYS } from '../hca/device.ts';
import { ERAS } from '../mm/era.ts';
import { MAX_FILE_PAGES, MAX_FILES } from '../mm/frame.ts';
import { MAX_THREADS as MODEL_THREADS } from '../mm/section.ts';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { DEFAULT_SPINS } from '../sync/task.ts';
import { EXPOSURES } from '../trace/counters.ts';
import { LOCK_STAT_LEVELS } from '../trace/lock-stat.ts';
import { POINT, type PointName } from '../trace/points.ts';
import { DEFAULT_HCA, DEFAULT_PERTURB, DEFAULT_TRACE, LOAD_BOUNDS } from './defaults.ts';
import { DURATION_PATTERN, parseDuration } from './duration.ts';
import { injectSchema, killSchema, stallSchema } from './inject.ts';
import { LOAD_ROLES } from './plan.ts';
import { parseThreshold, type Threshold } from './threshold.ts';

/** Pages of an address space: page numbers must stay small integers, and a word is kept for each in every address space. */
export const MAX_PAGES = 2 ** 20;
/** Threads of one cell that a scenario may ask for: all but the supervisor. */
export const MAX_THREADS = MODEL_THREADS - 1;
export const MAX_LOCK_SPINS = 100_000;

const count = (max: number, min = 1) => z.int().min(min).max(max);
const probability = z.number().min(0).max(1);
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'must be a name: letters, digits, - and _');

/** Milliseconds, written as a duration. */
export const duration = z
  .string()
  .regex(DURATION_PATTERN, "must be a duration, as in '500ms', '5s', '1h30m'")
  .transform((text, ctx) => {
    const ms = parseDuration(text);
    if (ms !== null) return ms;
    ctx.addIssue({ code: 'custom', message: 'must be a duration above 0' });
    return z.NEVER;
  })
  .meta({ description: 'Such as 500ms, 5s, 2m, 8h, 1h30m.' });

const threshold = z.string().transform((text, ctx): Threshold => {
  const parsed = parseThreshold(text);
  if (typeof parsed !== 'string') return parsed;
  ctx.addIssue({ code: 'custom', message: parsed });
  return z.NEVER;
});

const pageRange = z
  .tuple([count(MAX_PAGES), count(MAX_PAGES)])
  .refine(([min, max]) => min <= max, 'the first number must not be above the second')
  .meta({ description: 'Fewest and most pages of one operation.' });

const threads = z.union([
  count(MAX_THREADS, 0),
  z.strictObject({
    count: count(MAX_THREADS, 0),
    pages: pageRange.optional(),
    pauseUs: z.number().min(0).max(1e9).optional().meta({ description: 'Pause after each operation, microseconds.' }),
    mm: z.int().min(0).optional().meta({ description: 'The mm it works on; by default the threads take turns.' }),
    child: z.int().min(0).optional().meta({ description: 'fork: the mm of the children; no area may be in it.' }),
  }),
]);

const hca = z.strictObject({
  mrs: count(MAX_MKEYS - 1)
    .default(DEFAULT_HCA.mrs)
    .meta({ description: 'Memory regions registered at the same time.' }),
  mrPages: count(MAX_PAGES).optional().meta({ description: 'Largest region, pages.' }),
  queue: count(65_536).default(DEFAULT_HCA.queue).meta({ description: 'Length of the page-request queue.' }),
  faultTimeoutMs: count(3_600_000)
    .default(DEFAULT_HCA.faultTimeoutMs)
    .meta({ description: 'How long a refused fault waits for the notifier.' }),
});

const perturb = z.union([
  z.literal('off'),
  z.strictObject({
    site: probability
      .default(DEFAULT_PERTURB.site)
      .meta({ description: 'Probability that a point is a site in a cell.' }),
    fire: probability.default(DEFAULT_PERTURB.fire).meta({ description: 'Probability that an active site fires.' }),
    spinMaxUs: z.number().min(0).max(1e6).default(DEFAULT_PERTURB.spinMaxUs),
    sleep: probability.default(DEFAULT_PERTURB.sleep).meta({ description: 'Part of the delays that sleep.' }),
    sleepMaxUs: z.number().min(0).max(1e7).default(DEFAULT_PERTURB.sleepMaxUs),
    always: z
      .array(z.enum(Object.keys(POINT) as [PointName, ...PointName[]]))
      .default([])
      .meta({ description: 'Points that are sites in every cell.' }),
  }),
]);

const powerOfTwo = z
  .int()
  .min(16)
  .max(65_536)
  .refine((n) => (n & (n - 1)) === 0, 'must be a power of two');
const trace = z.strictObject({
  on: z.boolean().default(DEFAULT_TRACE.on),
  ring: powerOfTwo.default(DEFAULT_TRACE.ring).meta({ description: "Records in each thread's ring." }),
  window: count(4096)
    .default(DEFAULT_TRACE.window)
    .meta({ description: 'Records of each thread that a violation keeps.' }),
  keep: count(10_000, 0).default(DEFAULT_TRACE.keep).meta({ description: 'Full records kept of each signature.' }),
  slots: count(4096).default(DEFAULT_TRACE.slots).meta({ description: 'Full records that wait in the arena.' }),
});

const bounds = z.strictObject({
  auditIntervalMs: count(3_600_000).default(LOAD_BOUNDS.auditIntervalMs),
  parkBoundMs: count(3_600_000).default(LOAD_BOUNDS.parkBoundMs),
  starvationAttempts: count(1e9).default(LOAD_BOUNDS.starvationAttempts),
  starvationOpportunities: count(1e9).default(LOAD_BOUNDS.starvationOpportunities),
  starvationTicks: count(1e9).default(LOAD_BOUNDS.starvationTicks),
  hangMs: count(86_400_000).default(LOAD_BOUNDS.hangMs),
});

const exposureNames = EXPOSURES.map((e) => e.name) as [string, ...string[]];
const evidence = z
  .partialRecord(z.enum(exposureNames), count(Number.MAX_SAFE_INTEGER, 0))
  .meta({ description: 'Exposures below which a cell without a violation is UNKNOWN.' });

const common = {
  name: name.optional().meta({ description: "Defaults to the file's name." }),
  description: z.string().min(1),
  hca: hca.prefault({}),
  notifier: z.enum(['static', 'dynamic']).default('static').meta({
    description: 'static: subscribed for the whole cell. dynamic: from the first region of a process to its last.',
  }),
  perturb: perturb.optional(),
  trace: trace.prefault({}),
  bounds: bounds.prefault({}),
  evidence: evidence.default({}),
  thresholds: z.array(threshold).default([]),
  era: z.enum(ERAS).optional().meta({ description: 'Kernel whose locking the mm follows. Default: v5.5.' }),
  lockDep: z
    .enum(['on', 'off'])
    .default('on')
    .meta({ description: 'Orders of locks are checked, and cycles in them reported.' }),
  lockStat: z.enum(LOCK_STAT_LEVELS).default('off').meta({
    description:
      'What is counted of locks: off (waits only), counts (acquisitions and bounces too), full (times and places too).',
  }),
  lockSpins: z
    .int()
    .min(0)
    .max(MAX_LOCK_SPINS)
    .optional()
    .meta({
      description: `Looks at a held lock before its waiter sleeps; 0: it sleeps at once. Default: ${DEFAULT_SPINS}.`,
    }),
  inject: injectSchema.optional(),
  stall: stallSchema.optional(),
};

const areaCommon = {
  at: z.int().min(0).max(MAX_PAGES).meta({ description: 'First page.' }),
  pages: count(MAX_PAGES),
  offset: z.int().min(0).max(MAX_PAGES).optional().meta({ description: 'First page of the file that it shows.' }),
  readonly: z.boolean().default(false),
  mm: z.int().min(0).default(0),
};

const memoryCommon = {
  frames: count(MAX_FRAMES - 1)
    .optional()
    .meta({ description: 'Page frames; by default enough for everything.' }),
  pages: count(MAX_PAGES).meta({ description: 'Size of each address space.' }),
  mms: count(64).default(1),
  vmas: count(MAX_PAGES).optional().meta({ description: 'VMA objects; by default enough for every split.' }),
};

const kindOfArea = z.enum(['anon', 'file']);

export const loadSchema = z.strictObject({
  kind: z.literal('load'),
  ...common,
  memory: z.strictObject({
    ...memoryCommon,
    pressure: count(1e6)
      .optional()
      .meta({ description: 'Memory is short: of so many page-table allocations one enters direct reclaim.' }),
    files: z
      .array(z.strictObject({ pages: count(MAX_FILE_PAGES) }))
      .max(MAX_FILES)
      .default([]),
    areas: z
      .array(z.strictObject({ kind: kindOfArea, file: z.int().min(0).optional(), ...areaCommon }))
      .optional()
      .meta({ description: 'VMAs at the start; by default one anonymous area is the whole address space.' }),
  }),
  threads: z.partialRecord(z.enum(LOAD_ROLES), threads),
  duration: duration.prefault('5s'),
  kill: killSchema.optional(),
});

const step = z.string().regex(/^\S+( \S+){1,3}$/, "must be 'verb target', as in 'madvise A'");
const oracle = z.enum(ORACLE_NAMES);

export const litmusSchema = z.strictObject({
  kind: z.literal('litmus'),
  ...common,
  memory: z.strictObject({
    ...memoryCommon,
    areas: z.array(z.strictObject({ kind: kindOfArea, file: name.optional(), ...areaCommon })).optional(),
    pressure: name
      .optional()
      .meta({ description: 'Memory is short: page-table allocations enter direct reclaim, which takes this range.' }),
  }),
  files: z.record(name, z.strictObject({ pages: count(MAX_FILE_PAGES) })).default({}),
  ranges: z
    .record(name, z.strictObject({ at: areaCommon.at, pages: areaCommon.pages, mm: areaCommon.mm }))
    .meta({ description: 'Named page ranges, for the steps.' }),
  iterations: count(1e9).default(100),
  duration: duration.prefault('10s').meta({ description: 'The longest that all iterations may take.' }),
  setup: z.array(step).default([]).meta({ description: 'Done before each iteration.' }),
  threads: z.record(name, z.array(step).min(1)).meta({ description: 'One program for each thread.' }),
  order: z
    .array(z.string().regex(/^\S+ \S+$/, "must be 'thread point', as in 'T1 section.started'"))
    .max(64)
    .default([])
    .meta({ description: 'Points that must happen in this order.' }),
  expect: z
    .record(z.string(), z.strictObject({ must: z.array(oracle).default([]), may: z.array(oracle).default([]) }))
    .default({}),
});

export type LoadScenario = z.output<typeof loadSchema>;
export type LitmusScenario = z.output<typeof litmusSchema>;
export type Scenario = LoadScenario | LitmusScenario;

/** JSON Schema of a scenario file, for editors. */
export const scenarioJsonSchema = (): Record<string, unknown> => ({
  title: 'odptorture scenario',
  ...z.toJSONSchema(z.discriminatedUnion('kind', [loadSchema, litmusSchema]), { io: 'input' }),
});
