import type { Addr, Vpn } from '../memory/address.ts';
import type { AnyStruct } from '../memory/struct.ts';
import type { Era } from '../mm/era.ts';
import type { Outcome } from '../mm/outcome.ts';
import type { MmSteps } from '../mm/steps.ts';
import type { Actor } from '../trace/actor.ts';
import type { OdpSteps } from './steps.ts';
import type { Ucontext } from './ucontext.ts';

/** How registration holds mmap_lock around the insertion. `all`: for writing, and mm_take_all_locks on top. */
export type MmLockMode = 'none' | 'read' | 'write' | 'all';

/** What a cell does to memory, as far as a design's verdict depends on it. */
export interface Traits {
  /** Sections run that are driven through the reverse map and hold no mmap_lock: truncate, hole punch, reclaim, migration. */
  readonly rmap: boolean;
  /** Some of these pass a page once, so that what is stale after them stays stale: all but truncate, whose second pass repairs it. */
  readonly onePass?: boolean;
  /** Sections run under a VMA's lock and not under mmap_lock: eras with `vmaLocks`. */
  readonly vmaLocks?: boolean;
  /** Sections are nested: allocations inside them enter reclaim. */
  readonly nested?: boolean;
  /** Operations allocate in their sections: mremap and fork. */
  readonly allocates?: boolean;
  /** A section takes a lock of the reverse map for writing (mremap) that others hold for reading when they begin theirs. */
  readonly locksRmap?: boolean;
  /** Sections begin that must not block: the OOM reaper. */
  readonly nonBlockable?: boolean;
  /** A process exits. */
  readonly exits?: boolean;
  /** Capabilities that are made to fail: see trace/inject.ts. */
  readonly fails?: readonly string[];
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
  /** True: once subscribed the notifier stays so as long as the process lives, also without a region. */
  readonly keepsSubscription?: boolean;
  /** Steps of the mm that a known bug takes out of order: see mm/steps.ts. */
  readonly mmSteps?: Partial<MmSteps>;
  /** Steps of the driver in which a variant differs; absent: none. */
  readonly odpSteps?: Partial<OdpSteps>;

  /** Once for each ucontext, before the threads start. */
  init(mem: Int32Array<SharedArrayBuffer>, ctx: Ucontext): void;
  registerLocks(era: Era): MmLockMode;
  /** Makes a new umem known to the notifier: puts it into the tree (or defers that) and sets its first values. Keys are created after. */
  insert(actor: Actor, ctx: Ucontext, umem: Addr): void;
  /** Takes it out; on return no notifier callback touches the umem any more, and none will. The caller holds no lock. */
  remove(actor: Actor, ctx: Ucontext, umem: Addr): void;
  /**
   * invalidate_range_start: on OK no entry of the range is valid and none becomes valid before rangeEnd. After EAGAIN, which only a start
   * that is not `blockable` may answer, all is as before and no end follows. Such a start does not sleep: it takes locks that do by trylock
   * only, and zaps nothing, as a zap waits for the device.
   */
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
  /**
   * The last region has gone, and the notifier will be unsubscribed: sections that run now get no end. Where that matters (a lock that is
   * held from start to end) the design sees to it here. The caller holds no lock that callbacks take.
   */
  leave?(actor: Actor, ctx: Ucontext): void;
  /**
   * release: the process goes away. Refuses all faults from now on and zaps all umems; `section` covers the address space. Absent: a start
   * over the address space and, once all umems are dying, its end.
   */
  release?(actor: Actor, ctx: Ucontext, section: Addr, start: Vpn, last: Vpn): void;
  /**
   * free_notifier: the process has exited and no callback runs any more, nor ever will; sections that ran at release got no end. Regions are
   * still to be taken out: whoever waits there for such an end is to be let go.
   */
  free?(actor: Actor, ctx: Ucontext): void;
  /** Everybody is parked: reports each value of the ucontext (`umem` 0) or of one umem that is not what it must be then. */
  audit(actor: Actor, ctx: Ucontext, umem: Addr, report: AuditReport): void;
  expected(era: Era, traits: Traits, params: Readonly<Record<string, number>>): Expectation;
}
