import type { Addr, Pfn, Vpn } from '../memory/address.ts';
import type { Actor } from './actor.ts';

/**
 * What the model tells the oracles: facts, without a judgement. The rooms below oracles/ call it through the actor, so that
 * they know nothing of who judges. Every method runs on the thread to which the fact happened; none allocates unless it fires.
 */
export interface Observer {
  /** mm/frame: a free frame is handed out again; `intact` is false when its poison was overwritten while it was free. */
  frameReused(actor: Actor, pfn: Pfn, intact: boolean): void;
  /** mm/access: the CPU reached `pfn` through the page table under the page-table lock and found `found` where `expected` should be. */
  cpuAccessed(actor: Actor, vpn: Vpn, pfn: Pfn, expected: number, found: number): void;
  /** mm/notifier: all start callbacks of a section have returned OK; nothing was cleared yet. */
  sectionStarted(actor: Actor, mm: number, start: Vpn, last: Vpn): void;
  /** mm/notifier: the section is about to end; page tables are cleared, end callbacks not yet called. */
  sectionEnding(actor: Actor, mm: number, start: Vpn, last: Vpn): void;
  /** mm/notifier: `subscription`, in its life `epoch`, was called for start (OK or EAGAIN), or for end, of section `cookie`. */
  notifierCalled(actor: Actor, subscription: number, cookie: number, call: NotifierCall, epoch: number): void;
  /** hca/dma: an access through `entry` is over, its in-flight word not yet lowered. */
  dmaAccessed(actor: Actor, access: DmaAccess): void;
  /** odp: a running count of `umem` (0: of the process) has taken the value `value`. */
  countChanged(actor: Actor, umem: Addr, value: number, seq: number): void;
  /** An object (see LIFE) was used after it was freed: by its number, or 0. */
  usedAfterFree(actor: Actor, kind: LifeKind, id: number): void;
  /** An object was freed that was free. */
  freedTwice(actor: Actor, kind: LifeKind, id: number): void;
  /** hca: a command (see COMMAND in hca/) was posted for key `index`, which the device does not have. */
  deadKeyCommand(actor: Actor, index: number, command: number): void;
  /** odp: a start that must not block has slept, or taken a lock that sleeps: what for (WAIT) and where. */
  sleptInNonblockable(actor: Actor, kind: number, addr: Addr): void;
  /** odp/fault-engine: one attempt of a page fault was refused by the strategy. `free`: no overlapping section ran meanwhile. */
  faultRefused(actor: Actor, umem: Addr, vpn: Vpn, attempt: number, opportunities: number): void;
}

/** What has a life that ends. */
export const LIFE = { umem: 0, container: 1, vma: 2, frame: 3 } as const;
export type LifeKind = (typeof LIFE)[keyof typeof LIFE];

export const NOTIFIER_CALL = { startOk: 0, startEagain: 1, end: 2 } as const;
export type NotifierCall = (typeof NOTIFIER_CALL)[keyof typeof NOTIFIER_CALL];

/** One device access; each DMA thread has one such object and fills it anew, so that nothing is allocated. */
export interface DmaAccess {
  key: number;
  vpn: Vpn;
  pfn: Pfn;
  write: boolean;
  pinned: boolean;
  /** Generation in the entry, and the frame's own after the access: both truncated to the entry's width. */
  entryGeneration: number;
  frameGeneration: number;
  /** Backing identity that was committed with the entry, and the one that the payload carried when it was read. */
  expectedIdentity: number;
  foundIdentity: number;
  /** The identity was accepted, and was stored for another entry. */
  identityTorn: boolean;
}

/** Observes nothing: for benchmarks of the bare model and tests of single rooms. */
export const NULL_OBSERVER: Observer = {
  frameReused() {},
  cpuAccessed() {},
  sectionStarted() {},
  sectionEnding() {},
  notifierCalled() {},
  dmaAccessed() {},
  countChanged() {},
  faultRefused() {},
  usedAfterFree() {},
  freedTwice() {},
  deadKeyCommand() {},
  sleptInNonblockable() {},
};
