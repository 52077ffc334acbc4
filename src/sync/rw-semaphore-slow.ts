import { type Addr, at, type Memory } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { add, compareExchange, cpuRelax, load, or } from './atomics.ts';
import { COUNT } from './rwsem-count.ts';
import { rawSpinLock, spinLimit, spinUnlock } from './spin-lock.ts';
import { HELD, type HeldMode, type Task, WAIT, WAIT_NODE, waitNodeOf } from './task.ts';
import {
  HANDOFF_AFTER,
  nodeMode,
  nodeNext,
  nodePrepare,
  nodeSleep,
  nodeWake,
  WAIT_LIST,
  waitListAdd,
  waitListHead,
  waitListRemove,
} from './wait-list.ts';

/**
 * The slow half of rw-semaphore.ts, out of line so that the fast half inlines. Two rules carry it:
 *
 * - WAITERS is set exactly while the queue is not empty, and changes only with the queue's lock held;
 * - whoever takes the last holder out of the count while WAITERS is set wakes the first in the queue. A reader that failed is
 *   counted until it is queued, so it has the same duty.
 */
const { WRITER, WAITERS, HANDOFF, READER } = COUNT;
const READERS = ~(READER - 1);
const HOLDERS = READERS | WRITER;

/**
 * `count`: bit 0 a writer holds it, bit 1 the queue is not empty, bit 2 it is promised to the first in the queue; from bit 8
 * on the number of readers, counting those that have yet to find out that they did not get it.
 */
export const RW_SEMAPHORE = defineStruct('rw_semaphore', { count: 1, cls: 1, owner: 1, list: WAIT_LIST.$words });
const LIST = RW_SEMAPHORE.list;

/** Whom `wakeQueued` may let in. */
const WAKE = {
  /** Nobody seemed to hold it: readers are let in, a writer is woken to try. */
  any: 0,
  /** Readers hold it, perhaps: first make sure that no writer has come. */
  readers: 1,
  /** The caller holds it for reading, so no writer can come. */
  readOwned: 2,
} as const;
type Wake = (typeof WAKE)[keyof typeof WAKE];

/** `rwsem_down_read_slowpath`. The caller has added itself to the readers. */
export function downReadSlow(task: Task, sem: Addr): void {
  const since = contended(task, sem, HELD.read);
  if (!enterAsReader(task, sem)) queueAsReader(task, sem);
  acquired(task, sem, HELD.read, since);
}

/** `rwsem_down_write_slowpath`. */
export function downWriteSlow(task: Task, sem: Addr): void {
  const since = contended(task, sem, HELD.write);
  if (!overtakeAsWriter(task, sem)) queueAsWriter(task, sem);
  acquired(task, sem, HELD.write, since);
}

/** `rwsem_wake`: the last holder has left. */
export function wakeWaiters(task: Task, sem: Addr): void {
  const list = at(sem, LIST);
  rawSpinLock(task, list);
  wakeQueued(task, sem, WAKE.any);
  spinUnlock(task, list);
}

/** `rwsem_downgrade_wake`. */
export function wakeReadersAfterDowngrade(task: Task, sem: Addr): void {
  const list = at(sem, LIST);
  rawSpinLock(task, list);
  wakeQueued(task, sem, WAKE.readOwned);
  spinUnlock(task, list);
}

function contended(task: Task, sem: Addr, mode: HeldMode): number {
  if (task.lockDep !== null) task.lockDep.acquiring(task, sem, mode);
  return task.hooks === null ? 0 : task.hooks.contended(task, sem, mode);
}

function acquired(task: Task, sem: Addr, mode: HeldMode, since: number): void {
  if (task.hooks !== null) task.hooks.acquired(task, sem, mode, since);
}

/**
 * Enters although somebody is queued, when the last holder has left and the woken one has not come yet. With no writer inside
 * and no promise made, the caller's own count keeps all writers out: it is in. It must have seen no other reader, though,
 * or a stream of readers would pass a queued writer for ever, and a nested read would never find itself behind one.
 */
function enterAsReader(task: Task, sem: Addr): boolean {
  for (let i = spinLimit(task); i > 0; i--) {
    const count = load(task, sem);
    if ((count & HANDOFF) !== 0) return false;
    if ((count & WRITER) === 0) {
      if ((count & READERS) !== READER) return false;
      if ((count & WAITERS) !== 0) wakeReadersAfterDowngrade(task, sem);
      return true;
    }
    cpuRelax();
  }
  return false;
}

function queueAsReader(task: Task, sem: Addr): void {
  const { mem } = task;
  const list = at(sem, LIST);
  const node = waitNodeOf(task.addr);
  rawSpinLock(task, list);
  const first = waitListHead(mem, list) === 0;
  // Nobody queued and no writer inside: the reader is counted already, so it is in.
  if (first && (load(task, sem) & WRITER) === 0) {
    spinUnlock(task, list);
    return;
  }
  waitListAdd(mem, list, node, HELD.read);
  nodePrepare(task, node);
  // Out of the readers and into the queue in one step. Others took this reader for a holder until now: if it was the last
  // one counted, the thread that really left last has woken nobody, and the duty is ours.
  const adjustment = first ? WAITERS - READER : -READER;
  const count = add(task, sem, adjustment) + adjustment;
  if ((count & WRITER) === 0) wakeQueued(task, sem, (count & READERS) === 0 ? WAKE.any : WAKE.readers);
  spinUnlock(task, list);
  // A reader is woken only once it has been counted and taken off the queue: it owns the lock then.
  nodeSleep(task, node, WAIT.rwsemRead, sem);
}

