import type { Addr } from '../memory/address.ts';
import { CLS_OFFSET, LOCK_CLASSES } from '../sync/lock-class.ts';
import { HELD, type HeldMode, type SyncHooks, type Task } from '../sync/task.ts';
import { type Actor, now } from './actor.ts';
import { point } from './point.ts';
import { POINT } from './points.ts';

/** Doubles kept of one lock class in one mode: how often a thread had to wait, and for how long in all and at most, milliseconds. */
const FIELDS = 3;
/** Read and write rows of a class, as lock_stat has them; a lock without modes is in the second. */
const MODES = 2;
/** Doubles of one thread's contention figures. */
export const CONTENTION_DOUBLES = LOCK_CLASSES.length * MODES * FIELDS;

/**
 * Contended locks become trace records, so that a timeline shows who waited for whom, and figures by lock class. A free lock comes
 * nowhere near here: only the slow paths call it, so the clock is read where a wait dwarfs it.
 */
export const TRACE_HOOKS: SyncHooks = {
  contended(task: Task, lock: Addr, mode: HeldMode): number {
    const actor = task as Actor;
    point(actor, POINT['lock.contended'], lock, mode, task.mem[lock + CLS_OFFSET]);
    return now(actor);
  },
  acquired(task: Task, lock: Addr, mode: HeldMode, since: number): void {
    const actor = task as Actor;
    const waited = now(actor) - since;
    const cls = task.mem[lock + CLS_OFFSET];
    const at = actor.contention + (cls * MODES + (mode === HELD.read ? 0 : 1)) * FIELDS;
    actor.f64[at] += 1;
    actor.f64[at + 1] += waited;
    if (waited > actor.f64[at + 2]) actor.f64[at + 2] = waited;
    point(actor, POINT['lock.acquired'], lock, mode, cls);
  },
};

/** One row of figures: a lock class in one mode, summed over threads. */
export interface Contention {
  readonly name: string;
  readonly mode: 'R' | 'W';
  readonly contentions: number;
  readonly waitNs: { readonly total: number; readonly mean: number; readonly max: number };
}

/** Sums the figures of several threads (bases are indices of doubles), the longest total wait first; rows without a wait are left out. */
export function sumContention(f64: Float64Array, bases: readonly number[]): Contention[] {
  const rows: Contention[] = [];
  LOCK_CLASSES.forEach((name, cls) => {
    for (let mode = 0; mode < MODES; mode++) {
      const offset = (cls * MODES + mode) * FIELDS;
      let contentions = 0;
      let total = 0;
      let max = 0;
      for (const base of bases) {
        contentions += f64[base + offset]!;
        total += f64[base + offset + 1]!;
        max = Math.max(max, f64[base + offset + 2]!);
      }
      if (contentions === 0) continue;
      const waitNs = { total: total * 1e6, mean: (total * 1e6) / contentions, max: max * 1e6 };
      rows.push({ name, mode: mode === 0 ? 'R' : 'W', contentions, waitNs });
    }
  });
  return rows.sort((a, b) => b.waitNs.total - a.waitNs.total);
}
