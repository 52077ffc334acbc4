import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as activeRangesModule from './active-ranges.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { firstOverlap, linkUmem, nextOverlap, noteOverlap, tryNothingOverlaps, unlinkUmem, zapUmem } =
  invalidationModule;
const { UMEM, umemExt, umemLast, umemMutex, umemStart } = umemModule;
const { load, store } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, downWrite, upRead, upWrite } = rwSemaphoreModule;
const { WAIT_QUEUE, waitOn, waitPrepare, wakeUpAll } = waitQueueModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { CAP, shouldFail } = injectModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const {
  freeSlot,
  lockRanges,
  MAX_SLOTS,
  OVERFLOWING_SLOTS,
  rangesInit,
  sizeParam,
  slotsInUse,
  slotsOver,
  takeSlot,
  unlockRanges,
} = activeRangesModule;

const OVERFLOW = OVERFLOWING_SLOTS.overflow;
const PENDING = OVERFLOWING_SLOTS.pending;

/** The running count of private-count, and whether it counts yet. Written under the umem mutex; `active` and the list under umem_rwsem W. */
const COUNTED = defineStruct('counted_umem', {
  active: 1,
  count: 1,
  seq: 1,
  next: 1,
  prev: 1,
  wait: WAIT_QUEUE.$words,
});
const activeOf = (umem: Addr): Addr => at(umemExt(umem), COUNTED.active);
const countOf = (umem: Addr): Addr => at(umemExt(umem), COUNTED.count);
const seqOf = (umem: Addr): Addr => at(umemExt(umem), COUNTED.seq);
const waitOf = (umem: Addr): Addr => at(umemExt(umem), COUNTED.wait);
const nextSeq = (seq: number): number => (seq + 1) & 0x7fffffff;

/** Gives the umem the count of the sections that run over it. umem_rwsem W: no start or end is halfway, and all of them have slots. */
function activate(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  const running = slotsOver(mem, ctx, umem);
  mutexLock(actor, umemMutex(umem));
  store(actor, countOf(umem), running);
  // A fault may have sampled before, and have a page that a section took away of which this umem never heard.
  const seq = nextSeq(mem[seqOf(umem)]);
  store(actor, seqOf(umem), seq);
  store(actor, activeOf(umem), 1);
  actor.observer.countChanged(actor, umem, running, seq);
  mutexUnlock(actor, umemMutex(umem));
}

/** hlist_add_head; under umem_rwsem W. */
function suspend(mem: Int32Array, ctx: Ucontext, umem: Addr): void {
  const head = mem[ctx.ext + PENDING] as Addr;
  mem[umemExt(umem) + COUNTED.next] = head;
  mem[umemExt(umem) + COUNTED.prev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[umemExt(head) + COUNTED.prev] = umem;
  mem[ctx.ext + PENDING] = umem;
}

/** hlist_del; under umem_rwsem W. */
function resume(mem: Int32Array, ctx: Ucontext, umem: Addr): void {
  const next = mem[umemExt(umem) + COUNTED.next] as Addr;
  const prev = mem[umemExt(umem) + COUNTED.prev] as Addr;
  if (next !== NULL_ADDR) mem[umemExt(next) + COUNTED.prev] = prev;
  if (prev !== NULL_ADDR) mem[umemExt(prev) + COUNTED.next] = next;
  else mem[ctx.ext + PENDING] = next;
}

function insert(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.registerInSection']);
  linkUmem(actor, ctx, umem);
  if (mem[ctx.ext + OVERFLOW] === 0) activate(actor, ctx, umem);
  else {
    // Nobody knows where the sections are that found no slot: this umem may have to hear an end of which it counted no start.
    count(actor, COUNTER['exposure.deferredInsert']);
    suspend(mem, ctx, umem);
    point(actor, POINT['umem.deferred'], mem[umem + UMEM.index], umemStart(mem, umem), umemLast(mem, umem));
  }
  upWrite(actor, ctx.umemRwsem);
}

function remove(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.removeInSection']);
  if (mem[activeOf(umem)] === 0) resume(mem, ctx, umem);
  unlinkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/** The last section without a slot has ended. */
function activatePending(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  downWrite(actor, ctx.umemRwsem);
  // Looked at again: a section may have found no slot since. Its end, or a later one's, will come here.
  let umem = mem[ctx.ext + OVERFLOW] === 0 ? (mem[ctx.ext + PENDING] as Addr) : NULL_ADDR;
  for (; umem !== NULL_ADDR; umem = mem[ctx.ext + PENDING] as Addr) {
    resume(mem, ctx, umem);
    activate(actor, ctx, umem);
    wakeUpAll(actor, waitOf(umem));
  }
  upWrite(actor, ctx.umemRwsem);
}

/**
 * Takes a slot or is counted, and counts each overlapping umem, all in one hold of umem_rwsem: for who holds W it is one step. False: it
 * must not block, and would have to; nothing was done.
 */
function start(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, blockable: boolean): boolean {
  const { mem } = actor;
  const refused = shouldFail(actor, CAP.fail_pool);
  if (blockable) downRead(actor, ctx.umemRwsem);
  else if (!tryNothingOverlaps(actor, ctx, start, last)) return false;
  lockRanges(actor, ctx);
  const listed = !refused && takeSlot(mem, ctx, ctx.params.size!, start, last);
  if (!listed) mem[ctx.ext + OVERFLOW]++;
  unlockRanges(actor, ctx);
  if (!listed) count(actor, COUNTER['exposure.poolOverflow']);
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    if (mem[activeOf(u)] !== 0) {
      store(actor, countOf(u), mem[countOf(u)] + 1);
      actor.observer.countChanged(actor, u, mem[countOf(u)], mem[seqOf(u)]);
      point(actor, POINT['umem.counted'], mem[u + UMEM.index], mem[countOf(u)], mem[seqOf(u)]);
    }
    zapUmem(actor, ctx, u, start, last);
    mutexUnlock(actor, umemMutex(u));
  }
  upRead(actor, ctx.umemRwsem);
  return true;
}

function end(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  const { mem } = actor;
  downRead(actor, ctx.umemRwsem);
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    if (mem[activeOf(u)] !== 0) {
      // The sequence first: a fault that sees the count at 0 must see that the sequence has moved.
      const seq = nextSeq(mem[seqOf(u)]);
      const after = mem[countOf(u)] - 1;
      store(actor, seqOf(u), seq);
      store(actor, countOf(u), after);
      actor.observer.countChanged(actor, u, after, seq);
      point(actor, POINT['umem.uncounted'], mem[u + UMEM.index], after, seq);
      if (after === 0) wakeUpAll(actor, waitOf(u));
    }
    mutexUnlock(actor, umemMutex(u));
  }
  lockRanges(actor, ctx);
  // Of two sections over the same pages the end of either frees the slot of the other: slots and overflow together stay right.
  const overflow = freeSlot(mem, ctx, start, last) ? -1 : --mem[ctx.ext + OVERFLOW];
  unlockRanges(actor, ctx);
  // Under umem_rwsem: a registration comes before all of this, and is on the list, or after it, and finds no overflow.
  const due = overflow === 0 && mem[ctx.ext + PENDING] !== NULL_ADDR;
  upRead(actor, ctx.umemRwsem);
  if (due) activatePending(actor, ctx);
}

