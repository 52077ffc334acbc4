import { type Addr, at, NULL_ADDR } from '../memory/address.ts';
import { rawLoad, rawNotify, rawStore } from '../sync/atomics.ts';
import { COMPLETION, COMPLETION_DONE_ALL } from '../sync/completion.ts';
import { MUTEX } from '../sync/mutex.ts';
import { RW_SEMAPHORE } from '../sync/rw-semaphore.ts';
import { wakeWaiters } from '../sync/rw-semaphore-slow.ts';
import { COUNT } from '../sync/rwsem-count.ts';
import { srcuAwaited } from '../sync/srcu.ts';
import { NODE_IDLE, NODE_WAITING, TASK, WAIT, waitNodeOf } from '../sync/task.ts';
import { WAIT_LIST, waitListHead } from '../sync/wait-list.ts';
import type { Actor } from '../trace/actor.ts';
import { PARK_FINISHED } from '../trace/park.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/** One published sleep. */
interface Sleep {
  readonly tid: number;
  readonly epoch: number;
  readonly kind: number;
  readonly addr: Addr;
  readonly arg: number;
  readonly timed: boolean;
}

/** A sleeper whose lock was free: what has to be known of the others before it can be said that nobody is about to wake it. */
interface Suspect {
  readonly epoch: number;
  /** By tid: records in the thread's ring at the look that made the suspect. */
  readonly heads: Int32Array;
  /** By tid: has been seen, since then, where nobody owes a wake-up. */
  readonly cleared: Uint8Array;
}

/** What the supervisor remembers between two looks. */
export interface LostWakeupWatch {
  /** By tid. */
  readonly suspects: (Suspect | null)[];
  /** By tid: the wait epoch at the last look, when everybody slept; -1 otherwise. */
  readonly epochs: Int32Array;
}
export const createLostWakeupWatch = (threads: number): LostWakeupWatch => ({
  suspects: new Array<Suspect | null>(threads).fill(null),
  epochs: new Int32Array(threads).fill(-1),
});

const { WRITER, READER } = COUNT;
const HOLDERS = ~(READER - 1) | WRITER;

/**
 * lost-wakeup: a thread sleeps, what it waits for is there, and nobody is about to wake it. Never a false alarm; each kind of wait is
 * judged by what its own protocol promises.
 *
 * Mutex and rwsem: the first in the queue sleeps although nobody holds the lock. Whoever made it free, before that was seen, owes a
 * wake-up and goes from there straight to it: no point of the protocol lies in between, and no sleep but for the queue's own
 * spin lock. So once every other thread has, since then, passed a point, begun a sleep of another kind or finished, the wake-up is over; a
 * sleep that is still the same one has missed it. The node's word, the one slept on, tells a sleeper that was woken and has not run.
 *
 * Completion, wait queue, grace period, use count: their word does not say who has been woken. They are judged only while every thread
 * sleeps, at two looks in the same sleeps; then the supervisor itself wakes the word, and `Atomics.notify` says how many had not been
 * woken before: so many were left asleep by somebody who is gone.
 *
 * Not seen: sleeps with a time-out; spin locks, gates and drains; a lost wake-up for a lock that a later release makes up for before the
 * second look; and for locks, while a busy thread leaves no trace (trace off), anything. A sleeper is woken after the report, so the cell
 * goes on and the next loss counts as well.
 */
export function checkLostWakeup(actor: Actor, view: OracleView, watch: LostWakeupWatch): boolean {
  let found = false;
  const sleeps = readSleeps(view);
  for (const [tid, sleep] of sleeps.entries()) {
    if (sleep !== null && !sleep.timed && isLock(sleep.kind)) found = checkLock(actor, view, watch, sleep) || found;
    else watch.suspects[tid] = null;
  }
  return checkOthers(actor, view, watch, sleeps) || found;
}

const isLock = (kind: number): boolean => kind === WAIT.mutex || kind === WAIT.rwsemRead || kind === WAIT.rwsemWrite;

const taskAddr = (view: OracleView, tid: number): Addr => at(view.tasks, tid * view.taskStride);
const isFinished = (view: OracleView, tid: number): boolean =>
  rawLoad(view.mem, view.parkWords[tid]!) === PARK_FINISHED;

/** By tid: its sleep, or null while it runs, and when it has finished. */
function readSleeps(view: OracleView): (Sleep | null)[] {
  const sleeps: (Sleep | null)[] = [];
  for (let tid = 0; tid < view.threads; tid++) sleeps.push(isFinished(view, tid) ? null : readSleep(view, tid));
  return sleeps;
}

