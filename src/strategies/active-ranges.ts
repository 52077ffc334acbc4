import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as sectionModule from '../mm/section.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { ParamSpec } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';
import type { Actor } from '../trace/actor.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { MAX_SECTIONS, MAX_THREADS } = sectionModule;
const { firstOverlap, nextOverlap, zapUmem } = invalidationModule;
const { umemExt, umemLast, umemMutex, umemStart } = umemModule;
const { load, store } = atomicsModule;
const { LOCK_CLASS } = lockClassModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, upRead } = rwSemaphoreModule;
const { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } = spinLockModule;
const { SLOT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUpAll } = waitQueueModule;

/**
 * What the designs share that know which ranges are being invalidated, not only how many sections run: a list of ranges under a
 * spinlock, and on each umem a mark that a start moves to send back the faults that began before it.
 */
const LIST = {
  lock: { words: SPIN_LOCK.$words, line: true },
  /** As a slot queue only where a start sleeps for a slot. */
  wait: { words: SLOT_QUEUE.$words, line: true },
} as const;
/** The first words of every such ucontext. */
export const RANGES = defineStruct('active_ranges', LIST);
/** A umem's own words: how often a start has sent back its faults. */
export const BACKED_OFF = defineStruct('backed_off', { mark: 1 });

const SLOT = defineStruct('range_slot', { used: 1, start: 1, last: 1 });
/** As many sections as can run at the same time: a pool of this size is never full. */
export const MAX_SLOTS = MAX_THREADS * MAX_SECTIONS;
const SLOT_TABLE = { ...LIST, used: 1, slots: MAX_SLOTS * SLOT.$words } as const;
/** The list as a table of slots. */
export const SLOTS = defineStruct('range_slots', SLOT_TABLE);
/** With the number of allocations that were asked for. */
export const COUNTED_SLOTS = defineStruct('range_slots', { ...SLOT_TABLE, allocations: { words: 1, line: true } });
/** With the number of sections that found no slot, and the first umem that waits for it to be 0. */
export const OVERFLOWING_SLOTS = defineStruct('range_slots', {
  ...SLOT_TABLE,
  overflow: { words: 1, line: true },
  pending: 1,
});

export const sizeParam = (spec: {
  readonly default: number;
  readonly min: number;
  description: string;
}): ParamSpec => ({
  ...spec,
  max: MAX_SLOTS,
});

const lockOf = (ctx: Ucontext): Addr => at(ctx.ext, RANGES.lock);
/** The queue of all who wait for the list to change. */
export const waitOf = (ctx: Ucontext): Addr => at(ctx.ext, RANGES.wait);
const markOf = (umem: Addr): Addr => at(umemExt(umem), BACKED_OFF.mark);

export function rangesInit(mem: Memory, ctx: Ucontext): void {
  spinLockInit(mem, lockOf(ctx), LOCK_CLASS.strategy);
  waitQueueInit(mem, waitOf(ctx));
}
export const lockRanges = (actor: Actor, ctx: Ucontext): void => spinLock(actor, lockOf(ctx));
export const unlockRanges = (actor: Actor, ctx: Ucontext): void => spinUnlock(actor, lockOf(ctx));
/** A wait for the list to change: the ticket before the look, then the sleep. */
export const rangesTicket = (actor: Actor, ctx: Ucontext): number => waitPrepare(actor, waitOf(ctx));
export const rangesSleep = (actor: Actor, ctx: Ucontext, ticket: number, timeoutMs?: number): boolean =>
  waitOn(actor, waitOf(ctx), ticket, timeoutMs);
export const rangesChanged = (actor: Actor, ctx: Ucontext): void => wakeUpAll(actor, waitOf(ctx));

const slotsUsed = (ctx: Ucontext): Addr => at(ctx.ext, SLOTS.used);
const firstSlot = (ctx: Ucontext): Addr => at(ctx.ext, SLOTS.slots);

