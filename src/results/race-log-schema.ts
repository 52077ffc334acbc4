import { z } from 'zod';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { POINT, type PointName } from '../trace/points.ts';
import type { SoakViolation } from './race-log.ts';
import type { LockDescription } from './types.ts';

const whole = z.int();
const lock = z
  .strictObject({
    name: z.string(),
    address: whole,
    mode: z.enum(['mutex', 'spin', 'read', 'write', 'srcu', 'map', 'slot']),
  })
  .readonly() satisfies z.ZodType<LockDescription>;

const points = Object.keys(POINT) as [PointName, ...PointName[]];

/** A line of races-<n>.ndjson. */
const recordSchema = z.strictObject({
  level: z.literal('error').meta({ description: 'For tools that read logs.' }),
  time: z.string().meta({ description: 'Wall clock, ISO 8601.' }),
  oracle: z.enum(ORACLE_NAMES),
  signature: z.string().meta({
    description:
      'Groups violations of one kind: oracle/strategy/role of the thread that noticed it; in a soak also its last point.',
  }),
  nth: whole.min(1).meta({ description: 'Running number within the signature: in the cell, or in the whole soak.' }),
  scenario: z.string(),
  strategy: z.string(),
  seed: whole.min(1),
  atMs: z.number().meta({ description: "Since the cell's start." }),
  thread: z.strictObject({ tid: whole.min(0), name: z.string() }).readonly(),
  point: z
    .enum(points)
    .exactOptional()
    .meta({ description: 'The last step of the protocol that this thread had passed.' }),
  umem: whole.exactOptional(),
  key: whole.exactOptional(),
  range: z.strictObject({ start: whole, last: whole }).readonly().exactOptional(),
  page: whole.exactOptional(),
  frame: whole.exactOptional(),
  generation: z.strictObject({ entry: whole, frame: whole }).readonly().exactOptional(),
  identity: z.strictObject({ expected: whole, found: whole }).readonly().exactOptional(),
  counter: z.strictObject({ value: whole, expected: whole, seq: whole }).readonly().exactOptional(),
  lockOrder: z
    .strictObject({
      kind: z.enum(['circular', 'recursive']),
      acquiring: lock,
      holding: lock,
      chain: z
        .array(
          z
            .strictObject({
              from: z.string(),
              to: z.string(),
              modes: z.array(z.enum(['EN', 'ER', 'SN', 'SR'])).readonly(),
              thread: z.string(),
              point: z.string().nullable(),
            })
            .readonly(),
        )
        .readonly(),
      held: z.array(lock).readonly(),
    })
    .readonly()
    .exactOptional(),
  detail: z.string().meta({ description: 'One sentence for people; for a deadlock the wait-for cycle.' }),
  names: z.array(z.string()).readonly().meta({ description: 'Threads of the cell, by tid.' }),
  window: z
    .array(
      z
        .strictObject({
          tid: whole.min(0),
          timeMs: z.number(),
          point: z.enum(points),
          args: z.tuple([whole, whole, whole]).readonly(),
          op: whole,
        })
        .readonly(),
    )
    .readonly()
    .meta({ description: 'Points around it, of every thread, in order of time.' }),
  cell: whole.min(0).exactOptional().meta({ description: 'Soak: index of the cell.' }),
  t: z.number().exactOptional().meta({ description: 'Soak: soak time, ms.' }),
});
export type RaceRecord = z.output<typeof recordSchema>;

/** Throws `ZodError`. */
export const parseRaceRecord = (data: unknown): RaceRecord => recordSchema.parse(data);

/** Whatever is logged is a record of the schema. */
export const RECORD_SCHEMA_TAKES_THE_TYPE: SoakViolation extends Omit<RaceRecord, 'level' | 'time'> ? true : false =
  true;

export const racesJsonSchema = (): Record<string, unknown> => ({
  title: 'odptorture race log',
  ...z.toJSONSchema(recordSchema),
});
