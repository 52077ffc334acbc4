import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import type { HappensBefore } from './happens-before.ts';

/**
 * Deadlocks in which a queued writer has a part, found from schedules in which none was queued.
 *
 * A writer joins its rwsem's queue as a step of its own only where that leaves nobody who can go on (see sched.ts), and one schedule of
 * a class need not pass through that state. But its order of steps tells: take a reader that asks while it holds something, and a
 * writer of the same rwsem that does not know of that; leave both out, and all that happens after either of them. What is left could
 * have happened first, as it is. If every thread is then kept from its next step by a lock that is held, or by the writer once it has queued,
 * the schedule "all that is left, then the writer" ends in a deadlock.
 *
 * Both halves of an rwsem must have been asked for, so a model without nested locks pays one look at each step.
 */
export class QueuedWriters {
  private readonly hb: HappensBefore;
  /** By thread: its first step that was left out, or -1. */
  private readonly next: Int32Array;
  private readonly readers = new Map<number, number>();
  private readonly writers = new Map<number, number>();
  /** States that were found already, as steps of each thread. */
  private readonly found = new Set<string>();

  constructor(hb: HappensBefore) {
    this.hb = hb;
    this.next = new Int32Array(hb.threads);
  }

  /** Schedules that end in such a deadlock, near the one that `hb` holds: tids, the writer last. Each state only once. */
  near(): number[][] {
    const { hb } = this;
    const schedules: number[][] = [];
    for (let k = 0; k < hb.count; k++) {
      if (hb.op[k] !== OP.downRead || hb.arg[k] === 0) continue;
      for (let i = 0; i < hb.count; i++) {
        if (hb.op[i] !== OP.downWrite || hb.addr[i] !== hb.addr[k] || hb.tid[i] === hb.tid[k]) continue;
        if (hb.prev[i] >= 0 && this.after(k, hb.prev[i])) continue;
        if (hb.prev[k] >= 0 && this.after(i, hb.prev[k])) continue;
        if (!this.isClosed(k, i)) continue;
        const key = `${this.steps().join(' ')} ${hb.tid[i]}`;
        if (this.found.has(key)) continue;
        this.found.add(key);
        schedules.push(this.schedule(k, i));
      }
    }
    return schedules;
  }

  /** Step `x` is `e`, or happens after it; of a step that pends, what is known before it. */
  private after(e: number, x: number): boolean {
    const { hb } = this;
    if (x === e) return true;
    if (x < hb.steps) return e < hb.steps && hb.before(e, x);
    return hb.prev[x] >= 0 && this.after(e, hb.prev[x]);
  }

  private isLeftOut(x: number, k: number, i: number): boolean {
    return x >= this.hb.steps || this.after(k, x) || this.after(i, x);
  }

  /** Whether nobody can go on when `k`, `i` and what happens after them have not happened, and `i`'s writer is queued. */
  private isClosed(k: number, i: number): boolean {
    const { hb } = this;
    const next = this.next.fill(-1);
    this.readers.clear();
    this.writers.clear();
    for (let x = 0; x < hb.count; x++) {
      if (!this.isLeftOut(x, k, i)) this.hold(x);
      else if (next[hb.tid[x]] < 0) next[hb.tid[x]] = x;
    }
    const sem = hb.addr[k];
    if ((this.readers.get(sem) ?? 0) === 0 || (this.writers.get(sem) ?? 0) > 0) return false;
    for (let tid = 0; tid < hb.threads; tid++) {
      const x = next[tid];
      if (x >= 0 && x !== k && x !== i && this.canGoOn(x, k, i)) return false;
    }
    return true;
  }

  private hold(x: number): void {
    const { hb } = this;
    const { readers, writers } = this;
    const op = hb.op[x];
    const addr = hb.addr[x];
    const add = (held: Map<number, number>, n: number): void => {
      held.set(addr, (held.get(addr) ?? 0) + n);
    };
    if (op === OP.downRead || (op === OP.downReadTrylock && hb.value[x] !== 0)) add(readers, 1);
    else if (op === OP.upRead) add(readers, -1);
    else if (op === OP.downgradeWrite) {
      add(writers, -1);
      add(readers, 1);
    } else if ('lock' in OP_INFO[op] && OP_INFO[op].lock === 'release') add(writers, -1);
    else if ('lock' in OP_INFO[op]) add(writers, 1);
    else if ((op === OP.mutexTrylock || op === OP.spinTrylock || op === OP.downWriteTrylock) && hb.value[x] !== 0)
      add(writers, 1);
  }

  private canGoOn(x: number, k: number, i: number): boolean {
    const { hb, readers, writers } = this;
    const addr = hb.addr[x];
    const written = (writers.get(addr) ?? 0) > 0;
    switch (hb.op[x]) {
      case OP.mutexLock:
      case OP.spinLock:
        return !written;
      case OP.downRead:
        return !written && addr !== hb.addr[k];
      case OP.downWrite:
        return !written && (readers.get(addr) ?? 0) === 0;
      case OP.resume:
        return hb.cause[x] >= 0 && !this.isLeftOut(hb.cause[x], k, i);
      case OP.until:
        return this.isWritten(x, k, i);
      default:
        return true;
    }
  }

  /** The word that `x` waits for was written since its thread read it, by a step that is not left out. */
  private isWritten(x: number, k: number, i: number): boolean {
    const { hb } = this;
    const known = hb.prev[x];
    for (let w = 0; w < hb.steps; w++) {
      if (hb.addr[w] !== hb.addr[x] || hb.access[w] !== ACCESS.write || this.isLeftOut(w, k, i)) continue;
      if (known < 0 || !hb.before(w, known)) return true;
    }
    return false;
  }

  private steps(): number[] {
    const { hb } = this;
    return [...this.next].map((x) => (x < 0 ? 0 : hb.ord[x]));
  }

  private schedule(k: number, i: number): number[] {
    const { hb } = this;
    const tids: number[] = [];
    for (let x = 0; x < hb.steps; x++) if (!this.isLeftOut(x, k, i)) tids.push(hb.tid[x]);
    tids.push(hb.tid[i]);
    return tids;
  }
}
