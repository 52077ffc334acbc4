import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';
import type { Actor } from '../trace/actor.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { firstOverlap, linkUmem, unlinkUmem, zapOverlaps } = invalidationModule;
const { umemLast, umemStart } = umemModule;
const { load, store } = atomicsModule;
const { LOCK_CLASS } = lockClassModule;
const { MUTEX, mutexInit, mutexLock, mutexUnlock } = mutexModule;
const { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } = spinLockModule;
const { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUpAll } = waitQueueModule;

/** struct kvm, as far as its MMU notifier goes. */
const VM = defineStruct('kvm', {
  mmuLock: { words: SPIN_LOCK.$words, line: true },
  /** Sections that hit a region and have not ended. Under mmuLock, like the next two. */
  inProgress: 1,
  /** From the first page of any section in progress to the last of any: it grows until none is. */
  rangeStart: 1,
  rangeLast: 1,
  /** Written under mmuLock, sampled without it. */
  seq: 1,
  /** mn_invalidate_lock: guards `active`, and the tree against sections that start. */
  invalidateLock: { words: SPIN_LOCK.$words, line: true },
  /** mn_active_invalidate_count: sections between start and end, whether or not they hit a region. */
  active: 1,
  /** slots_lock: one registration or removal at a time. */
  slotsLock: { words: MUTEX.$words, line: true },
  /** mn_memslots_update_rcuwait. */
  slotsWait: { words: WAIT_QUEUE.$words, line: true },
  /** Refused faults. KVM has none: the guest runs on into the same fault. */
  faultWait: { words: WAIT_QUEUE.$words, line: true },
});
const word = (ctx: Ucontext, field: number): Addr => at(ctx.ext, field);

/**
 * Mirrors the wait of kvm_swap_active_memslots: comes back with slots_lock and mn_invalidate_lock held and no section active. Sections that
 * start meanwhile do not wait for it.
 */
function lockIdle(actor: Actor, ctx: Ucontext): void {
  mutexLock(actor, word(ctx, VM.slotsLock));
  for (;;) {
    // The ticket before the look: an end between the look and the sleep moves it.
    const ticket = waitPrepare(actor, word(ctx, VM.slotsWait));
    spinLock(actor, word(ctx, VM.invalidateLock));
    if (actor.mem[ctx.ext + VM.active] === 0) return;
    spinUnlock(actor, word(ctx, VM.invalidateLock));
    waitOn(actor, word(ctx, VM.slotsWait), ticket);
  }
}

function unlockIdle(actor: Actor, ctx: Ucontext): void {
  spinUnlock(actor, word(ctx, VM.invalidateLock));
  mutexUnlock(actor, word(ctx, VM.slotsLock));
}

/** kvm_mmu_invalidate_begin. */
function invalidateBegin(actor: Actor, ctx: Ucontext, start: number, last: number): void {
  const { mem } = actor;
  const { ext } = ctx;
  spinLock(actor, word(ctx, VM.mmuLock));
  const inProgress = ++mem[ext + VM.inProgress];
  mem[ext + VM.rangeStart] = inProgress === 1 ? start : Math.min(mem[ext + VM.rangeStart], start);
  mem[ext + VM.rangeLast] = inProgress === 1 ? last : Math.max(mem[ext + VM.rangeLast], last);
  actor.observer.countChanged(actor, NULL_ADDR, inProgress, mem[ext + VM.seq]);
  spinUnlock(actor, word(ctx, VM.mmuLock));
}

/** kvm_mmu_invalidate_end. */
function invalidateEnd(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  const { ext } = ctx;
  spinLock(actor, word(ctx, VM.mmuLock));
  // Stored atomically: it is sampled without the lock.
  const seq = (mem[ext + VM.seq] + 1) & 0x7fffffff;
  store(actor, word(ctx, VM.seq), seq);
  const inProgress = --mem[ext + VM.inProgress];
  actor.observer.countChanged(actor, NULL_ADDR, inProgress, seq);
  spinUnlock(actor, word(ctx, VM.mmuLock));
  if (inProgress === 0) wakeUpAll(actor, word(ctx, VM.faultWait));
}

/** The section is over, or was never begun: the last one lets the tree change. */
function leaveActive(actor: Actor, ctx: Ucontext): void {
  spinLock(actor, word(ctx, VM.invalidateLock));
  const active = --actor.mem[ctx.ext + VM.active];
  spinUnlock(actor, word(ctx, VM.invalidateLock));
  if (active === 0) wakeUpAll(actor, word(ctx, VM.slotsWait));
}

/** Under mmuLock: a section that is in progress may touch first .. last. The union says yes too often, never too seldom. */
const inUnion = (mem: Memory, ext: Addr, first: number, last: number): boolean =>
  mem[ext + VM.inProgress] > 0 && mem[ext + VM.rangeStart] <= last && mem[ext + VM.rangeLast] >= first;

/**
 * KVM: sections in progress, a sequence, and one range that covers all that is in progress.
 *
 * - start: active +1; if anything overlaps: in progress +1, the range grows to the union, under mmu_lock; then zap.
 * - end: if anything overlaps: sequence +1, in progress -1; then active -1, at 0 wake whoever waits to change the tree.
 * - fault: sample the sequence; refused when the page lies in the range of what is in progress, or the sequence moved.
 * - register, remove: wait until active is 0, so that start and end see the same tree. Starts do not wait for them.
 * - two small sections at both ends of the memory refuse all faults in between.
 */
