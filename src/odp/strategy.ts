import type { Addr, Vpn } from '../memory/address.ts';
import type { AnyStruct } from '../memory/struct.ts';
import type { Outcome } from '../mm/outcome.ts';
import type { Actor } from '../trace/actor.ts';
import type { Ucontext } from './ucontext.ts';

/** How registration holds mmap_lock around the insertion. `all`: for writing, and mm_take_all_locks on top. */
export type MmLockMode = 'none' | 'read' | 'write' | 'all';

/** Kernel whose locking the mm follows. */
export type Era = 'v5.5';

/** What a cell does to memory, as far as a design's verdict depends on it. */
export interface Traits {
  /** Sections run that are driven through the reverse map and hold no mmap_lock: truncate. */
  readonly rmap: boolean;
}

/** Oracles of which each in `must` and none outside `must` and `may` is seen, and why. */
export interface Expectation {
  readonly must: readonly string[];
  readonly may: readonly string[];
  readonly reason: string;
}

/** Tells the audit of a value that the design says is otherwise when nothing runs. */
export type AuditReport = (umem: Addr, name: string, value: number, expected: number) => void;

export interface ParamSpec {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly description: string;
}

/**
 * A design: the decisions in which the ways of synchronizing faults with invalidations differ. All else is the skeleton's (odp/):
 * zapping device entries and draining, getting pages, commit, lookup and teardown of keys.
 *
 * A strategy is a plain object of functions over shared words; it has no state of its own. Every hook runs on the thread that
 * caused it. Shared words are read and written through sync/ or under a lock, so that controlled runs see each step.
 */
export interface Strategy {
  readonly name: string;
  readonly title: string;
  /** Where it comes from: kernel version, commit, mail. */
  readonly origin: string;
  /** What it is expected to earn, and why. */
  readonly reasoning: string;
  readonly params: Readonly<Record<string, ParamSpec>>;
  /** Words that it needs, zeroed, on the ucontext, on each umem and on each section. */
  readonly words: { readonly ucontext: number; readonly umem: number; readonly section: number };
  /** Names of these words, for timelines. */
  readonly fields?: { readonly ucontext?: AnyStruct; readonly umem?: AnyStruct };
  /** True: all pages are pinned at registration and faults never happen. */
  readonly pins: boolean;
  /**
   * True: registration waits until no section runs, so none is born inside one. The exposure `register-in-section` cannot be had then;
   * `register-meets-section` is counted in its place: a section ran over the range when the registration came, or began while it waited.
   */
  readonly keepsOut?: boolean;

  /** Once for each ucontext, before the threads start. */
  init(mem: Int32Array<SharedArrayBuffer>, ctx: Ucontext): void;
  registerLocks(era: Era): MmLockMode;
  /** Makes a new umem known to the notifier: puts it into the tree (or defers that) and sets its first values. Keys are created after. */
  insert(actor: Actor, ctx: Ucontext, umem: Addr): void;
  /** Takes it out; on return no notifier callback touches the umem any more, and none will. The caller holds no lock. */
  remove(actor: Actor, ctx: Ucontext, umem: Addr): void;
  /** invalidate_range_start: on OK no entry of the range is valid and none becomes valid before rangeEnd. After EAGAIN all is as before. */
  rangeStart(actor: Actor, ctx: Ucontext, section: Addr, start: Vpn, last: Vpn, blockable: boolean): Outcome;
  /** invalidate_range_end. */
  rangeEnd(actor: Actor, ctx: Ucontext, section: Addr, start: Vpn, last: Vpn): void;
  /** A fault begins: returns its sample (not negative), or -1 when it collides already and should wait. */
  faultBegin(actor: Actor, ctx: Ucontext, umem: Addr): number;
  /** Under the umem mutex: true when the page `vpn` that was got since `sample` may be mapped. */
  faultCheck(actor: Actor, ctx: Ucontext, umem: Addr, sample: number, vpn: Vpn): boolean;
  /** Waits until a refused fault may try again, at most `timeoutMs`; false when it timed out. May return early. Holds no lock. */
  faultWait(actor: Actor, ctx: Ucontext, umem: Addr, timeoutMs: number): boolean;
  /** The umem is dying: wakes the faults that wait for it, so that they see that and give up. */
  faultWake(actor: Actor, ctx: Ucontext, umem: Addr): void;
  /** Everybody is parked: reports each value of the ucontext (`umem` 0) or of one umem that is not what it must be then. */
  audit(actor: Actor, ctx: Ucontext, umem: Addr, report: AuditReport): void;
  expected(era: Era, traits: Traits, params: Readonly<Record<string, number>>): Expectation;
}
