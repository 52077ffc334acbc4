import type { Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as taskModule from '../sync/task.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as activeRangesModule from './active-ranges.ts';
import { keptUntilEnd } from './held-in-section.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { OUTCOME } = outcomeModule;
const { insertUnderRwsem, removeUnderRwsem, tryNothingOverlaps } = invalidationModule;
const { LOCK_CLASS } = lockClassModule;
const { upRead } = rwSemaphoreModule;
const { dropSlot, HELD, pushHeld, pushHeldAtOnce, WAIT } = taskModule;
const { SLOT_QUEUE, waitOn, waitQueueInit } = waitQueueModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { CAP, shouldFail } = injectModule;
const {
  backOffOverlaps,
  BACKED_OFF,
  freeSlot,
  lockRanges,
  rangesBegin,
  rangesChanged,
  rangesCheck,
  rangesInit,
  rangesTicket,
  rangesWait,
  sizeParam,
  SLOTS,
  slotOver,
  slotsInUse,
  takeSlot,
  unlockRanges,
  waitOf,
} = activeRangesModule;

function init(mem: Memory, ctx: Ucontext): void {
  rangesInit(mem, ctx);
  // The queue stands for the pool: its slots are what it is held as, and its size is what a deadlock of its holders is known by.
  waitQueueInit(mem, waitOf(ctx), LOCK_CLASS.range_pool);
  mem[waitOf(ctx) + SLOT_QUEUE.size] = ctx.params.size!;
}

function tryList(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): boolean {
  lockRanges(actor, ctx);
  const listed = takeSlot(actor.mem, ctx, ctx.params.size!, start, last);
  unlockRanges(actor, ctx);
  return listed;
}

/** wait_event(a slot is free), with whatever locks the caller of the notifier holds. */
function list(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, blockable: boolean): Outcome {
  const pool = waitOf(ctx);
  // Only the first look is made to fail: nobody would wake a sleeper over a pool that nobody uses.
  const found = !shouldFail(actor, CAP.fail_pool) && tryList(actor, ctx, start, last);
  if (!found) count(actor, COUNTER['exposure.poolFull']);
  if (!blockable) {
    if (!found) return OUTCOME.eagain;
    pushHeldAtOnce(actor, pool, HELD.slot);
    return OUTCOME.ok;
  }
  if (!found) sleepUntilListed(actor, ctx, start, last);
  pushHeld(actor, pool, HELD.slot);
  return OUTCOME.ok;
}

function sleepUntilListed(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  const pool = waitOf(ctx);
  // Before the first look that counts: the sleep may never end.
  if (actor.lockDep !== null) actor.lockDep.acquiring(actor, pool, HELD.slot);
  for (;;) {
    const ticket = rangesTicket(actor, ctx);
    if (tryList(actor, ctx, start, last)) return;
    waitOn(actor, pool, ticket, Number.POSITIVE_INFINITY, WAIT.slot);
  }
}

/** Frees a slot with exactly this range; "the end range callback just ignore things when it can not find the matching struct". */
function unlist(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  // First of all, so that nobody is taken for the holder of a slot that is free. An end whose start was not told holds none.
  dropSlot(actor, waitOf(ctx));
  lockRanges(actor, ctx);
  const freed = freeSlot(actor.mem, ctx, start, last);
  unlockRanges(actor, ctx);
  if (freed) rangesChanged(actor, ctx);
  else count(actor, COUNTER['exposure.ignoredEnd']);
}

/** The callbacks of a start whose range is listed; one that must not block takes its range back when there is anything to call. */
export function backOffListed(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, blockable: boolean): Outcome {
  if (blockable) backOffOverlaps(actor, ctx, start, last);
  else if (tryNothingOverlaps(actor, ctx, start, last)) upRead(actor, ctx.umemRwsem);
  else {
    unlist(actor, ctx, start, last);
    return OUTCOME.eagain;
  }
  return OUTCOME.ok;
}

/**
 * HMM as it was first posted: a fixed pool of the ranges that are being invalidated.
 *
 * - start: takes a slot of the pool, sleeps while there is none; then sends back the faults under way on overlapping umems, and zaps.
 * - end: frees a slot that holds exactly its range, and wakes all; without such a slot it does nothing.
 * - fault: waits while a slot overlaps the umem; refused when a start has sent it back since.
 * - register: no handshake: ranges are listed whether or not a umem is there to be told.
 * - HMM lists the faults under way and start waits for them. Here a fault commits under the umem mutex, which start takes to move
 *   the umem's mark, so that is the wait. Its slots have a type, which tells sections apart here nowhere; its waiters sleep until the
 *   number of slots in use is another, which may come back unseen; these hold a ticket of the wait queue.
 */
export const rangePool: Strategy = {
  name: 'range-pool',
  title: 'a fixed pool of active ranges; start waits for a free one',
  origin:
    'HMM, Jerome Glisse, 2014, as told in the seed thread: "a fixed pool and when it runs out it block in start callback until one is freed"',
  reasoning:
    'A fault looks at ranges, not at counts, so a umem that is born inside a section finds that section, and only faults on memory that is being invalidated wait. The pool is finite: start may sleep with the locks of its caller, and whoever nests sections may wait for a slot of his own.',
  params: {
    size: sizeParam({ default: 16, min: 1, description: 'slots of the pool; a start that finds none free waits' }),
  },
  words: { ucontext: SLOTS.$words, umem: BACKED_OFF.$words, section: 0 },
  fields: { ucontext: SLOTS, umem: BACKED_OFF },
  pins: false,
  init,
  registerLocks: () => 'none',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart(actor, ctx, _section, start, last, blockable) {
    const outcome = list(actor, ctx, start, last, blockable);
    return outcome === OUTCOME.ok ? backOffListed(actor, ctx, start, last, blockable) : outcome;
  },
  rangeEnd: (actor, ctx, _section, start, last) => unlist(actor, ctx, start, last),
  faultBegin: (actor, ctx, umem) => rangesBegin(actor, ctx, umem, slotOver),
  faultCheck: (actor, _ctx, umem, sample) => rangesCheck(actor, umem, sample),
  faultWait: (actor, ctx, umem, timeoutMs) => rangesWait(actor, ctx, umem, timeoutMs, slotOver),
  faultWake: rangesChanged,
  audit(actor, ctx, umem, report) {
    if (umem !== NULL_ADDR) return;
    const used = slotsInUse(actor.mem, ctx);
    if (used !== 0) report(NULL_ADDR, 'slots in use', used, 0);
  },
  expected: (_era, traits) => ({
    must: [],
    may: keptUntilEnd(traits),
    reason: traits.allocates
      ? 'safe; but a start sleeps for a slot with the locks of its caller, who may hold a slot himself, or a lock of the reverse map that the holder of a slot waits for'
      : 'ranges instead of counts: nothing to be unpaired. A start that sleeps for a slot holds none, and no holder needs a lock of his',
  }),
};