function readSleep(view: OracleView, tid: number): Sleep | null {
  const { mem } = view;
  const t = taskAddr(view, tid);
  const epoch = rawLoad(mem, at(t, TASK.waitEpoch));
  const kind = rawLoad(mem, at(t, TASK.waitKind));
  const addr = rawLoad(mem, at(t, TASK.waitAddr)) as Addr;
  const arg = rawLoad(mem, at(t, TASK.waitArg));
  const timed = rawLoad(mem, at(t, TASK.waitTimed)) !== 0;
  // Of one sleep, not of two.
  if (kind === WAIT.none || rawLoad(mem, at(t, TASK.waitEpoch)) !== epoch) return null;
  return { tid, epoch, kind, addr, arg, timed };
}

function checkLock(actor: Actor, view: OracleView, watch: LostWakeupWatch, sleep: Sleep): boolean {
  const { mem } = view;
  const { tid, epoch } = sleep;
  const known = watch.suspects[tid];
  const pending = (): boolean => rawLoad(mem, waitNodeOf(taskAddr(view, tid))) === NODE_WAITING;
  if (known === null || known!.epoch !== epoch) {
    watch.suspects[tid] = pending() && isFreeForFirst(view, sleep) ? suspect(view, sleep) : null;
    return false;
  }
  if (!clearOthers(view, known!, tid)) return false;
  watch.suspects[tid] = null;
  // Last of all: still asleep, and in the same sleep.
  if (!pending() || rawLoad(mem, at(taskAddr(view, tid), TASK.waitEpoch)) !== epoch) return false;
  report(actor, view, sleep);
  wakeLock(actor, view, sleep);
  return true;
}

/** Word offset of the queue in a mutex and in a rwsem. */
const listOf = ({ kind, addr }: Sleep): Addr => at(addr, kind === WAIT.mutex ? MUTEX.list : RW_SEMAPHORE.list);

/** The sleeper is the first in the queue, and nobody keeps it from having the lock. */
function isFreeForFirst(view: OracleView, sleep: Sleep): boolean {
  const { mem } = view;
  if (waitListHead(mem, listOf(sleep)) !== waitNodeOf(taskAddr(view, sleep.tid))) return false;
  const word = rawLoad(mem, sleep.addr);
  if (sleep.kind === WAIT.mutex) return word === 0;
  return (word & (sleep.kind === WAIT.rwsemRead ? WRITER : HOLDERS)) === 0;
}

function suspect(view: OracleView, { tid, epoch }: Sleep): Suspect {
  const made: Suspect = { epoch, heads: new Int32Array(view.threads), cleared: new Uint8Array(view.threads) };
  // After the lock was seen free: what a thread is seen to do from here on, it does after it made the lock free.
  for (let i = 0; i < view.threads; i++) made.heads[i] = rawLoad(view.mem, ringHead(view, i));
  clearOthers(view, made, tid);
  return made;
}

const ringHead = (view: OracleView, tid: number): Addr => at(view.ringHeads, tid * view.ringHeadStride);

/** Notes who has been seen where nobody owes a wake-up; true when that is everybody else. */
function clearOthers(view: OracleView, { heads, cleared }: Suspect, tid: number): boolean {
  let all = true;
  for (let i = 0; i < view.threads; i++) {
    if (i === tid || cleared[i] !== 0) continue;
    const sleep = readSleep(view, i);
    if (
      isFinished(view, i) ||
      rawLoad(view.mem, ringHead(view, i)) !== heads[i] ||
      // A spin lock may be that of the queue in which it is about to wake somebody.
      (sleep !== null && sleep.kind !== WAIT.spin)
    )
      cleared[i] = 1;
    else all = false;
  }
  return all;
}

/** What the one who forgot it would have done. Not while somebody works on the queue: that would make the supervisor wait. */
function wakeLock(actor: Actor, view: OracleView, sleep: Sleep): void {
  const { mem } = view;
  if (rawLoad(mem, at(listOf(sleep), WAIT_LIST.lock)) !== 0) return;
  if (sleep.kind !== WAIT.mutex) {
    wakeWaiters(actor, sleep.addr);
    return;
  }
  const node = waitNodeOf(taskAddr(view, sleep.tid));
  rawStore(mem, node, NODE_IDLE);
  rawNotify(mem, node, 1);
}

