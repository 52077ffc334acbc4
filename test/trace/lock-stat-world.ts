import type { Addr } from '../../src/memory/address.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { lockStatView } from '../../src/torture/lock-figures.ts';
import type { Actor } from '../../src/trace/actor.ts';
import type { LockStatLevel } from '../../src/trace/lock-stat.ts';
import { type LockSum, sumLocks } from '../../src/trace/lock-stat-sums.ts';
import { attachThread } from '../../src/world/actor.ts';
import { attachWorld, initWorld, layoutWorld, type World } from '../../src/world/world.ts';
import { bedPlan } from '../oracles/fixture.ts';

/** A cell's world whose locks are counted, for threads that only take locks. */
export const planOf = (level: LockStatLevel) => ({ ...bedPlan(), ...(level === 'off' ? {} : { lockStat: level }) });

export interface Locks {
  readonly world: World;
  readonly mutex: Addr;
  readonly sem: Addr;
  actor(tid: number): Actor;
}

/** The views of one thread; without a buffer, of a new world. */
export function openLocks(level: LockStatLevel, buffer?: SharedArrayBuffer): Locks {
  const plan = planOf(level);
  const world = attachWorld(
    plan,
    buffer ?? new SharedArrayBuffer(layoutWorld(plan, contextCount).words * 4),
    contextCount,
  );
  if (buffer === undefined) initWorld(world);
  return {
    world,
    mutex: world.mm.allLocksMutex,
    sem: world.mm.mms[0]!.mmapLock,
    actor: (tid) => attachThread(world, tid, 0).actor,
  };
}

/** Rows by name as lock_stat writes it. */
export const rowsOf = ({ world }: Locks, untilMs = 0): Record<string, LockSum> =>
  Object.fromEntries(sumLocks(lockStatView(world, untilMs)).map((row) => [`${row.name}-${row.mode}`, row]));

/** What a thread of lock-stat-worker.ts does. */
export interface LockStatTask {
  readonly buffer: SharedArrayBuffer;
  readonly level: LockStatLevel;
  readonly tid: number;
  /** Behind one of the mutex, for which thread 1 waits. */
  readonly rounds: number;
}
