import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { readJson, readSoakCheckpoint } from '../results/checkpoint.ts';
import { type CellLine, SOAK_FILES, type SoakCheckpoint } from '../results/soak-types.ts';
import { formatDuration } from '../scenario/duration.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import { parseThreshold, type Threshold } from '../scenario/threshold.ts';
import { type Campaign, parseCampaign, sha256 } from '../soak/campaign.ts';
import { lineDiff } from '../soak/diff.ts';
import { parseUntil, type Until } from '../soak/until.ts';
import { LOCK_STAT_LEVELS } from '../trace/lock-stat.ts';
import type { SoakFlags } from './soak-options.ts';

/** What decides which cells a soak runs; a resume goes on under the same. */
const settingsSchema = z.strictObject({
  seed: z.int().min(1),
  cellMs: z.number().positive().nullable(),
  repeatEach: z.int().min(1),
  judge: z.enum(['violations', 'expectations']),
  thresholds: z.array(z.string()).nullable(),
  /** In place of the scenarios'. A soak of an earlier version has none. */
  lockStat: z.enum(LOCK_STAT_LEVELS).nullable().default(null),
  /** `--last-failed`: these cells only. */
  only: z.array(z.strictObject({ entry: z.string(), seed: z.int().min(1) })).nullable(),
});
export type SoakSettings = z.output<typeof settingsSchema>;

/** Members of run.json that a resume reads; it holds more, for people. */
const runSchema = z.looseObject({
  kind: z.literal('soak'),
  campaign: z.object({ name: z.string(), file: z.string(), isFile: z.boolean(), cwd: z.string() }),
  settings: settingsSchema,
  limits: z.object({ durationMs: z.number().nullable(), until: z.array(z.string()) }),
  environment: z.looseObject({ node: z.string(), commit: z.string().nullable(), version: z.string() }),
  inputs: z.array(z.object({ path: z.string(), copy: z.string(), sha256: z.string() })),
});
export type SoakRun = z.output<typeof runSchema>;

export const INPUTS = 'inputs';
export const CAMPAIGN_COPY = `${INPUTS}/campaign.yaml`;

/** A soak as its folder has it. */
export interface Earlier {
  readonly dir: string;
  readonly run: SoakRun;
  readonly campaign: Campaign;
}

/** Reads what a soak was. Throws `ODP_E_RESUME`. */
export function readEarlier(given: string, cwd: string): Earlier {
  const path = resolve(cwd, given);
  // A link such as `latest` may point elsewhere by the time of the next resume.
  const dir = existsSync(path) ? realpathSync(path) : path;
  const file = join(dir, SOAK_FILES.run);
  const parsed = runSchema.safeParse(readJson(file, 'there is no soak to go on with'));
  if (!parsed.success) {
    const { path: member, message } = parsed.error.issues[0]!;
    throw refusal(file, `it is not the run.json of a soak: ${member.join('.')}: ${message}`);
  }
  const copy = join(dir, CAMPAIGN_COPY);
  const { file: name } = parsed.data.campaign;
  return { dir, run: parsed.data, campaign: parseCampaign(readText(copy), name) };
}

const refusal = (at: string, message: string): OdpError => new OdpError({ code: 'ODP_E_RESUME', message, at });

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw refusal(file, `cannot be read: ${systemReason(error)}`);
  }
}

/**
 * Cells of a changed scenario are other cells: their counts must not be added up with those of before. Throws `ODP_E_RESUME` for the
 * first file that is not what it was; `show` gets what has changed in it, line by line.
 */
export function checkUnchanged({ dir, run }: Earlier, show: (line: string) => void): void {
  const { campaign } = run;
  const all = [
    ...(campaign.isFile
      ? [{ path: campaign.file, copy: CAMPAIGN_COPY, sha256: sha256(readText(join(dir, CAMPAIGN_COPY))) }]
      : []),
    ...run.inputs,
  ];
  for (const { path, copy, sha256: before } of all) {
    const now = readText(path);
    if (sha256(now) === before) continue;
    for (const line of [`--- ${copy}`, `+++ ${path}`, ...lineDiff(readText(join(dir, copy)), now)]) show(line);
    throw refusal(path, 'it has changed since the soak began, see above; put it back, or begin a new soak');
  }
}

