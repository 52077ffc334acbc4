import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as ucontextModule from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as completionModule from '../sync/completion.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as runningCountModule from './running-count.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { firstOverlap, linkUmem, nextOverlap, noteOverlap, tryNothingOverlaps, unlinkUmem, zapUmem } =
  invalidationModule;
const { UCONTEXT } = ucontextModule;
const { UMEM, umemExt, umemLast, umemMutex, umemStart } = umemModule;
const { add, load, store } = atomicsModule;
const { COMPLETION, completeAll, waitForCompletionTimeout } = completionModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, downWrite, upRead, upWrite } = rwSemaphoreModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { countDown, countedAudit, countedBegin, countedCheck, countedWait, countedWake, countUp } = runningCountModule;

const CONTEXT = defineStruct('ib_ucontext', {
  /** Sections of the process that run, whatever they overlap. */
  notifierCount: { words: 1, line: true },
  /** First umem without private counters. Written under umem_rwsem W; looked at without it, too. */
  noPrivateCounters: { words: 1, line: true },
});

/** The first three are those of RUNNING, in their order: running-count.ts counts in them. */
export const ACTIVATION = defineStruct('ib_umem_odp', {
  count: 1,
  seq: 1,
  completion: COMPLETION.$words,
  /** mn_counters_active. Set under the umem mutex, or before anybody knows the umem. */
  active: 1,
  next: 1,
  prev: 1,
});

const countOf = (ctx: Ucontext): Addr => at(ctx.ext, CONTEXT.notifierCount);
const listOf = (ctx: Ucontext): Addr => at(ctx.ext, CONTEXT.noPrivateCounters);
const activeOf = (umem: Addr): Addr => at(umemExt(umem), ACTIVATION.active);
const completionOf = (umem: Addr): Addr => at(umemExt(umem), ACTIVATION.completion);
const isActive = (actor: Actor, umem: Addr): boolean => load(actor, activeOf(umem)) !== 0;

/** list_add; under umem_rwsem W. The head is stored atomically: an end looks at it without the lock. */
function listAdd(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  const head = mem[listOf(ctx)] as Addr;
  mem[umemExt(umem) + ACTIVATION.next] = head;
  mem[umemExt(umem) + ACTIVATION.prev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[umemExt(head) + ACTIVATION.prev] = umem;
  store(actor, listOf(ctx), umem);
}

/** list_del; under umem_rwsem W. */
function listDel(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  const next = mem[umemExt(umem) + ACTIVATION.next] as Addr;
  const prev = mem[umemExt(umem) + ACTIVATION.prev] as Addr;
  if (next !== NULL_ADDR) mem[umemExt(next) + ACTIVATION.prev] = prev;
  if (prev !== NULL_ADDR) mem[umemExt(prev) + ACTIVATION.next] = next;
  else store(actor, listOf(ctx), next);
}

/**
 * Mirrors the part of ib_umem_odp_get under umem_rwsem W, but for what it does with the process' first region, which is active at once:
 * there the notifier is only registered afterwards. Here it is subscribed as long as the process lives, so that the count is
 * right, and goes by, from the first region on.
 */
function insert(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  const range = [umemStart(mem, umem), umemLast(mem, umem)] as const;
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.registerInSection']);
  linkUmem(actor, ctx, umem);
  // 0: a section that starts from here on waits for the rwsem, and will count this umem at its start and at its end.
  if (load(actor, countOf(ctx)) === 0) store(actor, activeOf(umem), 1);
  else {
    count(actor, COUNTER['exposure.deferredInsert']);
    point(actor, POINT['umem.deferred'], mem[umem + UMEM.index], ...range);
    // The last end may come by here: it lowers the count, finds the list still empty, and goes.
    point(actor, POINT['umem.queueing'], mem[umem + UMEM.index], ...range);
    listAdd(actor, ctx, umem);
  }
  upWrite(actor, ctx.umemRwsem);
}

/** The part of ib_umem_odp_release under umem_rwsem W. */
function remove(actor: Actor, ctx: Ucontext, umem: Addr): void {
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.removeInSection']);
  if (!isActive(actor, umem)) {
    listDel(actor, ctx, umem);
    completeAll(actor, completionOf(umem));
  }
  unlinkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/** The rest of ib_ucontext_notifier_end_account: no section runs, so all that wait for private counters get them. */
function activateAll(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  downWrite(actor, ctx.umemRwsem);
  // Again, now under the rwsem: a section that has counted itself since may have walked the tree already, or not.
  if (load(actor, countOf(ctx)) === 0) {
    let umem = mem[listOf(ctx)] as Addr;
    while (umem !== NULL_ADDR) {
      const next = mem[umemExt(umem) + ACTIVATION.next] as Addr;
      mutexLock(actor, umemMutex(umem));
      store(actor, activeOf(umem), 1);
      completeAll(actor, completionOf(umem));
      mutexUnlock(actor, umemMutex(umem));
      umem = next;
    }
    store(actor, listOf(ctx), NULL_ADDR);
  }
  upWrite(actor, ctx.umemRwsem);
}

/** invalidate_range_start. */
function rangeStart(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  // Before the rwsem: a registration that has it finds the count at 0 only if this walk is still to come.
  const running = add(actor, countOf(ctx), 1) + 1;
  actor.observer.countChanged(actor, NULL_ADDR, running, 0);
  downRead(actor, ctx.umemRwsem);
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    if (isActive(actor, u)) countUp(actor, u);
    mutexUnlock(actor, umemMutex(u));
    mutexLock(actor, umemMutex(u));
    zapUmem(actor, ctx, u, start, last);
    mutexUnlock(actor, umemMutex(u));
  }
  upRead(actor, ctx.umemRwsem);
}

/**
 * invalidate_range_start that must not block (v4.19): umem_rwsem is only tried, and the count comes after it, inside it; nothing is
 * zapped, so nothing may overlap.
 */
function rangeStartNonBlock(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): boolean {
  if (!tryNothingOverlaps(actor, ctx, start, last)) return false;
  const running = add(actor, countOf(ctx), 1) + 1;
  actor.observer.countChanged(actor, NULL_ADDR, running, 0);
  upRead(actor, ctx.umemRwsem);
  return true;
}

/** invalidate_range_end. */
function rangeEnd(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  downRead(actor, ctx.umemRwsem);
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    if (isActive(actor, u)) countDown(actor, u, false);
    mutexUnlock(actor, umemMutex(u));
  }
  upRead(actor, ctx.umemRwsem);
  point(actor, POINT['process.uncounting'], start, last, 0);
  const running = add(actor, countOf(ctx), -1) - 1;
  actor.observer.countChanged(actor, NULL_ADDR, running, 0);
  // Without the rwsem, as in the original: this look is the hole. A registration may hold it, have seen the count at 1, and be
  // about to put its umem on the list.
  if (running === 0 && load(actor, listOf(ctx)) !== NULL_ADDR) activateAll(actor, ctx);
}

