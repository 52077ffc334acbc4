import type { Era } from '../mm/era.ts';
import type { Pressure } from '../mm/mm.ts';
import type { InjectPlan } from '../trace/inject.ts';
import type { LockStatLevel } from '../trace/lock-stat.ts';
import type { PerturbOptions } from '../trace/perturb.ts';
import type { PointName } from '../trace/points.ts';
import type { StallPlan } from '../trace/stall.ts';

/** Roles that a load scenario may ask for. */
export const LOAD_ROLES = [
  'madvise',
  'munmap',
  'truncate',
  'register',
  'fault-engine',
  'dma',
  'touch',
  'punch-hole',
  'mprotect',
  'mremap',
  'fork',
  'reclaim',
  'migrate',
  'oom-reaper',
  'exit',
  'collapse',
  'pagemap-scan',
] as const;
export type LoadRole = (typeof LOAD_ROLES)[number];
/** What a thread of a cell does. `supervisor` audits; `program` runs the verbs of a litmus test. */
export const ROLES = [...LOAD_ROLES, 'program', 'supervisor'] as const;
export type Role = (typeof ROLES)[number];

/** A VMA that exists when the cell starts: pages `at` .. `at + pages - 1` of mm `mm`. */
export interface AreaPlan {
  readonly mm: number;
  readonly at: number;
  readonly pages: number;
  /** Index into `files`, or -1 for anonymous memory. */
  readonly file: number;
  /** First page of the file that it shows. */
  readonly offset: number;
  readonly writable: boolean;
}

export interface MemoryPlan {
  readonly mms: number;
  /** Size of each address space, pages. */
  readonly pages: number;
  readonly frames: number;
  readonly files: readonly { readonly pages: number }[];
  readonly areas: readonly AreaPlan[];
  /** VMA objects; munmap of a middle part needs a second one. */
  readonly vmas: number;
  /** Memory is short: allocations inside sections enter reclaim. */
  readonly pressure: Pressure | null;
}

export interface HcaPlan {
  /** Memory regions that can be registered at the same time. */
  readonly mrs: number;
  /** Largest region, pages. */
  readonly mrPages: number;
  /** Length of the page-request queue. */
  readonly queue: number;
  /** How long a refused fault waits for the notifier before it lets the hardware fault again (ODP: 1000 ms), milliseconds. */
  readonly faultTimeoutMs: number;
}

export interface ThreadPlan {
  readonly tid: number;
  readonly role: Role;
  /** As it is called in timelines: `madvise-0`, or the litmus thread's name. */
  readonly name: string;
  /** The mm on which it works. */
  readonly mm: number;
  /** fork: the mm of the children. */
  readonly child?: number;
  /** Fewest and most pages of one operation. */
  readonly minPages: number;
  readonly maxPages: number;
  /** Pause after each operation, microseconds (0: none). */
  readonly pauseUs: number;
}

/** One step of a litmus program. `start`, `last` are pages; for files they are sizes or indices. */
export interface VerbPlan {
  readonly verb: Verb;
  /** The range or file as the scenario names it. */
  readonly target: string;
  readonly mm: number;
  readonly start: number;
  readonly last: number;
  /** File index for truncate and extend, else -1; `start` is then the new size. Of punch-hole, `start` .. `last` are pages of the file. */
  readonly file: number;
  /** mremap: first page of the new place. fork: the child's mm. mprotect: 1 gives the right to write. */
  readonly to?: number;
}
export const VERBS = [
  'madvise',
  'munmap',
  'mmap',
  'truncate',
  'extend',
  'register',
  'deregister',
  'fault',
  'prefetch',
  'dma-read',
  'dma-write',
  'read',
  'write',
  'punch-hole',
  'mprotect',
  'mremap',
  'fork',
  'reclaim',
  'migrate',
  'oom-reap',
  'exit',
  'collapse',
  'pagemap-scan',
] as const;
export type Verb = (typeof VERBS)[number];

export interface LitmusPlan {
  readonly iterations: number;
  /** Run by the supervisor before each iteration. */
  readonly setup: readonly VerbPlan[];
  /** One program for each thread with the role `program`, in the order of their tids. */
  readonly programs: readonly (readonly VerbPlan[])[];
  readonly order: readonly { readonly tid: number; readonly point: PointName }[];
}

export interface BoundsPlan {
  /** Time between two quiescent audits, milliseconds. */
  readonly auditIntervalMs: number;
  /** An audit is skipped when not all actors have parked after this time, milliseconds. */
  readonly parkBoundMs: number;
  /** A fault starves after this many refused attempts, of which `starvationOpportunities` could have succeeded. */
  readonly starvationAttempts: number;
  readonly starvationOpportunities: number;
  /** A registration or a removal starves after this many supervisor ticks (1 each 10 ms), as many opportunities among them as above. */
  readonly starvationTicks: number;
  /** A thread that shows no progress for this long and is in no wait that the deadlock oracle names ends its cell, milliseconds. */
  readonly hangMs: number;
}

export interface TracePlan {
  readonly on: boolean;
  /** Records in each thread's ring, a power of two. */
  readonly ring: number;
  /** Records of each thread that a violation keeps. */
  readonly window: number;
  /** Full records kept of each signature. */
  readonly keep: number;
  /** Full records that fit the arena until the main thread has taken them. */
  readonly slots: number;
}

/** A user's own strategy: the module that each thread loads. */
export interface StrategyFile {
  /** A file: URL; a fragment names the export. */
  readonly url: string;
  /** Of the file's text: every thread of a cell must run the same. */
  readonly sha256: string;
}

/** One cell, fully resolved: all that a thread needs to know. Plain data; it travels to every worker. */
export interface CellPlan {
  readonly scenario: string;
  readonly kind: 'load' | 'litmus';
  readonly strategy: string;
  /** Where `strategy` comes from; absent for a built-in one. */
  readonly strategyFile?: StrategyFile;
  readonly era: Era;
  /** 32 bits, not 0. */
  readonly seed: number;
  readonly params: Readonly<Record<string, number>>;
  readonly durationMs: number;
  readonly memory: MemoryPlan;
  readonly hca: HcaPlan;
  /** `dynamic`: the notifier is subscribed by the first region of a process and goes with the last. Absent: static. */
  readonly notifier?: 'static' | 'dynamic';
  /** By tid; the supervisor is the last. */
  readonly threads: readonly ThreadPlan[];
  readonly perturb: PerturbOptions | null;
  readonly trace: TracePlan;
  readonly bounds: BoundsPlan;
  readonly litmus: LitmusPlan | null;
  /** Exposures below which a cell without a violation is UNKNOWN, by name. */
  readonly evidence: Readonly<Record<string, number>>;
  /** Overrides of the strategies' own expectation, from a litmus file. */
  readonly expect: Readonly<Record<string, { readonly must: readonly string[]; readonly may: readonly string[] }>>;
  /** Orders of locks are checked; absent: they are not. */
  readonly lockDep?: boolean;
  /** What is counted of locks beyond waits; absent: nothing. */
  readonly lockStat?: Exclude<LockStatLevel, 'off'>;
  /** Looks at a held lock before its waiter sleeps; absent: DEFAULT_SPINS. */
  readonly lockSpins?: number;
  /** What is made to fail; absent: nothing. */
  readonly inject?: InjectPlan;
  /** Threads that stop at points; absent: none does. */
  readonly stall?: StallPlan;
  /** Threads that end early; absent: none does. */
  readonly kill?: readonly KillPlan[];
}

/** Thread `tid` ends after so many of its operations. */
export interface KillPlan {
  readonly tid: number;
  readonly after: number;
}
