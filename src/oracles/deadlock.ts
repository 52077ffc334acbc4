import { type Addr, at } from '../memory/address.ts';
import { rawLoad } from '../sync/atomics.ts';
import { rwsemWriteLocked } from '../sync/rw-semaphore.ts';
import { srcuAwaited } from '../sync/srcu.ts';
import { HELD, type HeldMode, heldAddr, heldMode, TASK, WAIT, waitNodePending } from '../sync/task.ts';
import { SLOT_QUEUE } from '../sync/wait-queue.ts';
import type { Actor } from '../trace/actor.ts';
import { GATE_OUTCOME, gateBlockedOn, gateOpen } from '../trace/gate.ts';
import { PARK_FINISHED } from '../trace/park.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { CHAIN_MAX, HELD_KEPT, type OracleView, VIOLATION } from './view.ts';

/** What the supervisor remembers between two looks. */
export interface DeadlockWatch {
  /** By tid: the wait epoch at which the thread was last seen stuck, or -1. */
  readonly epochs: Int32Array;
  /** How many looks in a row have found the same stuck threads. */
  looks: number;
  reported: boolean;
  /** The first closed set that had a gate in it: why a forced order is impossible. */
  prevented: readonly Stuck[];
}
export const createDeadlockWatch = (threads: number): DeadlockWatch => ({
  epochs: new Int32Array(threads).fill(-1),
  looks: 0,
  reported: false,
  prevented: [],
});

/** The same closed set must be seen this often before it is believed. */
const LOOKS = 3;
const FREE = -2;

/**
 * Looks for a closed set of waits. Starts with every thread whose wait does not end by itself and takes out, until nothing changes, each
 * thread that somebody outside the set could wake:
 * - a lock's waiter, when none of the holders is in the set (a holder that runs will release it);
 * - a waiter for a slot of a pool, when not all of its slots are held by threads of the set: any of the others may give his back;
 * - a waiter for a completion or a queue, when any live thread is outside (it might wake it);
 * - a grace period, when the reader that it waits for is outside; a drain or a gate, when the thread that it waits for is outside.
 * A sleeper that has been granted what it waits for, and has not run yet, is not in the set: each kind of wait is checked against the
 * word slept on. What is left waits for itself. Words are read racily, so it counts only when `LOOKS` looks find the same threads at the same wait
 * epochs: a thread that was woken in between has moved on.
 *
 * When a gate is part of it the forced order is impossible under this design: the gate opens, and nothing is reported.
 * Returns true when a deadlock was reported.
 */
export function checkDeadlock(actor: Actor, view: OracleView, watch: DeadlockWatch): boolean {
  const stuck = stuckThreads(view);
  const same = stuck.length > 0 && stuck.every(({ tid, epoch }) => watch.epochs[tid] === epoch);
  watch.looks = same ? watch.looks + 1 : stuck.length > 0 ? 1 : 0;
  watch.epochs.fill(-1);
  for (const { tid, epoch } of stuck) watch.epochs[tid] = epoch;
  if (watch.looks < LOOKS || watch.reported) return false;
  if (stuck.some(({ kind }) => kind === WAIT.gate)) {
    gateOpen(view.mem, view.gate, GATE_OUTCOME.prevented);
    watch.looks = 0;
    if (watch.prevented.length === 0) watch.prevented = stuck;
    return false;
  }
  watch.reported = true;
  report(actor, view, stuck);
  return true;
}

/** A thread in a closed set of waits. */
export interface Stuck {
  readonly tid: number;
  readonly epoch: number;
  readonly kind: number;
  readonly addr: Addr;
  readonly arg: number;
}

const taskAddr = (view: OracleView, tid: number): Addr => at(view.tasks, tid * view.taskStride);

function readWait(view: OracleView, tid: number): Stuck | null {
  const { mem } = view;
  const t = taskAddr(view, tid);
  const epoch = rawLoad(mem, at(t, TASK.waitEpoch));
  const kind = mem[t + TASK.waitKind];
  if (kind === WAIT.none || kind === WAIT.park || kind === WAIT.idle || mem[t + TASK.waitTimed] !== 0) return null;
  const isLock = kind === WAIT.mutex || kind === WAIT.rwsemRead || kind === WAIT.rwsemWrite;
  // Granted, or told to try again, and not yet run: no longer stuck.
  if (isLock && !waitNodePending(mem, t)) return null;
  return { tid, epoch, kind, addr: mem[t + TASK.waitAddr] as Addr, arg: mem[t + TASK.waitArg] };
}

function stuckThreads(view: OracleView): Stuck[] {
  let set: Stuck[] = [];
  let live = 0;
  for (let tid = 0; tid < view.threads; tid++) {
    // A finished thread wakes nobody; the supervisor itself takes no part in the protocol.
    if (rawLoad(view.mem, view.parkWords[tid]!) === PARK_FINISHED) continue;
    live++;
    const wait = readWait(view, tid);
    if (wait !== null) set.push(wait);
  }
  for (;;) {
    const inSet = new Set(set.map((s) => s.tid));
    const next = set.filter((s) => blockedOn(view, s, inSet, live) !== FREE);
    if (next.length === set.length) return set;
    set = next;
  }
}

