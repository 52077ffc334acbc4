import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import { conflicts } from '../control/sched.ts';
import type { HappensBefore } from './happens-before.ts';

/** A step to come, as far as it is known. Plain data: it travels between processes. */
export interface WakeStep {
  readonly tid: number;
  readonly addr: number;
  /** What it does, or may do at worst. */
  readonly access: number;
  /** See `HappensBefore.id`. */
  readonly id: number;
  /** `id` of the notify that it cannot be before; -1: none. */
  readonly cause: number;
  /** It may time out, and time-outs are counted. */
  readonly timed: boolean;
}

/** A tree of sequences that are still to be explored below some node; those of one node in order. */
export interface WakeNode extends WakeStep {
  readonly children: WakeNode[];
}

/** Steps that happen one after the other and take part in a reversed race: what Abdulla and others call v. */
export class Sequence {
  length = 0;
  readonly tid: Int32Array;
  readonly addr: Int32Array;
  readonly access: Int32Array;
  readonly ids: Int32Array;
  readonly cause: Int32Array;
  readonly timed: Uint8Array;
  private readonly firstSkipped: Int32Array;

  constructor(threads: number, maxSteps: number) {
    const words = maxSteps + threads;
    this.tid = new Int32Array(words);
    this.addr = new Int32Array(words);
    this.access = new Int32Array(words);
    this.ids = new Int32Array(words);
    this.cause = new Int32Array(words);
    this.timed = new Uint8Array(words);
    this.firstSkipped = new Int32Array(threads);
  }

  /**
   * What reverses the race of `e` with the later `i`: the steps between them that do not happen after `e`, then `i`. False when there is no such
   * thing: `i` would not come about.
   */
  reverse(hb: HappensBefore, e: number, i: number): boolean {
    const { firstSkipped } = this;
    this.length = 0;
    let skips = false;
    firstSkipped.fill(-1);
    // After the step at which a thread threw there is no other: one that pends has to come before it.
    const end = i < hb.steps ? i : hb.steps - (hb.threw ? 1 : 0);
    for (let k = e + 1; k < end; k++) {
      if (hb.before(e, k)) continue;
      // A spinning thread went on because of a write that may not be among them; then it is left where it spins.
      if (hb.op[k] === OP.relax && firstSkipped[hb.tid[k]] < 0 && !this.canRelax(hb, e, k)) {
        firstSkipped[hb.tid[k]] = k;
        skips = true;
      }
      if (skips && this.isSkipped(hb, k)) continue;
      this.push(hb, k, hb.access[k]);
    }
    if (skips && hb.prev[i] >= 0 && this.isSkipped(hb, hb.prev[i])) return false;
    // Elsewhere it may turn out otherwise: a compareExchange may succeed.
    this.push(
      hb,
      i,
      hb.access[i] === ACCESS.local ? OP_INFO[hb.op[i]].access : Math.max(hb.access[i], OP_INFO[hb.op[i]].access),
    );
    this.cause[this.length - 1] = -1;
    return true;
  }

  /** Takes it over from steps that were sent. */
  take(steps: readonly WakeStep[]): void {
    this.length = 0;
    for (const step of steps) {
      const n = this.length++;
      this.tid[n] = step.tid;
      this.addr[n] = step.addr;
      this.access[n] = step.access;
      this.ids[n] = step.id;
      this.cause[n] = step.cause;
      this.timed[n] = step.timed ? 1 : 0;
    }
  }

  steps(): WakeStep[] {
    return Array.from({ length: this.length }, (_, n) => ({
      tid: this.tid[n],
      addr: this.addr[n],
      access: this.access[n],
      id: this.ids[n],
      cause: this.cause[n],
      timed: this.timed[n] !== 0,
    }));
  }

  /**
   * Whether the sequence could begin with a thread's next step, perhaps after adding it (a weak initial): then what the thread's branch explores
   * covers it. -2: no. -1: yes, and it is not part of it. Else where it stands.
   */
  weakInitial(tid: number, addr: number, access: number, timed: boolean): number {
    const { length } = this;
    let at = 0;
    while (at < length && this.tid[at] !== tid) at++;
    const found = at < length;
    for (let n = 0; n < at; n++) {
      const dependent = found
        ? this.dependent(n, at)
        : conflicts(this.addr[n], this.access[n], addr, access) || (timed && this.timed[n] !== 0);
      if (dependent) return -2;
    }
    return found ? at : -1;
  }

  remove(at: number): void {
    for (const words of [this.tid, this.addr, this.access, this.ids, this.cause, this.timed])
      words.copyWithin(at, at + 1, this.length);
    this.length--;
  }

  /** Adds the sequence to the branches of a node, unless they cover it. Changes the sequence. */
  insert(into: WakeNode[]): boolean {
    let branches = into;
    for (;;) {
      let next: WakeNode[] | null = null;
      for (const branch of branches) {
        const at = this.weakInitial(branch.tid, branch.addr, branch.access, branch.timed);
        if (at === -2) continue;
        if (at >= 0) this.remove(at);
        if (branch.children.length === 0 || this.length === 0) return false;
        next = branch.children;
        break;
      }
      if (next === null) {
        branches.push(this.branch());
        return true;
      }
      branches = next;
    }
  }

  private branch(): WakeNode {
    let children: WakeNode[] = [];
    let node: WakeNode | null = null;
    for (const step of this.steps().reverse()) {
      node = { ...step, children };
      children = [node];
    }
    return node!;
  }

  private dependent(a: number, b: number): boolean {
    return (
      conflicts(this.addr[a], this.access[a], this.addr[b], this.access[b]) ||
      this.cause[b] === this.ids[a] ||
      (this.timed[a] !== 0 && this.timed[b] !== 0)
    );
  }

  private push(hb: HappensBefore, k: number, access: number): void {
    const n = this.length++;
    this.tid[n] = hb.tid[k];
    this.addr[n] = hb.addr[k];
    this.access[n] = access;
    this.ids[n] = hb.id(k);
    this.cause[n] = hb.cause[k] < 0 ? -1 : hb.id(hb.cause[k]);
    this.timed[n] = hb.mayTimeOut(k) ? 1 : 0;
  }

  private canRelax(hb: HappensBefore, e: number, k: number): boolean {
    return hb.relaxed(k, (w) => w < e || (!hb.before(e, w) && !this.isSkipped(hb, w)));
  }

  private isSkipped(hb: HappensBefore, k: number): boolean {
    for (const first of this.firstSkipped) if (first >= 0 && hb.before(first, k)) return true;
    return false;
  }
}
