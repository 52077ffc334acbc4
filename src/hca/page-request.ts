import { at } from '../memory/address.ts';
import { add, load, notify, wait } from '../sync/atomics.ts';
import { spinLock, spinUnlock } from '../sync/spin-lock.ts';
import { clearWait, publishWait, WAIT } from '../sync/task.ts';
import { waitOn, waitPrepare, wakeUp } from '../sync/wait-queue.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { type Hca, QP, qpAddr, REQUEST, REQUEST_QUEUE } from './device.ts';

/** A page request that was taken off the queue; one object for each fault-engine thread. */
export interface PageRequest {
  key: number;
  page: number;
  write: boolean;
  /** The QP to resume: a thread's tid. */
  qp: number;
}
export const createPageRequest = (): PageRequest => ({ key: 0, page: 0, write: false, qp: 0 });

/**
 * The adapter reports a page fault (mlx5: a page-fault EQE) and suspends the QP of this thread. Returns false when the queue is
 * full: the adapter then retries the access later, as after an RNR NAK. Call `qpTicket` before, `qpWait` after.
 */
export function pageRequestPost(actor: Actor, hca: Hca, key: number, page: number, write: boolean): boolean {
  const { mem } = actor;
  const q = hca.queue;
  spinLock(actor, at(q, REQUEST_QUEUE.lock));
  const tail = mem[q + REQUEST_QUEUE.tail];
  const full = ((tail - mem[q + REQUEST_QUEUE.head]) | 0) >= hca.queueLength;
  if (!full) {
    const r = hca.requests + ((tail >>> 0) % hca.queueLength) * REQUEST.$words;
    mem[r + REQUEST.key] = key;
    mem[r + REQUEST.page] = page;
    mem[r + REQUEST.write] = write ? 1 : 0;
    mem[r + REQUEST.qp] = actor.tid;
    mem[q + REQUEST_QUEUE.tail] = (tail + 1) | 0;
  }
  spinUnlock(actor, at(q, REQUEST_QUEUE.lock));
  if (full) {
    count(actor, COUNTER['exposure.queueFull']);
    return false;
  }
  point(actor, POINT['dma.faulted'], key, page, actor.tid);
  wakeUp(actor, at(q, REQUEST_QUEUE.wait), 1);
  return true;
}

/** Takes the oldest request; false when there was none for `timeoutMs`. */
export function pageRequestTake(actor: Actor, hca: Hca, to: PageRequest, timeoutMs: number): boolean {
  const wq = at(hca.queue, REQUEST_QUEUE.wait);
  // The ticket comes before the look: a post between the look and the sleep moves it, and the sleep ends at once.
  const ticket = waitPrepare(actor, wq);
  if (tryTake(actor, hca, to)) return true;
  if (timeoutMs <= 0 || !waitOn(actor, wq, ticket, timeoutMs, WAIT.idle)) return false;
  return tryTake(actor, hca, to);
}

function tryTake(actor: Actor, hca: Hca, to: PageRequest): boolean {
  const { mem } = actor;
  const q = hca.queue;
  if (mem[q + REQUEST_QUEUE.head] === mem[q + REQUEST_QUEUE.tail]) return false;
  spinLock(actor, at(q, REQUEST_QUEUE.lock));
  const head = mem[q + REQUEST_QUEUE.head];
  const some = head !== mem[q + REQUEST_QUEUE.tail];
  if (some) {
    const r = hca.requests + ((head >>> 0) % hca.queueLength) * REQUEST.$words;
    to.key = mem[r + REQUEST.key];
    to.page = mem[r + REQUEST.page];
    to.write = mem[r + REQUEST.write] !== 0;
    to.qp = mem[r + REQUEST.qp];
    mem[q + REQUEST_QUEUE.head] = (head + 1) | 0;
  }
  spinUnlock(actor, at(q, REQUEST_QUEUE.lock));
  return some;
}

/** To be taken before a request is posted: `qpWait` returns once a resume has come since. */
export const qpTicket = (actor: Actor, hca: Hca): number => load(actor, at(qpAddr(hca, actor.tid), QP.resumed));

/** The QP stays suspended until it is resumed; false when that has not happened within `timeoutMs`. */
export function qpWait(actor: Actor, hca: Hca, ticket: number, timeoutMs: number): boolean {
  const word = at(qpAddr(hca, actor.tid), QP.resumed);
  if (load(actor, word) !== ticket) return true;
  publishWait(actor, WAIT.idle, word, 0, true);
  wait(actor, word, ticket, timeoutMs);
  clearWait(actor);
  return load(actor, word) !== ticket;
}

/** The page-fault resume command (mlx5: PAGE_FAULT_RESUME), with its error bit: a QP resumed with an error drops the access. */
export function qpResume(actor: Actor, hca: Hca, request: PageRequest, error: boolean): void {
  const qp = qpAddr(hca, request.qp);
  actor.mem[qp + QP.error] = error ? 1 : 0;
  point(actor, POINT['fault.resumed'], request.key, request.page, request.qp);
  // The count rises after the error bit is written: the QP's thread reads the bit once it has seen the count move.
  add(actor, at(qp, QP.resumed), 1);
  notify(actor, at(qp, QP.resumed), 1);
}
