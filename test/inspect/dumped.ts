import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.ts';
import { writeDump } from '../../src/results/arena-dump.ts';
import { takeImage } from '../../src/results/arena-image.ts';
import type { ViolationRecord } from '../../src/results/types.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld, initWorld, type World } from '../../src/world/world.ts';
import { underflow } from '../report/results-fixture.ts';

export const freshFolder = (): string => mkdtempSync(join(tmpdir(), 'odp-inspect-'));

/** A scenario's cell of a strategy. */
export function planOf(strategy: string, scenario = 'seed'): CellPlan {
  const [plan] = resolveCells(loadScenario(join(packageRoot(), `scenarios/${scenario}.yaml`)), {
    seed: 11,
    strategies: [strategy],
  });
  return plan!;
}

/** A cell that nobody runs: its words are the test's to write. */
export function quietWorld(plan: CellPlan): World {
  const world = attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
  initWorld(world);
  return world;
}

/** Dumps a world into a folder of its own. */
export async function dumped(root: string, world: World, record: Partial<ViolationRecord> = {}): Promise<string> {
  const folder = mkdtempSync(join(root, 'violation-'));
  mkdirSync(folder, { recursive: true });
  const image = takeImage(world, () => 120);
  await writeDump(folder, underflow({ strategy: world.plan.strategy, ...record }), image!, '0.1.0');
  return folder;
}
