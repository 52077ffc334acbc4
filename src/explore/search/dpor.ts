import { ACCESS } from '../../sync/control.ts';
import type { ScheduleRequest } from '../control/engine.ts';
import { H, L, LOG_WORDS, lowestBit, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import { pickerId } from '../policies/index.ts';
import {
  type DporStats,
  exhausted,
  type ForeignNews,
  NO_STATS,
  type NodeState,
  type SubtreeJob,
} from './dpor-parts.ts';
import { Sequence, type WakeNode, type WakeStep } from './dpor-wakeup.ts';
import { HappensBefore } from './happens-before.ts';
import { QueuedWriters } from './queued-writers.ts';
import type { Search } from './search.ts';

const POLICY = pickerId('continue');
/** The operation of a step that was planned elsewhere and has not run here. */
const UNKNOWN = -1;

/**
 * Dynamic partial order reduction: one schedule for each class of schedules that differ only in the order of steps that commute. Optimal
 * DPOR with wakeup trees (Abdulla, Aronis, Jonsson, Sagonas: Source Sets, JACM 2017): after each schedule every race in it is reversed, unless a
 * sleeping thread says that this was explored; and what makes the reversal come about is remembered as a sequence, so that it is not started in vain.
 *
 * Where it departs from the paper:
 * - locks, waits, time-outs: see `HappensBefore`; threads that are kept from their next step when a schedule ends take part with that step;
 * - a thread that throws ends the schedule, yet what the others would have done is not dependent on it. So its last step is put off, asleep, and
 *   the others are carried on; those schedules are counted apart;
 * - a compareExchange, a trylock or a wait may turn out differently in the reversal than it did, so there it is taken to write, and some
 *   reversals are tried in vain: `redundant`;
 * - deadlocks that only a queued writer closes are read off the schedules, and run beside the tree: see `QueuedWriters`;
 * - where nobody can run and a time-out has to help, all who could time out are tried, in every order: sound, but two orders of time-outs that
 *   commute count as two executions;
 * - where a schedule may spend time-outs, waits that may time out are ordered among each other and never sleep: sound, with repetitions.
 */
export class Dpor implements Search {
  readonly name = 'dpor';
  private readonly threads: number;
  private readonly maxSteps: number;
  private readonly hb: HappensBefore;
  private readonly sequence: Sequence;
  private readonly queued: QueuedWriters;
  /** Schedules beside the tree, which are run once: deadlocks that only a queued writer closes. */
  private readonly aside: number[][] = [];
  private besideTree = false;
  /** The path that ran last: steps, and the nodes before them. */
  private depth = 0;
  private readonly tid: Int32Array;
  private readonly op: Int32Array;
  private readonly addr: Int32Array;
  private readonly enabled: Int32Array;
  private readonly sleep: Int32Array;
  private readonly done: Int32Array;
  /** Of `done`: threads that never sleep. */
  private readonly awake: Int32Array;
  /** Of `sleep` and `done`: threads whose step threw. */
  private readonly thrown: Int32Array;
  /** Of `sleep`: threads whose branch is explored by another worker. */
  private readonly inherited: Int32Array;
  private readonly branches: WakeNode[][] = [];
  /** By node and thread: the step of those in `sleep` and `done`; and by node: the step that was taken. */
  private readonly known: (WakeStep | null)[] = [];
  private readonly taken: (WakeStep | null)[] = [];
  /** First node that the next schedule leaves the path at; -1: no schedule yet. */
  private from = -1;
  private planned = 0;
  /** Nodes before this one belong to somebody else. */
  private root = 0;
  private ended = false;
  private broken = false;
  private forced = false;
  private readonly counts = { ...NO_STATS };
  private foreign: ForeignNews[] = [];
  /** A job's first schedule, until it is asked for; and until it has run. */
  private pendingStart: ScheduleRequest | null = null;
  private starting = false;

  constructor(options: { readonly threads: number; readonly maxSteps: number }) {
    const { threads, maxSteps } = options;
    this.threads = threads;
    this.maxSteps = maxSteps;
    this.hb = new HappensBefore(threads, maxSteps);
    this.sequence = new Sequence(threads, maxSteps);
    this.queued = new QueuedWriters(this.hb);
    const words = () => new Int32Array(maxSteps + 1);
    this.tid = words();
    this.op = words();
    this.addr = words();
    this.enabled = words();
    this.sleep = words();
    this.done = words();
    this.awake = words();
    this.thrown = words();
    this.inherited = words();
  }

  stats(): DporStats {
    return { ...this.counts };
  }

  guarantee(): string | null {
    if (!this.ended || this.broken) return null;
    return exhausted(this.counts, this.maxSteps, this.forced);
  }

  next(): ScheduleRequest | null {
    if (this.ended || this.broken) return null;
    const aside = this.aside.pop();
    this.besideTree = aside !== undefined;
    if (aside !== undefined) return { prefix: aside, policy: POLICY, seed: 1, lenientFrom: 0 };
    if (this.pendingStart !== null) {
      const request = this.pendingStart;
      this.pendingStart = null;
      return request;
    }
    if (this.from < 0) {
      this.from = 0;
      return { prefix: [], policy: POLICY, seed: 1 };
    }
    for (let d = this.depth - 1; d >= this.root; d--) {
      this.finishChild(d);
      const branch = this.takeBranch(d);
      if (branch !== null) return this.explore(d, branch);
    }
    this.depth = this.root;
    this.ended = true;
    return null;
  }

  learn(sched: Sched, outcome: ScheduleOutcome): void {
    if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) {
      this.broken = true;
      return;
    }
    if (this.besideTree) return;
    const { s } = sched;
    if (s[H.forced] !== 0) this.forced = true;
    if (s[H.prefixLength] < this.planned) {
      this.counts.stuck++;
      this.planned = s[H.prefixLength];
    }
    const known = this.starting ? 0 : Math.min(this.from, s[H.steps]);
    this.hb.load(sched, known);
    this.readPath(sched);
    this.count(s, outcome);
    if (this.starting && this.root > 0) this.tellTaken();
    this.starting = false;
    // Races among the steps before are those of an earlier schedule.
    for (let i = this.from; i < this.hb.count; i++) this.reverseRaces(i);
    if (outcome === OUTCOME.threw) this.carryOn();
    if (outcome !== OUTCOME.redundant) this.aside.push(...this.queued.near());
  }

  /** Explores another part of the search from now on. The one before has ended. */
  start(job: SubtreeJob): void {
    const { prefix, threads } = this.begin(job);
    const d = prefix.length - 1;
    this.sleep[d] = 0;
    this.done[d] = 0;
    this.awake[d] = job.awake;
    this.thrown[d] = job.thrown;
    for (const step of job.asleep) {
      this.sleep[d] |= 1 << step.tid;
      this.known[d * threads + step.tid] = step;
    }
    this.inherited[d] = this.sleep[d];
    const first = { tid: prefix[d], addr: 0, access: 0, id: 0, cause: -1, timed: false };
    this.pendingStart = this.explore(d, { ...first, children: structuredClone(job.branches) as WakeNode[] });
  }

  /**
   * Gives its shallowest open branches away: the nodes from the root of this search down to them, which belong to the caller from now on; it keeps the
   * path that it is on. Between `learn` and `next`. Null when there is nothing to give.
   */
  donate(): NodeState[] | null {
    let last = this.root;
    while (last < this.depth && this.branches[last].length === 0) last++;
    if (this.ended || last >= this.depth) return null;
    const nodes: NodeState[] = [];
    for (let d = this.root; d <= last; d++) nodes.push(this.nodeState(d));
    this.root = last + 1;
    return nodes;
  }

  /** News since the last call about nodes that belong to somebody else. */
  takeForeign(): ForeignNews[] {
    const news = this.foreign;
    this.foreign = [];
    return news;
  }

  /** A schedule has diverged or hung: nothing may be said any more. */
  get isBroken(): boolean {
    return this.broken;
  }

  /** A time-out has helped on where nobody could run. */
  get wasForced(): boolean {
    return this.forced;
  }

  private begin({ prefix }: SubtreeJob): { readonly prefix: readonly number[]; readonly threads: number } {
    this.tid.set(prefix);
    this.op.fill(UNKNOWN, 0, prefix.length);
    this.root = prefix.length;
    this.depth = prefix.length;
    this.ended = false;
    this.starting = true;
    return { prefix, threads: this.threads };
  }

  private nodeState(d: number): NodeState {
    const asleep: WakeStep[] = [];
    const current = 1 << this.tid[d];
    for (let m = (this.sleep[d] | this.done[d]) & ~current; m !== 0; m &= m - 1)
      asleep.push(this.known[d * this.threads + lowestBit(m)]!);
    asleep.push(this.taken[d]!);
    const branches = this.branches[d];
    this.branches[d] = [];
    const awake = this.awake[d] | (this.taken[d]!.timed ? current : 0);
    const prefix = [...this.tid.subarray(0, d)];
    return { prefix, enabled: this.enabled[d], asleep, awake, thrown: this.thrown[d], branches };
  }

  /** The child that was explored is complete: from now on its step sleeps. */
  private finishChild(d: number): void {
    const bit = 1 << this.tid[d];
    this.done[d] |= bit;
    const step = this.taken[d]!;
    this.known[d * this.threads + this.tid[d]] = step;
    if (step.timed) this.awake[d] |= bit;
  }

  private takeBranch(d: number): WakeNode | null {
    const branches = this.branches[d];
    while (branches.length > 0) {
      const branch = branches.shift()!;
      if (((this.enabled[d] >>> branch.tid) & 1) !== 0) return branch;
      this.counts.stuck++;
    }
    return null;
  }

  /** The schedule that leaves the path at node `d`, by `branch`. */
  private explore(d: number, branch: WakeNode): ScheduleRequest {
    this.from = d;
    let at = d;
    for (let node: WakeNode | undefined = branch; node !== undefined; at++) {
      this.tid[at] = node.tid;
      if (at > d) this.done[at] = 0;
      this.branches[at + 1] = node.children;
      node = node.children.shift();
    }
    this.planned = at;
    const sleepInit = (this.sleep[d] | this.done[d]) & ~this.awake[d];
    let sleepReads = 0;
    let sleepLocals = 0;
    for (let m = sleepInit; m !== 0; m &= m - 1) {
      const tid = lowestBit(m);
      const { access } = this.known[d * this.threads + tid]!;
      if (access === ACCESS.local) sleepLocals |= 1 << tid;
      else if (access === ACCESS.read) sleepReads |= 1 << tid;
    }
    const prefix = this.tid.subarray(0, at);
    return { prefix, policy: POLICY, seed: 1, sleepFrom: d, sleepInit, sleepReads, sleepLocals, lenientFrom: d + 1 };
  }

  /** Takes over the nodes and steps that the schedule has added to the path. */
  private readPath({ s, log }: Sched): void {
    const { hb, threads } = this;
    for (let i = 0; i < Math.min(this.from, hb.steps); i++) {
      const known = this.op[i] !== UNKNOWN;
      if (known && (this.tid[i] !== hb.tid[i] || this.op[i] !== hb.op[i] || this.addr[i] !== hb.addr[i]))
        throw new Error(`the program did something else than before at step ${i}`);
      this.op[i] = hb.op[i];
      this.addr[i] = hb.addr[i];
    }
    for (let i = this.from; i < hb.steps; i++) {
      const at = log + i * LOG_WORDS;
      this.tid[i] = hb.tid[i];
      this.op[i] = hb.op[i];
      this.addr[i] = hb.addr[i];
      this.enabled[i] = hb.enabled[i];
      this.taken[i] = this.stepOf(i);
      if (i >= this.planned || this.branches[i] === undefined)
        this.branches[i] = i === this.planned ? this.leftAt(i) : [];
      if (i > this.from) {
        this.sleep[i] = s[at + L.sleep];
        this.done[i] = 0;
        this.awake[i] = 0;
        this.thrown[i] = this.thrown[i - 1] & this.sleep[i];
        this.inherited[i] = this.inherited[i - 1] & this.sleep[i];
        for (let m = this.sleep[i]; m !== 0; m &= m - 1)
          this.known[i * threads + lowestBit(m)] = this.known[(i - 1) * threads + lowestBit(m)];
      }
      if (hb.forced[i] !== 0) this.tryAll(i);
    }
    this.depth = hb.steps;
  }

  /** Where a planned step was not possible, the other branches of its node stay. */
  private leftAt(i: number): WakeNode[] {
    const planned = this.branches[i];
    return planned === undefined || i === this.from ? [] : planned.filter(({ tid }) => tid !== this.tid[i]);
  }

  private stepOf(i: number): WakeStep {
    const { hb } = this;
    const cause = hb.cause[i] < 0 ? -1 : hb.id(hb.cause[i]);
    return { tid: hb.tid[i], addr: hb.addr[i], access: hb.access[i], id: hb.id(i), cause, timed: hb.mayTimeOut(i) };
  }

  /** Nobody could run here but those who time out: each of them is tried, and none sleeps. */
  private tryAll(i: number): void {
    if (i === this.from && this.done[i] !== 0) return;
    this.awake[i] = -1;
    for (let m = this.enabled[i] & ~(1 << this.tid[i]); m !== 0; m &= m - 1) {
      const tid = lowestBit(m);
      this.branches[i].push({ ...this.stepOf(i), tid, children: [] });
    }
  }

  private count(s: Int32Array, outcome: ScheduleOutcome): void {
    const { counts, depth } = this;
    if (outcome === OUTCOME.stepLimit) counts.limited++;
    else if (outcome !== OUTCOME.redundant) counts.complete++;
    else if (depth > 0 && (this.thrown[depth - 1] & s[H.sleep]) !== 0) counts.continued++;
    else counts.redundant++;
  }

  private reverseRaces(i: number): void {
    const { hb } = this;
    const sequence = this.sequence;
    const n = hb.racesOf(i);
    for (let r = 0; r < n; r++) {
      const e = hb.races[r];
      if (!sequence.reverse(hb, e, i)) continue;
      if (e >= this.root) this.insert(e);
      else this.foreign.push({ kind: 'reversal', prefix: [...this.tid.subarray(0, e)], steps: sequence.steps() });
    }
  }

  private insert(d: number): void {
    const { threads } = this;
    const sequence = this.sequence;
    const known = this.sleep[d] | this.done[d];
    const thrown = known & this.thrown[d];
    // Behind a step that threw nothing was explored: it covers nothing but itself, and is put off.
    for (let m = thrown; m !== 0; m &= m - 1) {
      const { tid, addr, access, timed } = this.known[d * threads + lowestBit(m)]!;
      const at = sequence.weakInitial(tid, addr, access, timed);
      if (at >= 0) sequence.remove(at);
      if (sequence.length === 0) return;
    }
    for (let m = known & ~thrown; m !== 0; m &= m - 1) {
      const { tid, addr, access, timed } = this.known[d * threads + lowestBit(m)]!;
      const at = sequence.weakInitial(tid, addr, access, timed);
      // A branch that others explore covers less: see TreeCoordinator.
      if (at >= 0 || (at === -1 && ((this.inherited[d] >>> tid) & 1) === 0)) return;
    }
    sequence.insert(this.branches[d]);
  }

  /** The last thread threw: its step is put off, and somebody else goes on. */
  private carryOn(): void {
    const d = this.depth - 1;
    if (d < this.root) {
      this.tellThrown(d);
      return;
    }
    this.thrown[d] |= 1 << this.tid[d];
    const others = this.enabled[d] & ~(this.sleep[d] | this.done[d] | (1 << this.tid[d]));
    if (others === 0) return;
    const tid = lowestBit(others);
    const i = this.hb.pendingOf(tid);
    // First of all: it covers whatever else begins with this thread.
    const { addr, access } = { addr: this.hb.addr[i], access: this.hb.access[i] };
    const leaf = { tid, addr, access, id: 0, cause: -1, timed: false, children: [] };
    this.branches[d] = [leaf, ...this.branches[d].filter((branch) => branch.tid !== tid)];
  }

  private tellTaken(): void {
    const d = this.root - 1;
    if (this.depth > d) this.foreign.push({ kind: 'took', prefix: [...this.tid.subarray(0, d)], step: this.taken[d]! });
  }

  private tellThrown(d: number): void {
    const { hb } = this;
    if (d < 0) return;
    const others: WakeStep[] = [];
    for (let i = hb.steps; i < hb.count; i++) others.push(this.stepOf(i));
    this.foreign.push({ kind: 'threw', prefix: [...this.tid.subarray(0, d)], step: this.taken[d]!, others });
  }
}