/**
 * Counts for each umem that are right from birth: the ranges of the first X sections are known, of the others only how many they are.
 *
 * - start: takes a slot, or overflow +1; each overlapping active umem: count +1; zap. All in one hold of umem_rwsem R.
 * - end: each overlapping active umem: sequence +1, count -1; frees a slot with exactly its range, or overflow -1.
 * - register: under umem_rwsem W. Without overflow the count begins with the number of slots that overlap. With it the umem is
 *   inactive: not counted, its faults refused, until the end that brings the overflow to 0 gives it that number.
 * - fault: sample the sequence; under the umem mutex refuse when inactive, when the count is not 0, or when the sequence moved.
 * - X = 0 is the activation of v3.19, except that no activation gets lost and that it moves the sequence; X = 256 is never full.
 */
export const poolOverflow: Strategy = {
  name: 'pool-overflow',
  title: 'a pool of X ranges to begin counts with, and a count of what did not fit',
  origin:
    'the seed thread: "a pool of X notifier identifiers, once it is full, increase/decrease a per-MM counter"; built nowhere',
  reasoning:
    'A umem that is born inside a section begins with the count that its end will take away. Where a section has no slot the umem waits until there is none such left: safe, but with more sections at a time than slots that may be long.',
  params: {
    size: sizeParam({ default: 4, min: 0, description: 'sections whose ranges are known; 0: only how many run' }),
  },
  words: { ucontext: OVERFLOWING_SLOTS.$words, umem: COUNTED.$words, section: 0 },
  fields: { ucontext: OVERFLOWING_SLOTS, umem: COUNTED },
  pins: false,
  init: rangesInit,
  registerLocks: () => 'none',
  insert,
  remove,
  rangeStart: (actor, ctx, _section, first, last, blockable) =>
    start(actor, ctx, first, last, blockable) ? OUTCOME.ok : OUTCOME.eagain,
  rangeEnd: (actor, ctx, _section, first, last) => end(actor, ctx, first, last),
  faultBegin: (actor, _ctx, umem) => load(actor, seqOf(umem)),
  faultCheck: (actor, _ctx, umem, sample) =>
    load(actor, activeOf(umem)) !== 0 && load(actor, countOf(umem)) === 0 && load(actor, seqOf(umem)) === sample,
  faultWait(actor, _ctx, umem, timeoutMs) {
    const ticket = waitPrepare(actor, waitOf(umem));
    if (load(actor, activeOf(umem)) !== 0 && load(actor, countOf(umem)) === 0) return true;
    return waitOn(actor, waitOf(umem), ticket, timeoutMs);
  },
  faultWake: (actor, _ctx, umem) => wakeUpAll(actor, waitOf(umem)),
  audit(actor, ctx, umem, report) {
    const { mem } = actor;
    if (umem !== NULL_ADDR) {
      const running = mem[countOf(umem)];
      if (running !== 0) report(umem, 'running count', running, 0);
      if (mem[activeOf(umem)] === 0) report(umem, 'active', 0, 1);
      return;
    }
    const used = slotsInUse(mem, ctx);
    if (used !== 0) report(NULL_ADDR, 'slots in use', used, 0);
    const overflow = mem[ctx.ext + OVERFLOW];
    if (overflow !== 0) report(NULL_ADDR, 'overflow', overflow, 0);
  },
  expected: (_era, traits, params) =>
    params.size === MAX_SLOTS && traits.fails?.includes('fail_pool') !== true
      ? { must: [], may: [], reason: 'each section has a slot: every count is right from birth' }
      : {
          must: [],
          may: ['starvation'],
          reason: 'right counts, or none; a umem without waits for a moment in which no section is without a slot',
        },
};
