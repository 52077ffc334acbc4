import { type Host, openHost } from '../../src/explore/control/host.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { judgeSchedule } from '../../src/explore/search/search.ts';
import { LITMUS_MAX_STEPS, litmusSubject } from '../../src/explore/subject/litmus.ts';
import type { Finding } from '../../src/explore/subject/subject.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { expectationOf } from '../../src/torture/result.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld } from '../../src/world/world.ts';

export const LITMUS = [
  'seed-madvise-around-register',
  'seed-fault-in-section',
  'clamp-stolen-decrement',
  'truncate-around-register',
] as const;

/** A shipped litmus scenario under one design. The tests run in dist/test/explore. */
export function litmusPlanOf(name: string, strategy: string): CellPlan {
  const file = new URL(`../../../scenarios/litmus/${name}.yaml`, import.meta.url).pathname;
  return resolveCells(loadScenario(file), { strategies: [strategy] })[0]!;
}

/** What the litmus file says that a design earns. */
export function expectedOf(plan: CellPlan): { readonly must: readonly string[]; readonly may: readonly string[] } {
  return expectationOf(attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4)));
}

export async function withLitmus<T>(
  plan: CellPlan,
  use: (host: Host) => T,
  maxSteps: number = LITMUS_MAX_STEPS,
): Promise<T> {
  const subject = litmusSubject(plan);
  const host = await openHost({ kind: 'litmus', plan }, subject, {
    threads: subject.threads,
    maxSteps,
    timeouts: 0,
    hangMs: 20_000,
    granularity: 'lock',
  });
  try {
    return use(host);
  } finally {
    await host.close();
  }
}

/** Runs one schedule that a seed draws; what is wrong with it. */
export function runRandom({ engine, subject }: Host, seed: number, recording = false): readonly Finding[] {
  const outcome = engine.run({ prefix: [], policy: pickerId('random'), seed, recording });
  return judgeSchedule(engine, subject, outcome);
}

/** Seeds that are not 0. */
export const seedOf = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) | 1) >>> 0;
