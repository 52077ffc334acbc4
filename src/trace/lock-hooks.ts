import type { Addr } from '../memory/address.ts';
import { CLS_OFFSET } from '../sync/lock-class.ts';
import { lastOwner, STAT, statRow } from '../sync/lock-stat.ts';
import type { HeldMode, SyncHooks, Task } from '../sync/task.ts';
import { type Actor, lastTime, timeNow } from './actor.ts';
import { HISTOGRAM } from './counters.ts';
import { bucketOf, HISTOGRAM_AT, HISTOGRAM_DOUBLES } from './histogram.ts';
import { FULL, fullRow, statRows, WAITING } from './lock-stat.ts';
import { point } from './point.ts';
import { POINT } from './points.ts';

/**
 * Contended locks become trace records, so that a timeline shows who waited for whom, and figures by lock class. A free lock comes
 * nowhere near here: only the slow paths call it, so the clock is read where a wait dwarfs it.
 *
 * A thread may be ended while it waits, and its wait must be counted once. It ends only where the engine looks for it, at a call or at
 * the turn of a loop: so each of the two writes its figures, together with the word that says that the thread waits, in one piece
 * without either, after all has been worked out.
 */
export const TRACE_HOOKS: SyncHooks = {
  contended(task: Task, lock: Addr, mode: HeldMode): number {
    const actor = task as Actor;
    const { f64, contention: block, lockStat, lockHold, tid } = actor;
    const row = statRow(task, lock, mode);
    const owner = lockStat === undefined ? 0 : lastOwner(task, lock);
    let waiter = 0;
    let holder = 0;
    if (lockHold !== undefined) {
      const places = fullRow(lockHold.full, row);
      waiter = lockHold.placeOf(actor, places + FULL.waiters, tid);
      if (owner !== 0) holder = lockHold.placeOf(actor, places + FULL.holders, owner - 1);
    }
    point(actor, POINT['lock.contended'], lock, mode, task.mem[lock + CLS_OFFSET]);
    const since = f64[lastTime(actor)];
    const figures = statRows(block) + row;
    // From here on neither call nor loop.
    if (waiter !== 0) f64[waiter] += 1;
    if (holder !== 0) f64[holder] += 1;
    if (owner !== 0 && owner !== tid + 1) f64[figures + STAT.conBounces] += 1;
    f64[block + WAITING.since] = since;
    f64[block + WAITING.row] = row + 1;
    return since;
  },
  acquired(task: Task, lock: Addr, mode: HeldMode, since: number): void {
    const actor = task as Actor;
    const { f64, contention: block, lockHold } = actor;
    const row = statRow(task, lock, mode);
    const ns = Math.max(0, Math.round((f64[timeNow(actor)] - since) * 1e6));
    const bucket = bucketOf(ns);
    const figures = statRows(block) + row;
    const all = actor.histograms + HISTOGRAM.lockWait * HISTOGRAM_DOUBLES;
    const own = lockHold === undefined ? 0 : fullRow(lockHold.full, row) + FULL.wait;
    // From here on neither call nor loop.
    if (f64[figures + STAT.contentions] === 0 || ns < f64[figures + STAT.waitMin]) f64[figures + STAT.waitMin] = ns;
    if (ns > f64[figures + STAT.waitMax]) f64[figures + STAT.waitMax] = ns;
    f64[figures + STAT.waitTotal] += ns;
    f64[figures + STAT.contentions] += 1;
    f64[all + bucket] += 1;
    f64[all + HISTOGRAM_AT.count] += 1;
    f64[all + HISTOGRAM_AT.sum] += ns;
    if (ns > f64[all + HISTOGRAM_AT.max]) f64[all + HISTOGRAM_AT.max] = ns;
    if (own !== 0) f64[own + bucket] += 1;
    f64[block + WAITING.row] = 0;
    // The record is no part of it: a thread may be made to stand still there.
    point(actor, POINT['lock.acquired'], lock, mode, task.mem[lock + CLS_OFFSET]);
  },
};
