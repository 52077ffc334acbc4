import type { Memory } from '../../memory/address.ts';
import type { ViolationRecord } from '../../results/types.ts';
import type { Sched } from '../control/sched.ts';

/** What a subject is made from, in the driver and again on each of its threads: plain data that travels. */
export type SubjectSpec =
  | { readonly kind: 'program'; readonly url: string }
  | { readonly kind: 'litmus'; readonly plan: import('../../scenario/plan.ts').CellPlan };

/** Something that is wrong with one schedule. Two findings are the same when `oracle` and `object` are. */
export interface Finding {
  /** An oracle's name, or `deadlock`, `livelock`, `assertion`, `data-race`. */
  readonly oracle: string;
  /** What it is about: a umem, a lock, a page; empty when there is no such thing. */
  readonly object: string;
  /** One line for a reader. */
  readonly text: string;
}

/** What is explored, as the driver sees it. */
export interface Subject {
  /** For titles and file names. */
  readonly name: string;
  readonly threads: number;
  /** Thread names, by tid. */
  readonly names: readonly string[];
  /** Words of the arena. */
  readonly words: number;
  /** The first words, which each schedule finds as `setup` left them; behind them, nothing depends on anything. Default: all. */
  readonly resetWords?: number;
  /** The arena's starting state, written once into zeroed memory; every schedule starts from a copy. */
  setup(mem: Memory): void;
  /** After a complete schedule: what its end state and its oracles say. The memory may be changed; it is reset afterwards. */
  check(mem: Memory, sched: Sched): readonly Finding[];
  /** After a schedule that did not come to its end: what was found on the way. */
  observed?(mem: Memory): readonly Finding[];
  /** After a schedule that showed `finding`: its record with the locks of a lock-order cycle; null for any other finding. */
  lockOrder?(finding: Finding): ViolationRecord | null;
  /** How a timeline calls the word at `addr`. */
  nameOf(addr: number): string;
}

/** The other half, on one of the threads. */
export interface SubjectThread {
  /** Called at the start of each schedule; the function it returns is what the thread does. */
  prepare(): () => void;
}