/** What is not refused but must be known: other code may count in another way. */
export function changedEnvironment({ run }: Earlier, now: SoakRun['environment']): string[] {
  const names = ['version', 'commit', 'node'] as const;
  return names
    .filter((name) => run.environment[name] !== now[name])
    .map((name) => `${name} was ${run.environment[name]} when the soak was last begun, and is ${now[name]} now`);
}

/** Throws `ODP_E_RESUME` when a flag asks for other cells than the soak's. */
export function checkSameCells(given: string | undefined, flags: SoakFlags, { run, dir }: Earlier): void {
  const { settings } = run;
  if (given !== undefined || flags.scenario !== undefined || flags.strategy !== undefined)
    throw refusal(dir, 'a soak that goes on has its own campaign; leave out the names of scenarios and strategies');
  const differing: readonly (readonly [string, unknown, unknown, (value: never) => string])[] = [
    ['--seed', flags.seed, settings.seed, String],
    ['--cell', flags.cell, settings.cellMs, (ms: number) => formatDuration(ms)],
    ['--repeat-each', flags.repeatEach, settings.repeatEach, String],
    ['--lock-stat', flags.lockStat, settings.lockStat, String],
    [
      '--threshold',
      flags.threshold?.map(({ text }) => text).join(', '),
      settings.thresholds?.join(', ') ?? null,
      String,
    ],
  ];
  for (const [name, now, before, show] of differing)
    if (now !== undefined && now !== before)
      throw refusal(
        dir,
        `${name} was ${before === null ? 'not given' : show(before as never)}, and is ${show(now as never)} now`,
      );
}

export interface Limits {
  readonly durationMs: number | null;
  readonly until: readonly Until[];
}

/** When a resumed soak ends: what is given now, or else what it was told first. Throws `ODP_E_RESUME` when that is over. */
export function limitsOfResume(flags: SoakFlags, { run, dir }: Earlier, checkpoint: SoakCheckpoint): Limits {
  const until = flags.until ?? run.limits.until.map((text) => parseUntil(text) as Until);
  const durationMs = flags.duration ?? (flags.stopAt === undefined ? run.limits.durationMs : null);
  const spent = durationMs !== null && checkpoint.elapsedMs >= durationMs;
  const isSame = flags.until === undefined && flags.duration === undefined && flags.stopAt === undefined;
  if (spent || (checkpoint.finished && isSame))
    throw refusal(
      dir,
      `nothing is left to do after ${formatDuration(checkpoint.elapsedMs)}; a larger -d (all sessions together), or another --until or --stop-at, would give it more`,
    );
  return { durationMs, until };
}

export const thresholdsOf = (settings: SoakSettings): readonly Threshold[] | undefined =>
  settings.thresholds?.map((text) => parseThreshold(text) as Threshold);

/** Cells that failed, in order, each once. Throws `ODP_E_USAGE` when none did. */
export function failedCells({ dir, run }: Earlier): { entry: string; seed: number }[] {
  const { offsets } = readSoakCheckpoint(dir);
  const text = readText(join(dir, SOAK_FILES.cells));
  const lines = Buffer.from(text).subarray(0, offsets.cells).toString().split('\n');
  const failed = new Map<string, { entry: string; seed: number }>();
  for (const line of lines.filter((one) => one !== '').map((one) => JSON.parse(one) as CellLine)) {
    const bad = run.settings.judge === 'violations' ? line.verdict === 'FAILURE' : line.asExpected === false;
    if (!line.canary && (bad || line.fault !== undefined))
      failed.set(`${line.entry} ${line.seed}`, { entry: line.entry, seed: line.seed });
  }
  if (failed.size === 0) throw new OdpError({ code: 'ODP_E_USAGE', message: 'no cell failed there', at: dir });
  return [...failed.values()];
}
