import type { ScheduleRequest } from '../control/engine.ts';
import type { Sched, ScheduleOutcome } from '../control/sched.ts';
import { Dpor } from './dpor.ts';
import {
  type DporStats,
  exhausted,
  type ForeignNews,
  NO_STATS,
  type NodeState,
  type SubtreeJob,
} from './dpor-parts.ts';
import { Sequence, type WakeNode, type WakeStep } from './dpor-wakeup.ts';
import type { Search } from './search.ts';

/** From a worker to the coordinator: plain data, to be delivered in the order in which it was sent. */
export type ToCoordinator =
  /** It has nothing to do; what it has counted since it said so last. */
  | { readonly kind: 'idle'; readonly counts: DporStats; readonly forced: boolean; readonly broken: boolean }
  /** Nodes that belong to the coordinator from now on. */
  | { readonly kind: 'nodes'; readonly nodes: readonly NodeState[] }
  | ForeignNews;

/** From the coordinator to a worker. */
export type ToWorker =
  /** What to explore; null: all there is. */
  | { readonly kind: 'job'; readonly job: SubtreeJob | null }
  /** Somebody has nothing to do: give something away as soon as you can. */
  | { readonly kind: 'donate' };

export interface ShardOptions {
  readonly threads: number;
  readonly maxSteps: number;
}

function sum(a: DporStats, b: DporStats, sign: 1 | -1): DporStats {
  return {
    complete: a.complete + sign * b.complete,
    redundant: a.redundant + sign * b.redundant,
    continued: a.continued + sign * b.continued,
    stuck: a.stuck + sign * b.stuck,
    limited: a.limited + sign * b.limited,
  };
}

/**
 * One of several that share a search: a `Search` that explores one part after the other. `next` returns null while it has none. Whoever runs it takes
 * `outbox` to the coordinator after each schedule, and its answers to `receive`.
 */
export class TreeWorker implements Search {
  readonly name = 'dpor';
  private readonly search: Dpor;
  private messages: ToCoordinator[] = [];
  private reported = NO_STATS;
  private busy = false;
  private wanted = false;
  private broken = false;

  constructor(options: ShardOptions) {
    this.search = new Dpor(options);
    this.sayIdle();
  }

  get idle(): boolean {
    return !this.busy;
  }

  receive(message: ToWorker): void {
    if (message.kind === 'donate') this.wanted = this.busy;
    else {
      this.busy = true;
      if (message.job !== null) this.search.start(message.job);
    }
  }

  /** What is to be sent, once. */
  outbox(): ToCoordinator[] {
    const { messages } = this;
    this.messages = [];
    return messages;
  }

  next(): ScheduleRequest | null {
    if (!this.busy) return null;
    const request = this.search.next();
    if (request === null) this.sayIdle();
    return request;
  }

  learn(sched: Sched, outcome: ScheduleOutcome): void {
    this.search.learn(sched, outcome);
    this.broken = this.search.isBroken;
    this.messages.push(...this.search.takeForeign());
    if (this.wanted) this.give();
  }

  /** Only the coordinator knows when all is explored. */
  guarantee(): string | null {
    return null;
  }

  stats(): DporStats {
    return this.search.stats();
  }

  private give(): void {
    const nodes = this.search.donate();
    if (nodes === null) return;
    this.wanted = false;
    this.messages.push({ kind: 'nodes', nodes });
  }

  private sayIdle(): void {
    this.busy = false;
    this.wanted = false;
    const stats = this.search.stats();
    const counts = sum(stats, this.reported, -1);
    this.reported = stats;
    this.messages.push({ kind: 'idle', counts, forced: this.search.wasForced, broken: this.broken });
  }
}

interface SharedNode {
  readonly prefix: readonly number[];
  readonly enabled: number;
  /** Steps whose branches are explored or being explored, in the order in which they began; and those asleep before. */
  readonly asleep: WakeStep[];
  awake: number;
  thrown: number;
  readonly branches: WakeNode[];
}

/**
 * Owns the nodes that several workers share, and hands out their branches. A branch that is being explored counts as explored for those that begin
 * after it: what it finds out that has to be done elsewhere arrives as a message, and a worker says that it is idle only behind all that it had to
 * say, so nothing is lost.
 *
 * What arrives for a branch that has begun already comes too late to steer it. So at shared nodes, and below them for threads that sleep because of
 * one, the rule is that of source-DPOR: a branch covers a reversal only when that could begin with the branch's step and contains it. (A
 * weak initial that is not in it would do with wakeup trees, because there its own reversals still find every branch before it begins.)
 *
 * What that costs is schedules that are given up as redundant. Two things make executions come twice: a step that sleeps before it is known what
 * it turned out to do, and one that throws after others have begun beside it.
 */
export class TreeCoordinator {
  private readonly nodes = new Map<string, SharedNode>();
  /** Nodes with branches to hand out. */
  private readonly open = new Set<SharedNode>();
  private readonly waiting: number[] = [];
  private readonly working = new Set<number>();
  private readonly asked = new Set<number>();
  private messages: { to: number; message: ToWorker }[] = [];
  private begun = false;
  private counts = NO_STATS;
  private forced = false;
  private broken = false;
  private readonly maxSteps: number;
  private readonly sequence: Sequence;

  constructor(options: ShardOptions) {
    this.maxSteps = options.maxSteps;
    this.sequence = new Sequence(options.threads, options.maxSteps);
  }

  /** All is explored. */
  get done(): boolean {
    return this.begun && this.working.size === 0 && this.open.size === 0;
  }