/** The waits whose word does not tell who was woken. */
function checkOthers(actor: Actor, view: OracleView, watch: LostWakeupWatch, sleeps: (Sleep | null)[]): boolean {
  const still = sameSleeps(view, watch, sleeps);
  sleeps.forEach((sleep, tid) => {
    watch.epochs[tid] = sleep === null ? -1 : sleep.epoch;
  });
  if (!still) return false;
  const words = new Set<number>();
  let found = false;
  for (const sleep of sleeps) {
    if (sleep === null || sleep.timed || words.has(wordOf(sleep)) || !isThere(view, sleep)) continue;
    words.add(wordOf(sleep));
    if (!leftAsleep(view, sleep, sleeps)) continue;
    report(actor, view, sleep);
    found = true;
  }
  return found;
}

/**
 * Wakes whoever sleeps on the word, and says whether so many should not have been asleep. Each look has its place: the state, then who has come so
 * far, then that all still sleep as they did, so the state was reached by nobody who owes a wake-up. After the wake-up nobody may have
 * come (he would rightly have slept, for what one of those who were woken had taken already), and nobody on another word may have moved.
 */
function leftAsleep(view: OracleView, sleep: Sleep, sleeps: readonly (Sleep | null)[]): boolean {
  const { mem } = view;
  const word = wordOf(sleep);
  const value = rawLoad(mem, word);
  const counted = sleep.kind === WAIT.srcu ? NULL_ADDR : at(sleep.addr, COMPLETION.waiters);
  const come = counted === NULL_ADDR ? 0 : rawLoad(mem, counted) >>> 16;
  if (!isThere(view, sleep) || !unmoved(view, sleeps)) return false;
  const asleep = rawNotify(mem, word, Number.POSITIVE_INFINITY);
  if (asleep === 0) return false;
  if (counted !== NULL_ADDR && rawLoad(mem, counted) >>> 16 !== come) return false;
  const here = sleeps.filter((s): s is Sleep => s !== null && wordOf(s) === word);
  const elsewhere = sleeps.map((s) => (s === null || wordOf(s) === word ? undefined : s));
  return isOwed(sleep.kind, value, asleep, here) && unmoved(view, elsewhere);
}

/** Everybody who has not finished sleeps, and slept the same sleep at the last look. */
function sameSleeps(view: OracleView, { epochs }: LostWakeupWatch, sleeps: readonly (Sleep | null)[]): boolean {
  let any = false;
  for (const [tid, sleep] of sleeps.entries()) {
    if (sleep === null) {
      if (!isFinished(view, tid)) return false;
      continue;
    }
    if (sleep.kind === WAIT.spin || epochs[tid] !== sleep.epoch) return false;
    any = true;
  }
  return any;
}

/** By tid: null has finished, undefined does not matter. */
const unmoved = (view: OracleView, sleeps: readonly (Sleep | null | undefined)[]): boolean =>
  sleeps.every(
    (sleep, tid) =>
      sleep === undefined ||
      (sleep === null
        ? isFinished(view, tid)
        : rawLoad(view.mem, at(taskAddr(view, tid), TASK.waitEpoch)) === sleep.epoch),
  );

/** The word that the thread sleeps on. */
const wordOf = ({ kind, addr, arg }: Sleep): Addr => (kind === WAIT.srcu ? (arg as Addr) : addr);

/** What it waits for has come. */
function isThere(view: OracleView, { kind, addr, arg }: Sleep): boolean {
  const { mem } = view;
  switch (kind) {
    case WAIT.completion:
      return rawLoad(mem, addr) !== 0;
    case WAIT.waitQueue:
    case WAIT.slot:
      return rawLoad(mem, addr) !== arg;
    case WAIT.srcu:
      // A use count has itself as the word slept on.
      return arg === addr ? rawLoad(mem, addr) === 0 : srcuAwaited(mem, addr, arg as Addr) === -1;
    default:
      return false;
  }
}

/**
 * Of those `here`, who have published a sleep on the word when it was `value`, `asleep` had not been woken. Whoever was woken may stand for as many
 * completions as there are such threads, and in a queue for the whole wake-up: it asked for one thread at least.
 */
function isOwed(kind: number, value: number, asleep: number, here: readonly Sleep[]): boolean {
  switch (kind) {
    case WAIT.completion:
      return value === COMPLETION_DONE_ALL || value > here.length - asleep;
    case WAIT.waitQueue:
    case WAIT.slot:
      return asleep === here.length && here.every(({ arg }) => arg !== value);
    default:
      return true;
  }
}

function report(actor: Actor, view: OracleView, { tid, kind, addr }: Sleep): void {
  const slot = violate(actor, view, ORACLE['lost-wakeup']);
  if (slot === 0) return;
  const { mem } = view;
  const c = slot + VIOLATION.chain;
  mem[c] = tid;
  mem[c + 1] = kind;
  mem[c + 2] = addr;
  mem[c + 3] = -1;
  mem[slot + VIOLATION.chainLength] = 1;
  submit(view, slot);
}
