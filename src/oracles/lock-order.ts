import { type LockDepSink, type OrderFound, SUBCLASSES } from '../sync/lock-dep.ts';
import { type HeldMode, TASK, type Task } from '../sync/task.ts';
import { type Actor, MODE } from '../trace/actor.ts';
import { lastPoint } from '../trace/lock-stat-places.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { CHAIN_MAX, HELD_KEPT, type OracleView, VIOLATION } from './view.ts';

/** Why lock-order fired; in the record's `reason`. */
export const LOCK_ORDER = { circular: 0, recursive: 1 } as const;

/** A class and subclass as they stand in records. */
export const keyClass = (key: number): number => Math.floor(key / SUBCLASSES);
export const keySubclass = (key: number): number => key % SUBCLASSES;

/**
 * lock-order: two orders of locks that could meet in a deadlock, or a class taken inside itself: see sync/lock-dep.ts. Each cycle of
 * classes fires once in a cell, on the thread that closes it, before that thread waits.
 *
 * unlock-not-owner: a release of a lock that the calling thread does not hold. The lock is left as it is.
 */
export const createLockSink = (view: OracleView): LockDepSink => ({
  order: (task, found) => reportOrder(task as Actor, view, found),
  notOwner: (task, lock, mode) => reportNotOwner(task as Actor, view, lock, mode),
  where: (task) => where(task as Actor),
});

/** The last point that a thread has passed and that is no lock's own; -1 without a trace. */
const where = ({ mode, mem, ringHead, ring, ringMask }: Actor): number =>
  (mode & MODE.trace) === 0 ? -1 : lastPoint(mem, ringHead, ring, ringMask);

function reportOrder(actor: Actor, view: OracleView, found: OrderFound): void {
  const slot = violate(actor, view, ORACLE['lock-order']);
  if (slot === 0) return;
  const { mem } = view;
  mem[slot + VIOLATION.reason] = found.recursive ? LOCK_ORDER.recursive : LOCK_ORDER.circular;
  mem[slot + VIOLATION.value] = found.lock;
  mem[slot + VIOLATION.expectedValue] = found.mode;
  mem[slot + VIOLATION.seq] = found.hold;
  const edges = Math.min(found.edges, CHAIN_MAX);
  for (let i = 0; i < edges * 4; i++) mem[slot + VIOLATION.chain + i] = found.chain[i];
  mem[slot + VIOLATION.chainLength] = edges;
  fillHeld(actor, view, slot, found.held, found.heldKeys);
  submit(view, slot);
}

function reportNotOwner(actor: Actor, view: OracleView, lock: number, mode: HeldMode): void {
  const slot = violate(actor, view, ORACLE['unlock-not-owner']);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.value] = lock;
  view.mem[slot + VIOLATION.expectedValue] = mode;
  fillHeld(actor, view, slot, view.mem[actor.addr + TASK.heldCount], null);
  submit(view, slot);
}

/** What the thread holds: each hold's word, and its class and subclass. */
function fillHeld(task: Task, view: OracleView, slot: number, holds: number, keys: Int32Array | null): void {
  const { mem } = view;
  const n = Math.min(holds, HELD_KEPT);
  for (let i = 0; i < n; i++) {
    mem[slot + VIOLATION.held + i * 2] = mem[task.addr + TASK.held + i];
    mem[slot + VIOLATION.held + i * 2 + 1] = keys === null ? -1 : keys[i];
  }
  mem[slot + VIOLATION.heldLength] = n;
}