  receive(from: number, message: ToCoordinator): void {
    switch (message.kind) {
      case 'idle':
        this.working.delete(from);
        this.asked.delete(from);
        this.waiting.push(from);
        this.counts = sum(this.counts, message.counts, 1);
        this.forced ||= message.forced;
        this.broken ||= message.broken;
        break;
      case 'nodes':
        this.asked.delete(from);
        for (const node of message.nodes) this.addNode(node);
        break;
      case 'reversal':
        this.reverse(this.nodeAt(message.prefix), message.steps);
        break;
      case 'took':
        this.took(this.nodeAt(message.prefix), message.step);
        break;
      case 'threw':
        this.threw(this.nodeAt(message.prefix), message.step, message.others);
    }
    this.handOut();
  }

  /** What is to be sent, once. */
  outbox(): { readonly to: number; readonly message: ToWorker }[] {
    const { messages } = this;
    this.messages = [];
    return messages;
  }

  stats(): DporStats {
    return this.counts;
  }

  guarantee(): string | null {
    if (!this.done || this.broken) return null;
    return exhausted(this.counts, this.maxSteps, this.forced);
  }

  private handOut(): void {
    if (!this.begun && this.waiting.length > 0) {
      this.begun = true;
      this.send(this.waiting.shift()!, null);
    }
    while (this.waiting.length > 0) {
      const job = this.takeJob();
      if (job === null) break;
      this.send(this.waiting.shift()!, job);
    }
    // Everybody is asked: not everybody has something to give.
    if (this.waiting.length === 0) return;
    for (const to of this.working) {
      if (this.asked.has(to)) continue;
      this.asked.add(to);
      this.messages.push({ to, message: { kind: 'donate' } });
    }
  }

  private send(to: number, job: SubtreeJob | null): void {
    this.working.add(to);
    this.messages.push({ to, message: { kind: 'job', job } });
  }

  private takeJob(): SubtreeJob | null {
    for (const node of this.open) {
      const branch = this.takeBranch(node);
      if (node.branches.length === 0) this.open.delete(node);
      if (branch === null) continue;
      const { children, ...step } = branch;
      const asleep = node.asleep.filter(({ tid }) => tid !== step.tid);
      const job = { prefix: [...node.prefix, step.tid], asleep, awake: node.awake, thrown: node.thrown };
      node.asleep.splice(0, node.asleep.length, ...asleep, step);
      if (step.timed) node.awake |= 1 << step.tid;
      return { ...job, branches: children };
    }
    return null;
  }

  private takeBranch(node: SharedNode): WakeNode | null {
    for (;;) {
      const branch = node.branches.shift();
      if (branch === undefined) return null;
      if (((node.enabled >>> branch.tid) & 1) !== 0) return branch;
      this.counts = { ...this.counts, stuck: this.counts.stuck + 1 };
    }
  }

  private addNode(state: NodeState): void {
    const node = { ...state, asleep: [...state.asleep], branches: [...state.branches] };
    this.nodes.set(keyOf(node.prefix), node);
    if (node.branches.length > 0) this.open.add(node);
  }

  private nodeAt(prefix: readonly number[]): SharedNode {
    const node = this.nodes.get(keyOf(prefix));
    if (node === undefined) throw new Error(`no node is shared behind ${prefix.join(' ')}`);
    return node;
  }

  private reverse(node: SharedNode, steps: readonly WakeStep[]): void {
    const sequence = this.sequence;
    sequence.take(steps);
    for (const { tid, addr, access, timed } of node.asleep) {
      if (((node.thrown >>> tid) & 1) === 0) continue;
      const at = sequence.weakInitial(tid, addr, access, timed);
      if (at >= 0) sequence.remove(at);
      if (sequence.length === 0) return;
    }
    for (const { tid, addr, access, timed } of node.asleep) {
      if (((node.thrown >>> tid) & 1) !== 0) continue;
      if (sequence.weakInitial(tid, addr, access, timed) >= 0) return;
    }
    if (sequence.insert(node.branches)) this.open.add(node);
  }

  private took(node: SharedNode, step: WakeStep): void {
    const at = node.asleep.findIndex(({ tid }) => tid === step.tid);
    if (at >= 0) node.asleep[at] = step;
    if (step.timed) node.awake |= 1 << step.tid;
  }

  /**
   * The step is put off, and somebody else goes on: anybody, but those who sleep because of what began before it. Those that have begun beside it
   * since took what follows it for explored, so they count for nothing any more.
   */
  private threw(node: SharedNode, step: WakeStep, others: readonly WakeStep[]): void {
    node.thrown |= 1 << step.tid;
    const at = node.asleep.findIndex(({ tid }) => tid === step.tid);
    const later = at < 0 ? [] : node.asleep.splice(at).slice(1);
    const isAmong = (steps: readonly WakeStep[], tid: number): boolean => steps.some((other) => other.tid === tid);
    const free = others.filter(({ tid }) => ((node.enabled >>> tid) & 1) !== 0 && !isAmong(node.asleep, tid));
    node.asleep.push(step);
    const next = free.find(({ tid }) => !isAmong(later, tid)) ?? free[0];
    if (next === undefined) return;
    const rest = node.branches.filter(({ tid }) => tid !== next.tid);
    node.branches.splice(0, node.branches.length, { ...next, children: [] }, ...rest);
    this.open.add(node);
  }
}

const keyOf = (prefix: readonly number[]): string => prefix.join(' ');
