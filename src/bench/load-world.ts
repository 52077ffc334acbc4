import type { Vpn } from '../memory/address.ts';
import { registerMr } from '../odp/memory-region.ts';
import { setUpMemory } from '../torture/areas.ts';
import { type Actor, createActor, MODE } from '../trace/actor.ts';
import { TRACE_HOOKS } from '../trace/lock-hooks.ts';
import { NULL_OBSERVER } from '../trace/observer.ts';
import { mixSeed } from '../trace/random.ts';
import { attachThread } from '../world/actor.ts';
import { attachWorld, initWorld, type World } from '../world/world.ts';
import { backgroundAt, HOT_PAGES, hotAt, type LoadConfig, type LoadJob } from './load-plan.ts';
import { takesOf, takesRecorder } from './lock-takes.ts';

/** A thread of a load cell. */
export interface LoadThread {
  readonly world: World;
  readonly actor: Actor;
}

/** A thread's views. Waits for locks are always timed: they are long beside the clock. */
export function openLoadThread({ plan, config, buffer, takes }: LoadJob, tid: number): LoadThread {
  const world = attachWorld(plan, buffer);
  // The zero of the cell's clock does not matter: all threads have the same.
  const cell = attachThread(world, tid, 0);
  const { lockHold } = cell.actor;
  const actor = createActor({
    ...cell.actor,
    ...(takes === undefined || lockHold === undefined
      ? {}
      : { lockHold: takesRecorder(lockHold, takesOf(takes, config.roles.length), tid) }),
    observer: config.observing === 'none' ? NULL_OBSERVER : cell.actor.observer,
    mode: config.observing === 'traced' ? MODE.trace : 0,
    hooks: TRACE_HOOKS,
    seed: mixSeed(config.seed, tid),
  });
  return { world, actor };
}

/** Keys of the regions on which faults are served: those of a thread's address space, by tid. */
export type HotKeys = readonly number[];

/**
 * Makes the world in a zeroed arena: memory, subscriptions, and every region that is there all the time. A thread of role refault gets a
 * region of its own; the others of an address space share the first.
 */
export function prepareLoad(job: LoadJob): HotKeys {
  const { config, plan } = job;
  const world = attachWorld(plan, job.buffer);
  initWorld(world);
  const { actor } = openLoadThread(job, 0);
  setUpMemory(actor, world);
  const register = (mm: number, at: number, pages: number): number => {
    const key = registerMr(actor, world.contexts[mm]!, plan.era, at as Vpn, pages);
    if (key === 0) throw new Error(`bench: a region at page ${at} was not registered`);
    return key;
  };
  const shared = world.contexts.map((_, mm) => (needsShared(config, mm) ? register(mm, 0, HOT_PAGES) : 0));
  const keys = config.roles.map((role, tid) =>
    role === 'refault' ? register(tid % config.mms, hotAt(config, tid), HOT_PAGES) : shared[tid % config.mms]!,
  );
  for (let mm = 0; mm < config.mms; mm++) {
    const own = config.roles.filter((role, tid) => role === 'refault' && tid % config.mms === mm).length;
    const there = own + (needsShared(config, mm) ? 1 : 0);
    for (let i = there; i < config.umems; i++) register(mm, backgroundAt(config) + i, 1);
  }
  return keys;
}

const needsShared = ({ roles, mms }: LoadConfig, mm: number): boolean =>
  roles.some((role, tid) => role !== 'refault' && tid % mms === mm);