/** Spins for a bounded time and takes the lock, past the queue, if everybody leaves. */
function overtakeAsWriter(task: Task, sem: Addr): boolean {
  for (let i = spinLimit(task); i > 0; i--) {
    const count = load(task, sem);
    if ((count & HANDOFF) !== 0) return false;
    if ((count & HOLDERS) === 0 && compareExchange(task, sem, count, count | WRITER) === count) return true;
    cpuRelax();
  }
  return false;
}

function queueAsWriter(task: Task, sem: Addr): void {
  const { mem } = task;
  const list = at(sem, LIST);
  const node = waitNodeOf(task.addr);
  rawSpinLock(task, list);
  waitListAdd(mem, list, node, HELD.write);
  // Before the first look at the count: a release after that look finds the bit and wakes.
  or(task, sem, WAITERS);
  while (!tryAsQueuedWriter(task, sem, node)) {
    nodePrepare(task, node);
    spinUnlock(task, list);
    nodeSleep(task, node, WAIT.rwsemWrite, sem);
    for (let i = spinLimit(task); i > 0 && (load(task, sem) & HOLDERS) !== 0; i--) cpuRelax();
    rawSpinLock(task, list);
    mem[node + WAIT_NODE.misses]++;
  }
  spinUnlock(task, list);
}

/** With the queue's lock held: takes the lock and leaves the queue, or has made sure that the last holder will wake the queue's first. */
function tryAsQueuedWriter(task: Task, sem: Addr, node: Addr): boolean {
  const { mem } = task;
  const list = at(sem, LIST);
  if (waitListHead(mem, list) !== node) return false;
  const alone = mem[list + WAIT_LIST.waiters] === 1;
  for (;;) {
    const count = load(task, sem);
    if ((count & HOLDERS) === 0) {
      if (compareExchange(task, sem, count, alone ? WRITER : WRITER | WAITERS) !== count) continue;
      waitListRemove(mem, list, node);
      return true;
    }
    if ((count & HANDOFF) !== 0 || mem[node + WAIT_NODE.misses] < HANDOFF_AFTER) return false;
    // One step with the look at the holders: the last of them leaves after it and finds the lock closed to others.
    if (compareExchange(task, sem, count, count | HANDOFF) === count) return false;
  }
}

/** `rwsem_mark_wake`, with the queue's lock held. Lets in every queued reader at once, also those behind a queued writer. */
function wakeQueued(task: Task, sem: Addr, wake: Wake): void {
  const { mem } = task;
  const list = at(sem, LIST);
  const head = waitListHead(mem, list);
  if (head === 0) return;
  if (nodeMode(mem, head) === HELD.write) {
    if (wake === WAKE.any) nodeWake(task, head);
    return;
  }
  if (wake !== WAKE.readOwned && !countFirstReader(task, sem, head)) return;
  const batch = takeReaders(mem, list, head);
  // The whole batch is counted before any of it runs. Counted afterwards, a reader that was quick to finish would take away
  // a count that nobody had added, and the lock would look free, or worse, with the others inside.
  let change = mem[batch + WAIT_NODE.misses] * READER;
  if (wake !== WAKE.readOwned) change -= READER;
  const count = load(task, sem);
  // The promise was made to the first of the batch, and only with this lock held: both bits stand still.
  if ((count & HANDOFF) !== 0) change -= HANDOFF;
  if (waitListHead(mem, list) === 0) change -= WAITERS;
  add(task, sem, change);
  for (let node = batch; node !== 0; ) {
    // Read before the wake-up: after it the thread may queue for another lock.
    const next = nodeNext(mem, node);
    nodeWake(task, node);
    node = next;
  }
}

/** Counts the first queued reader, which keeps writers out from then on; false, and not counted, when a writer is inside already. */
function countFirstReader(task: Task, sem: Addr, head: Addr): boolean {
  if ((add(task, sem, READER) & WRITER) === 0) return true;
  const overtaken = ++task.mem[head + WAIT_NODE.misses] >= HANDOFF_AFTER;
  const promise = overtaken && (load(task, sem) & HANDOFF) === 0 ? HANDOFF : 0;
  // The writer that leaves meanwhile finds WAITERS set and comes here after us, so this undo owes nobody a wake-up.
  add(task, sem, promise - READER);
  return false;
}

/** Takes all readers off the queue, as a chain in their order; the first one's `misses` says how many. */
function takeReaders(mem: Memory, list: Addr, head: Addr): Addr {
  let last = head;
  let taken = 0;
  for (let node = head; node !== 0; ) {
    const next = nodeNext(mem, node);
    if (nodeMode(mem, node) === HELD.read) {
      waitListRemove(mem, list, node);
      if (taken > 0) mem[last + WAIT_NODE.next] = node;
      last = node;
      taken++;
    }
    node = next;
  }
  mem[last + WAIT_NODE.next] = 0;
  mem[head + WAIT_NODE.misses] = taken;
  return head;
}
