import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { OdpError } from '../scenario/errors.ts';
import { loadScenario, type Path } from '../scenario/load.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { type ResolveOptions, resolveCells } from '../scenario/resolve.ts';
import type { Threshold } from '../scenario/threshold.ts';
import type { LockStatLevel } from '../trace/lock-stat.ts';
import { type Campaign, located, sha256 } from './campaign.ts';

/** A kind of cell: what a rotation is made of. */
export interface Entry {
  /** `seed/context-count/v5.5`. */
  readonly key: string;
  /** Its seed is that of no cell. */
  readonly plan: CellPlan;
  readonly weight: number;
  readonly canary: boolean;
  readonly thresholds: readonly Threshold[];
  /** `--last-failed`: the seed of the cell that failed. */
  readonly seed?: number;
}

/** A file that the cells depend on. */
export interface Input {
  readonly path: string;
  readonly sha256: string;
  readonly text: string;
}

export interface Resolved {
  readonly entries: readonly Entry[];
  readonly inputs: readonly Input[];
}

export interface Surroundings {
  /** The file of a scenario by name or path. Throws `OdpError`. */
  findScenario(given: string, base: string): string;
  /** Loads the users' own strategies among these. */
  choose(names: readonly string[], base: string): Promise<Pick<ResolveOptions, 'strategies' | 'registry'>>;
  /** In place of the campaign's. */
  readonly cellMs?: number | undefined;
  /** In place of the scenarios'. */
  readonly lockStat?: LockStatLevel | undefined;
  readonly thresholds?: readonly Threshold[] | undefined;
  /** Where names that are paths begin, for a campaign that is no file. */
  readonly cwd: string;
}

/** Looks up every name in a campaign. Throws `OdpError` with the place in the file. */
export async function resolveCampaign(campaign: Campaign, around: Surroundings): Promise<Resolved> {
  const inputs = new Map<string, Input>();
  const entries = new Map<string, Entry>();
  const base = dirname(resolve(around.cwd, campaign.file));
  const add = async (
    scenario: string,
    strategies: readonly string[],
    paths: { readonly scenario: Path; readonly strategies: Path },
    more: Pick<Entry, 'weight' | 'canary'> & { readonly cellMs: number; readonly options: ResolveOptions },
  ): Promise<void> => {
    const file = located(campaign, paths.scenario, () => around.findScenario(scenario, base));
    const loaded = loadScenario(file);
    addInput(inputs, file);
    const chosen = await around.choose(strategies, base);
    const plans = located(campaign, paths.strategies, () =>
      resolveCells(loaded, {
        ...chosen,
        ...more.options,
        ...(loaded.scenario.kind === 'load' ? { durationMs: more.cellMs } : {}),
        ...(around.lockStat === undefined ? {} : { lockStat: around.lockStat }),
      }),
    );
    for (const plan of plans) {
      if (plan.strategyFile !== undefined) addInput(inputs, new URL(plan.strategyFile.url).pathname);
      const key = `${plan.scenario}/${plan.strategy}/${plan.era}${more.canary ? '/canary' : ''}`;
      const thresholds = more.canary ? [] : (around.thresholds ?? loaded.scenario.thresholds);
      const weight = (entries.get(key)?.weight ?? 0) + more.weight;
      entries.set(key, { key, plan, canary: more.canary, thresholds, weight });
    }
  };
  for (const [i, one] of campaign.cells.entries())
    for (const [j, scenario] of one.scenarios.entries())
      await add(
        scenario,
        one.strategies,
        { scenario: ['cells', i, 'scenarios', j], strategies: ['cells', i, 'strategies'] },
        {
          weight: one.weight,
          canary: false,
          cellMs: around.cellMs ?? one.cell ?? campaign.cell,
          options: {
            ...(one.era === undefined ? {} : { eras: one.era }),
            ...(one.param === undefined ? {} : { params: one.param }),
          },
        },
      );
  const { canary } = campaign;
  await add(
    canary.scenario,
    [canary.strategy],
    { scenario: ['canary', 'scenario'], strategies: ['canary', 'strategy'] },
    { weight: 1, canary: true, cellMs: Math.min(canary.cell, around.cellMs ?? canary.cell), options: {} },
  );
  return { entries: [...entries.values()], inputs: [...inputs.values()] };
}

function addInput(inputs: Map<string, Input>, path: string): void {
  if (inputs.has(path)) return;
  const text = readFileSync(path, 'utf8');
  inputs.set(path, { path, text, sha256: sha256(text) });
}

/** Only these cells, each once in a rotation, with their own seeds; and the canary. */
export function onlyCells(entries: readonly Entry[], cells: readonly { entry: string; seed: number }[]): Entry[] {
  const chosen = cells.map(({ entry, seed }): Entry => {
    const found = entries.find(({ key }) => key === entry);
    if (found === undefined)
      throw new OdpError({ code: 'ODP_E_RESUME', message: `the campaign no longer has cells of ${entry}` });
    return { ...found, seed, weight: 1 };
  });
  return [...chosen, ...entries.filter(({ canary }) => canary)];
}