/** A thread of the set for which `s` waits, -1 for "all of them", or FREE when somebody outside could wake it. */
function blockedOn(view: OracleView, s: Stuck, inSet: ReadonlySet<number>, live: number): number {
  switch (s.kind) {
    case WAIT.mutex:
    case WAIT.spin:
    case WAIT.rwsemRead:
    case WAIT.rwsemWrite:
      return holderInSet(view, s.addr, false, inSet);
    case WAIT.srcu: {
      // A use count has itself as the word slept on. A grace period names one reader: a newer one holds nothing up.
      if (s.arg === s.addr) return holderInSet(view, s.addr, true, inSet);
      const on = srcuAwaited(view.mem, s.addr, s.arg as Addr);
      return inSet.has(on) ? on : FREE;
    }
    case WAIT.drain:
      return inSet.has(s.arg) ? s.arg : FREE;
    case WAIT.gate: {
      const on = gateBlockedOn(view.mem, s.addr, s.arg);
      return inSet.has(on) ? on : FREE;
    }
    case WAIT.completion:
      return rawLoad(view.mem, s.addr) === 0 && inSet.size === live ? -1 : FREE;
    case WAIT.waitQueue:
      return rawLoad(view.mem, s.addr) === s.arg && inSet.size === live ? -1 : FREE;
    case WAIT.slot:
      return rawLoad(view.mem, s.addr) === s.arg ? (allSlots(view, s.addr, inSet)[0] ?? FREE) : FREE;
    default:
      return FREE;
  }
}

function holderInSet(view: OracleView, lock: Addr, srcu: boolean, inSet: ReadonlySet<number>): number {
  return holdersIn(view, lock, (mode) => (mode === HELD.srcu) === srcu, inSet)[0] ?? FREE;
}

/** Who of the set holds `lock`, each as often as he holds it. */
function holdersIn(
  { mem, tasks, taskStride }: OracleView,
  lock: Addr,
  as: (mode: HeldMode) => boolean,
  inSet: Iterable<number>,
): number[] {
  const holders: number[] = [];
  for (const tid of inSet) {
    const t = at(tasks, tid * taskStride);
    const n = mem[t + TASK.heldCount];
    for (let i = 0; i < n; i++) {
      const word = mem[t + TASK.held + i];
      if (heldAddr(word) === lock && as(heldMode(word))) holders.push(tid);
    }
  }
  return holders;
}

/**
 * Holders of the slots of `pool`, when the set has all of them; none otherwise. A slot is published after it was taken and no longer when it
 * is given back, so as many as the pool has are all that there are.
 */
function allSlots(view: OracleView, pool: Addr, inSet: Iterable<number>): number[] {
  const holders = holdersIn(view, pool, (mode) => mode === HELD.slot, inSet);
  return holders.length >= view.mem[pool + SLOT_QUEUE.size] ? holders : [];
}

/** A reader that waits for a lock which is only held for reading waits for the writer that is queued before it. */
function writerAhead(view: OracleView, s: Stuck, stuck: readonly Stuck[]): number | undefined {
  if (s.kind !== WAIT.rwsemRead || rwsemWriteLocked(view.mem, s.addr)) return undefined;
  return stuck.find((o) => o.kind === WAIT.rwsemWrite && o.addr === s.addr)?.tid;
}

/** Writes the cycle, found by following one edge from each thread, beginning anywhere in it. */
function report(actor: Actor, view: OracleView, stuck: readonly Stuck[]): void {
  const slot = violate(actor, view, ORACLE.deadlock);
  if (slot === 0) return;
  const { mem } = view;
  const byTid = new Map(stuck.map((s) => [s.tid, s]));
  const inSet = new Set(byTid.keys());
  const edge = (s: Stuck): number => {
    const on = writerAhead(view, s, stuck) ?? blockedOn(view, s, inSet, inSet.size);
    return on >= 0 ? on : (stuck.find((o) => o.tid !== s.tid)?.tid ?? s.tid);
  };
  // After as many steps as there are threads, the walk is inside a cycle; then once around.
  let at: Stuck = stuck[0]!;
  for (let i = 0; i < stuck.length; i++) at = byTid.get(edge(at))!;
  const first = at.tid;
  let n = 0;
  do {
    const on = edge(at);
    const c = slot + VIOLATION.chain + n * 4;
    mem[c] = at.tid;
    mem[c + 1] = at.kind;
    mem[c + 2] = at.addr;
    mem[c + 3] = on;
    n++;
    at = byTid.get(on)!;
  } while (at.tid !== first && n < CHAIN_MAX);
  mem[slot + VIOLATION.chainLength] = n;
  fillHolders(view, slot, n, inSet);
  submit(view, slot);
}

/** Who has the slots of each pool in the cycle: a tid and the pool for each slot. */
function fillHolders(view: OracleView, slot: Addr, edges: number, inSet: ReadonlySet<number>): void {
  const { mem } = view;
  const pools = new Set<Addr>();
  for (let i = 0; i < edges; i++) {
    const c = slot + VIOLATION.chain + i * 4;
    if (mem[c + 1] === WAIT.slot) pools.add(mem[c + 2] as Addr);
  }
  let n = 0;
  for (const pool of pools) {
    for (const tid of allSlots(view, pool, inSet).slice(0, HELD_KEPT - n)) {
      mem[slot + VIOLATION.held + n * 2] = tid;
      mem[slot + VIOLATION.held + n * 2 + 1] = pool;
      n++;
    }
  }
  mem[slot + VIOLATION.heldLength] = n;
}
