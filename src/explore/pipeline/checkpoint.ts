import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { OdpError, systemReason } from '../../scenario/errors.ts';
import type { SubjectSpec } from '../subject/subject.ts';
import type { PipelineState } from './pipeline.ts';
import { POLICIES } from './pipeline-policy.ts';

export const CHECKPOINT_FILE = 'checkpoint.json';

/** What decides which schedule has which number; another run can only go on under the same. */
const settingsSchema = z.strictObject({
  policy: z.enum(POLICIES),
  bound: z.int().min(0).nullable(),
  seed: z.int().min(1),
  granularity: z.enum(['lock', 'atomic']),
  timeouts: z.int().min(0),
  maxSteps: z.int().min(1),
  all: z.boolean(),
  races: z.boolean(),
});
export type ExploreSettings = z.output<typeof settingsSchema>;

const checkpointSchema = z.strictObject({
  checkpointVersion: z.literal(1),
  target: z.string(),
  settings: settingsSchema,
  schedules: z.int().min(1).nullable(),
  durationMs: z.number().positive(),
  explorations: z.array(
    z.strictObject({
      name: z.string(),
      strategy: z.string().nullable(),
      /** Of a user's own. */
      strategyFile: z.string().exactOptional(),
      /** Of the program's file, or of the plan. */
      hash: z.string(),
      /** A PipelineState; null: not begun. */
      state: z
        .looseObject({
          elapsedMs: z.number(),
          boundKept: z.int().default(-1),
          phases: z.array(z.unknown()),
          found: z.array(z.unknown()),
        })
        .nullable(),
    }),
  ),
});

export interface Checkpoint {
  readonly checkpointVersion: 1;
  readonly target: string;
  readonly settings: ExploreSettings;
  readonly schedules: number | null;
  readonly durationMs: number;
  readonly explorations: readonly {
    readonly name: string;
    readonly strategy: string | null;
    readonly strategyFile?: string;
    readonly hash: string;
    readonly state: PipelineState | null;
  }[];
}

export const formatCheckpoint = (checkpoint: Checkpoint): string => `${JSON.stringify(checkpoint)}\n`;

/** Throws `ODP_E_RESUME` with what is wrong. */
export function readCheckpoint(dir: string): Checkpoint {
  const file = join(dir, CHECKPOINT_FILE);
  const wrong = (message: string): OdpError => new OdpError({ code: 'ODP_E_RESUME', message, at: file });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw wrong(`there is no checkpoint to go on from: ${systemReason(error)}`);
  }
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw wrong('the checkpoint is damaged: it is not JSON');
  }
  const parsed = checkpointSchema.safeParse(data);
  if (parsed.success) return parsed.data as unknown as Checkpoint;
  const { path, message } = parsed.error.issues[0]!;
  throw wrong(`the checkpoint is damaged: ${path.join('.')}: ${message}`);
}

/** What must not have changed when an exploration goes on: the program's own file, or the whole plan. */
export function targetHash(spec: SubjectSpec): string {
  const hash = createHash('sha256');
  if (spec.kind === 'litmus') hash.update(JSON.stringify(spec.plan));
  else hash.update(readFileSync(fileURLToPath(spec.url)));
  return hash.digest('hex').slice(0, 16);
}