/**
 * What v3.19 merged: a umem that is born while any section of the process runs has no counters until none does.
 *
 * - start: count of the process +1, then under umem_rwsem R each overlapping umem: count +1 if it has counters; zap.
 * - end: the same downwards; the one that brings the count of the process to 0 gives counters to all that wait on a list, if it sees any.
 * - register: counters at once when the count of the process is 0, else onto the list.
 * - fault: refused without counters, while the umem's count is not 0, or when its sequence moved.
 * - the look at the list holds no lock: a umem that is just being put on it is missed, and waits for the end of some later section.
 *
 * A section that a umem was born inside moves no sequence of it, and neither does the activation: a fault that sampled before both and
 * checks after both sees nothing of either.
 */
export const deferredActivation: Strategy = {
  name: 'deferred-activation',
  title: 'no private counters for a region until no section of the process runs',
  origin:
    '882214e2b128 "IB/core: Implement support for MMU notifiers regarding on demand paging regions" (v3.19 to v4.19)',
  reasoning:
    'A umem counts only sections that it heard from start to end. It takes no fault before some moment at which no section of the process runs, and if it is put on the list while the last of them ends, not before the end of a later one, which may never come. And a fault may span that moment: it samples and gets its page while the umem has no counters, the section frees the page and ends, the umem gets its counters, and the check finds a count of 0 and the sequence as it was.',
  params: {},
  words: { ucontext: CONTEXT.$words, umem: ACTIVATION.$words, section: 0 },
  fields: { ucontext: CONTEXT, umem: ACTIVATION },
  pins: false,
  init(mem, ctx) {
    mem[countOf(ctx)] = 0;
    mem[listOf(ctx)] = NULL_ADDR;
  },
  registerLocks: () => 'none',
  insert,
  remove,
  rangeStart(actor, ctx, _section, start, last, blockable) {
    if (!blockable) return rangeStartNonBlock(actor, ctx, start, last) ? OUTCOME.ok : OUTCOME.eagain;
    rangeStart(actor, ctx, start, last);
    return OUTCOME.ok;
  },
  rangeEnd: (actor, ctx, _section, start, last) => rangeEnd(actor, ctx, start, last),
  /** Counts are raised and never lowered: no fault is let through any more. */
  release: (actor, ctx, _section, start, last) => rangeStart(actor, ctx, start, last),
  faultBegin: (actor, _ctx, umem) => countedBegin(actor, umem),
  // Active now: whether it was when the sample was taken, nobody asks.
  faultCheck: (actor, _ctx, umem, sample) => isActive(actor, umem) && countedCheck(actor, umem, sample),
  faultWait: (actor, _ctx, umem, timeoutMs) =>
    // Without counters it is the activation that completes.
    isActive(actor, umem)
      ? countedWait(actor, umem, timeoutMs)
      : waitForCompletionTimeout(actor, completionOf(umem), timeoutMs),
  faultWake: (actor, _ctx, umem) => countedWake(actor, umem),
  audit(actor, ctx, umem, report) {
    // After release, which nobody takes back, one section more than there are.
    const released = actor.mem[ctx.addr + UCONTEXT.released];
    if (released === 0) countedAudit(actor, umem, report);
    if (umem !== NULL_ADDR) return;
    const running = actor.mem[countOf(ctx)];
    if (running !== released) report(NULL_ADDR, 'running count of the process', running, released);
  },
  expected: () => ({
    must: [],
    may: ['starvation', 'inactive-while-idle', 'stale-mapping', 'stale-dma', 'data-corruption'],
    reason:
      'a new region waits for a gap between all sections of the process; a lost activation, for one more section (litmus/lost-activation forces it); a fault that spans an activation maps a freed page (explore litmus/seed-fault-in-section). All are rare under load',
  }),
};
