import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Checkpoint, type ExploreSettings, readCheckpoint } from '../explore/pipeline/checkpoint.ts';
import type { PipelineState } from '../explore/pipeline/pipeline.ts';
import { OdpError } from '../scenario/errors.ts';
import type { ExploreFlags } from './explore-options.ts';
import { findTargets, type Targets } from './explore-targets.ts';

export interface Resumed {
  readonly targets: Targets;
  readonly settings: ExploreSettings;
  readonly schedules: number | null;
  readonly durationMs: number;
  readonly from: Checkpoint;
}

/**
 * What `--resume DIR` goes on with. Which schedule has which number depends on the settings, so they are the checkpoint's; a budget may be
 * another one. Throws `ODP_E_RESUME` when the target, or a setting that was given, is not the same.
 */
export async function resumed(
  given: string | undefined,
  flags: ExploreFlags,
  root: string,
  cwd: string,
): Promise<Resumed> {
  const dir = resolve(cwd, flags.resume!);
  const from = readCheckpoint(dir);
  const refuse = (message: string): OdpError => new OdpError({ code: 'ODP_E_RESUME', message, at: flags.resume! });
  for (const [name, before] of Object.entries(from.settings)) {
    const now = (flags as unknown as Readonly<Record<string, unknown>>)[name];
    if (now !== undefined && !isDeepStrictEqual(now, before))
      throw refuse(
        `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} was ${before ?? 'not given'}, and is ${now} now`,
      );
  }
  const strategies = from.explorations.flatMap(({ strategy, strategyFile }) =>
    strategy === null ? [] : [strategyFile ?? strategy],
  );
  const targets = await findTargets(from.target, withStrategies(flags, strategies), root, cwd);
  if (given !== undefined && (await findTargets(given, flags, root, cwd)).file !== targets.file)
    throw refuse(`it explored '${targets.given}', not '${given}'`);
  targets.list.forEach(({ name, hash }, i) => {
    if (from.explorations[i]?.name !== name || from.explorations[i]?.hash !== hash)
      throw refuse(`'${name}' has changed since: its schedules are no longer the same; explore it from the start`);
  });
  const schedules = flags.schedules ?? from.schedules;
  const durationMs = flags.duration ?? from.durationMs;
  if (from.explorations.every(({ state }) => isOver(state, from.settings, schedules, durationMs)))
    throw refuse('nothing is left to do; a larger -d or --schedules, both in all, would give it more');
  return { targets, settings: from.settings, schedules, durationMs, from };
}

function isOver(
  state: PipelineState | null,
  settings: ExploreSettings,
  schedules: number | null,
  durationMs: number,
): boolean {
  if (state === null) return false;
  if (state.proved || (!settings.all && state.found.length > 0)) return true;
  return state.elapsedMs >= durationMs || (schedules !== null && state.tally.schedules >= schedules);
}

function withStrategies(flags: ExploreFlags, strategies: readonly string[]): ExploreFlags {
  const { strategy: _, ...rest } = flags;
  return strategies.length === 0 ? rest : { ...rest, strategy: strategies };
}