/** Lists a range; false when all `size` slots are used. Under the lock. */
export function takeSlot(mem: Memory, ctx: Ucontext, size: number, start: Vpn, last: Vpn): boolean {
  if (mem[slotsUsed(ctx)] >= size) return false;
  let slot = firstSlot(ctx);
  // One of the first `size` is free, as fewer are used.
  while (mem[slot + SLOT.used] !== 0) slot = at(slot, SLOT.$words);
  mem[slot + SLOT.used] = 1;
  mem[slot + SLOT.start] = start;
  mem[slot + SLOT.last] = last;
  mem[slotsUsed(ctx)]++;
  return true;
}

/** Takes a range off the list: any slot that holds exactly this one, as an end brings nothing else to know it by. Under the lock. */
export function freeSlot(mem: Memory, ctx: Ucontext, start: Vpn, last: Vpn): boolean {
  let slot = firstSlot(ctx);
  for (let left = mem[slotsUsed(ctx)]; left > 0; slot = at(slot, SLOT.$words)) {
    if (mem[slot + SLOT.used] === 0) continue;
    left--;
    if (mem[slot + SLOT.start] !== start || mem[slot + SLOT.last] !== last) continue;
    mem[slot + SLOT.used] = 0;
    mem[slotsUsed(ctx)]--;
    return true;
  }
  return false;
}

/** Listed ranges that overlap a umem's. Under the lock. */
export function slotsOver(mem: Memory, ctx: Ucontext, umem: Addr): number {
  const start = umemStart(mem, umem);
  const last = umemLast(mem, umem);
  let n = 0;
  let slot = firstSlot(ctx);
  for (let left = mem[slotsUsed(ctx)]; left > 0; slot = at(slot, SLOT.$words)) {
    if (mem[slot + SLOT.used] === 0) continue;
    left--;
    if (mem[slot + SLOT.start] <= last && mem[slot + SLOT.last] >= start) n++;
  }
  return n;
}

/** Slots in use. Everybody is parked. */
export const slotsInUse = (mem: Memory, ctx: Ucontext): number => mem[slotsUsed(ctx)];

/** Whether a listed range overlaps the umem. Takes the lock. */
export type Look = (actor: Actor, ctx: Ucontext, umem: Addr) => boolean;

export function slotOver(actor: Actor, ctx: Ucontext, umem: Addr): boolean {
  lockRanges(actor, ctx);
  const n = slotsOver(actor.mem, ctx, umem);
  unlockRanges(actor, ctx);
  return n > 0;
}

/**
 * The callbacks of a start: sends back the faults that are under way, and zaps. The range must be listed by now: a fault that samples
 * a mark that was moved already must find the range.
 */
export function backOffOverlaps(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  downRead(actor, ctx.umemRwsem);
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    store(actor, markOf(u), (actor.mem[markOf(u)] + 1) & 0x7fffffff);
    zapUmem(actor, ctx, u, start, last);
    mutexUnlock(actor, umemMutex(u));
  }
  upRead(actor, ctx.umemRwsem);
}

/** The mark before the look: a start that lists its range after the look moves the mark after the sample. */
export function rangesBegin(actor: Actor, ctx: Ucontext, umem: Addr, overlapped: Look): number {
  const mark = load(actor, markOf(umem));
  return overlapped(actor, ctx, umem) ? -1 : mark;
}

/** Under the umem mutex, which a start holds to move the mark: from here to the unlock no start gets past this umem. */
export const rangesCheck = (actor: Actor, umem: Addr, sample: number): boolean => load(actor, markOf(umem)) === sample;

export function rangesWait(actor: Actor, ctx: Ucontext, umem: Addr, timeoutMs: number, overlapped: Look): boolean {
  const ticket = rangesTicket(actor, ctx);
  return !overlapped(actor, ctx, umem) || rangesSleep(actor, ctx, ticket, timeoutMs);
}
