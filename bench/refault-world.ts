import type { Vpn } from '../src/memory/address.ts';
import { registerMr } from '../src/odp/memory-region.ts';
import type { Ucontext } from '../src/odp/ucontext.ts';
import type { CellPlan, ThreadPlan } from '../src/scenario/plan.ts';
import { setUpMemory } from '../src/torture/areas.ts';
import { type Actor, createActor } from '../src/trace/actor.ts';
import type { LockStatLevel } from '../src/trace/lock-stat.ts';
import { NULL_OBSERVER } from '../src/trace/observer.ts';
import { attachThread } from '../src/world/actor.ts';
import { arenaWords } from '../src/world/size.ts';
import { attachWorld, initWorld, type World } from '../src/world/world.ts';

/** Which world a refault is measured in. */
export interface RefaultConfig {
  readonly strategy: string;
  /** What the model tells its facts to: nobody, or the oracles of a cell. */
  readonly observer: 'none' | 'oracles';
  readonly trace: boolean;
  /** Threads that the world is made for. */
  readonly threads: number;
  /** Default: off. */
  readonly lockStat?: LockStatLevel;
}

/** Pages of the one area, all of them in one memory region. */
export const PAGES = 16;
export const TIMEOUT_MS = 1000;

/** A cell without perturbation, one small anonymous area and one region. */
export function refaultPlan({ strategy, trace, threads, lockStat = 'off' }: RefaultConfig): CellPlan {
  const thread = (tid: number): ThreadPlan => ({
    tid,
    role: 'program',
    name: `bench-${tid}`,
    mm: 0,
    minPages: 1,
    maxPages: 1,
    pauseUs: 0,
  });
  return {
    scenario: 'bench',
    kind: 'load',
    strategy,
    era: 'v5.5',
    seed: 1,
    params: {},
    durationMs: 1000,
    memory: {
      mms: 1,
      pages: PAGES,
      frames: 2 * PAGES,
      files: [],
      areas: [{ mm: 0, at: 0, pages: PAGES, file: -1, offset: 0, writable: true }],
      vmas: 4,
      pressure: null,
    },
    hca: { mrs: 1, mrPages: PAGES, queue: 4, faultTimeoutMs: TIMEOUT_MS },
    threads: Array.from({ length: threads }, (_, tid) => thread(tid)),
    perturb: null,
    trace: { on: trace, ring: 256, window: 8, keep: 1, slots: 1 },
    bounds: {
      auditIntervalMs: 1000,
      parkBoundMs: 100,
      starvationAttempts: 256,
      starvationOpportunities: 64,
      starvationTicks: 300,
      hangMs: 5000,
    },
    litmus: null,
    evidence: {},
    expect: {},
    ...(lockStat === 'off' ? {} : { lockStat }),
  };
}

/** The first thread of a new world, and a registered region of it. */
export interface RefaultWorld {
  readonly actor: Actor;
  readonly ctx: Ucontext;
  readonly key: number;
  readonly world: World;
}

/** Makes the world of a configuration and registers its region. */
export function openRefaultWorld(config: RefaultConfig): RefaultWorld {
  const plan = refaultPlan(config);
  const world = attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
  initWorld(world);
  const cell = attachThread(world, 0, 0);
  const actor =
    config.observer === 'oracles'
      ? cell.actor
      : createActor({ ...cell.actor, observer: NULL_OBSERVER, seed: cell.actor.rng });
  setUpMemory(actor, world);
  const ctx = world.contexts[0]!;
  const key = registerMr(actor, ctx, plan.era, 0 as Vpn, PAGES);
  if (key === 0) throw new Error('bench: the region was not registered');
  return { actor, ctx, key, world };
}