export const rangeUnion: Strategy = {
  name: 'range-union',
  title: 'KVM: one count, one sequence and the union of the running ranges; the tree changes when none runs',
  origin:
    'virt/kvm/kvm_main.c since v5.14: 4a42d848db95 (the range), 8931a454aea0 (only what hits), 52ac8b358b0c (the fence)',
  reasoning:
    'Start and end see the same tree, so they pair, and a fault sees every section that may touch its page. The union refuses faults that nobody is in the way of; a registration needs a moment at which no section of the process runs, and nothing makes one (52ac8b358b0c says so itself).',
  params: {},
  words: { ucontext: VM.$words, umem: 0, section: 0 },
  fields: { ucontext: VM },
  pins: false,
  keepsOut: true,
  init(mem, ctx) {
    spinLockInit(mem, word(ctx, VM.mmuLock), LOCK_CLASS.strategy);
    spinLockInit(mem, word(ctx, VM.invalidateLock), LOCK_CLASS.mmu_notifier_lock);
    mutexInit(mem, word(ctx, VM.slotsLock), LOCK_CLASS.strategy);
    waitQueueInit(mem, word(ctx, VM.slotsWait));
    waitQueueInit(mem, word(ctx, VM.faultWait));
    for (const field of [VM.inProgress, VM.rangeStart, VM.rangeLast, VM.seq, VM.active]) mem[ctx.ext + field] = 0;
  },
  registerLocks: () => 'none',
  insert(actor, ctx, umem) {
    lockIdle(actor, ctx);
    linkUmem(actor, ctx, umem);
    unlockIdle(actor, ctx);
  },
  remove(actor, ctx, umem) {
    lockIdle(actor, ctx);
    unlinkUmem(actor, ctx, umem);
    unlockIdle(actor, ctx);
  },
  rangeStart(actor, ctx, _section, start, last, blockable) {
    spinLock(actor, word(ctx, VM.invalidateLock));
    actor.mem[ctx.ext + VM.active]++;
    spinUnlock(actor, word(ctx, VM.invalidateLock));
    // From here to the end the tree does not change, so it is walked without a lock.
    if (firstOverlap(actor, ctx, start, last) === NULL_ADDR) return OUTCOME.ok;
    if (!blockable) {
      leaveActive(actor, ctx);
      return OUTCOME.eagain;
    }
    // Before the zap: a fault that commits behind it must find the section in progress. One that checked before holds the umem
    // mutex until it has committed, and the zap, which waits for that, takes its entry away (KVM holds mmu_lock over both).
    invalidateBegin(actor, ctx, start, last);
    zapOverlaps(actor, ctx, start, last);
    return OUTCOME.ok;
  },
  rangeEnd(actor, ctx, _section, start, last) {
    if (firstOverlap(actor, ctx, start, last) !== NULL_ADDR) invalidateEnd(actor, ctx);
    leaveActive(actor, ctx);
  },
  /** kvm_destroy_vm: counts that sections without an end have left, which it calls unbalanced, too. */
  free(actor, ctx) {
    const { mem } = actor;
    spinLock(actor, word(ctx, VM.invalidateLock));
    mem[ctx.ext + VM.active] = 0;
    spinUnlock(actor, word(ctx, VM.invalidateLock));
    wakeUpAll(actor, word(ctx, VM.slotsWait));
  },
  // Before the page is got: it must not be older than the sample.
  faultBegin: (actor, ctx) => load(actor, word(ctx, VM.seq)),
  faultCheck(actor, ctx, _umem, sample, vpn) {
    spinLock(actor, word(ctx, VM.mmuLock));
    const ok = !inUnion(actor.mem, ctx.ext, vpn, vpn) && actor.mem[ctx.ext + VM.seq] === sample;
    spinUnlock(actor, word(ctx, VM.mmuLock));
    return ok;
  },
  faultWait(actor, ctx, umem, timeoutMs) {
    const ticket = waitPrepare(actor, word(ctx, VM.faultWait));
    spinLock(actor, word(ctx, VM.mmuLock));
    const busy = inUnion(actor.mem, ctx.ext, umemStart(actor.mem, umem), umemLast(actor.mem, umem));
    spinUnlock(actor, word(ctx, VM.mmuLock));
    return !busy || waitOn(actor, word(ctx, VM.faultWait), ticket, timeoutMs);
  },
  faultWake: (actor, ctx) => wakeUpAll(actor, word(ctx, VM.faultWait)),
  audit(actor, ctx, umem, report) {
    if (umem !== NULL_ADDR) return;
    const inProgress = actor.mem[ctx.ext + VM.inProgress];
    if (inProgress !== 0) report(NULL_ADDR, 'invalidations in progress', inProgress, 0);
    const active = actor.mem[ctx.ext + VM.active];
    if (active !== 0) report(NULL_ADDR, 'active invalidations', active, 0);
  },
  expected: () => ({
    must: [],
    may: ['starvation'],
    reason:
      'safe, as the tree is frozen while any section runs; sections that overlap without a gap keep registrations out, and the union refuses faults that no section is in the way of',
  }),
};
