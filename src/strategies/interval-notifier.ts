import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as intervalTreeModule from '../odp/interval-tree.ts';
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
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { intervalNodeInTree } = intervalTreeModule;
const { firstOverlap, linkUmem, nextOverlap, noteOverlap, unlinkUmem, zapUmem } = invalidationModule;
const { UMEM, umemExt, umemLast, umemMutex, umemStart } = umemModule;
const { readOnce, writeOnce } = atomicsModule;
const { LOCK_CLASS } = lockClassModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } = spinLockModule;
const { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUpAll } = waitQueueModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;

/** struct mmu_notifier_subscriptions, as far as interval notifiers use it. */
const SUBSCRIPTIONS = defineStruct('mmu_notifier_subscriptions', {
  lock: { words: SPIN_LOCK.$words, line: true },
  /** Odd: the tree is frozen, a section that matches something in it runs. Written under the lock, waited for without it. */
  invalidateSeq: 1,
  activeRanges: 1,
  /** First umem whose insertion or removal waits for the tree to thaw. */
  deferred: 1,
  wait: { words: WAIT_QUEUE.$words, line: true },
});
/** struct mmu_interval_notifier. */
const SUBSCRIPTION = defineStruct('mmu_interval_notifier', { invalidateSeq: 1, deferredNext: 1, deferredPrev: 1 });

const lockOf = (ctx: Ucontext): Addr => at(ctx.ext, SUBSCRIPTIONS.lock);
const seqOf = (ctx: Ucontext): Addr => at(ctx.ext, SUBSCRIPTIONS.invalidateSeq);
const waitOf = (ctx: Ucontext): Addr => at(ctx.ext, SUBSCRIPTIONS.wait);
const ownSeq = (umem: Addr): Addr => at(umemExt(umem), SUBSCRIPTION.invalidateSeq);
const FIRST_SEQ = 2;
const nextSeq = (seq: number): number => (seq + 1) & 0x7fffffff;

/** hlist_add_head; under the lock. */
function defer(mem: Int32Array, ctx: Ucontext, umem: Addr): void {
  const head = mem[ctx.ext + SUBSCRIPTIONS.deferred] as Addr;
  mem[umemExt(umem) + SUBSCRIPTION.deferredNext] = head;
  mem[umemExt(umem) + SUBSCRIPTION.deferredPrev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[umemExt(head) + SUBSCRIPTION.deferredPrev] = umem;
  mem[ctx.ext + SUBSCRIPTIONS.deferred] = umem;
}

/** hlist_del; under the lock. */
function undefer(mem: Int32Array, ctx: Ucontext, umem: Addr): void {
  const next = mem[umemExt(umem) + SUBSCRIPTION.deferredNext] as Addr;
  const prev = mem[umemExt(umem) + SUBSCRIPTION.deferredPrev] as Addr;
  if (next !== NULL_ADDR) mem[umemExt(next) + SUBSCRIPTION.deferredPrev] = prev;
  if (prev !== NULL_ADDR) mem[umemExt(prev) + SUBSCRIPTION.deferredNext] = next;
  else mem[ctx.ext + SUBSCRIPTIONS.deferred] = next;
}

/** Applies what waited for the thaw: who is in the tree leaves it, who is not enters it. Under the lock, with the sequence even. */
function applyDeferred(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  let umem = mem[ctx.ext + SUBSCRIPTIONS.deferred] as Addr;
  mem[ctx.ext + SUBSCRIPTIONS.deferred] = NULL_ADDR;
  while (umem !== NULL_ADDR) {
    const next = mem[umemExt(umem) + SUBSCRIPTION.deferredNext] as Addr;
    if (intervalNodeInTree(mem, umem)) unlinkUmem(actor, ctx, umem);
    else linkUmem(actor, ctx, umem);
    umem = next;
  }
}

/** mn_itree_inv_end. */
function invalidateEnd(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  spinLock(actor, lockOf(ctx));
  const active = --mem[ctx.ext + SUBSCRIPTIONS.activeRanges];
  const seq = mem[seqOf(ctx)];
  actor.observer.countChanged(actor, NULL_ADDR, active, seq);
  const thaws = active === 0 && (seq & 1) !== 0;
  if (thaws) {
    // Seen by who reads it without the lock from the release of the lock on, and then he is woken.
    writeOnce(actor, seqOf(ctx), nextSeq(seq));
    applyDeferred(actor, ctx);
  }
  spinUnlock(actor, lockOf(ctx));
  if (thaws) wakeUpAll(actor, waitOf(ctx));
}

/** Mirrors __mmu_interval_notifier_insert. */
function insert(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  spinLock(actor, lockOf(ctx));
  noteOverlap(actor, ctx, umem, COUNTER['exposure.registerInSection']);
  const seq = mem[seqOf(ctx)];
  if (mem[ctx.ext + SUBSCRIPTIONS.activeRanges] === 0) {
    // Idle: any value that is not the current one, so that the first fault does not collide.
    writeOnce(actor, ownSeq(umem), seq - 1);
    linkUmem(actor, ctx, umem);
  } else if ((seq & 1) !== 0) {
    // Frozen: whoever walks the tree holds no lock. Born colliding, and inserted when the last section ends.
    count(actor, COUNTER['exposure.deferredInsert']);
    writeOnce(actor, ownSeq(umem), seq);
    defer(mem, ctx, umem);
    point(actor, POINT['umem.deferred'], mem[umem + UMEM.index], umemStart(mem, umem), umemLast(mem, umem));
  } else {
    // Sections run, but none matched anything, and nobody walks the tree. Born colliding with all of them.
    writeOnce(actor, seqOf(ctx), nextSeq(seq));
    writeOnce(actor, ownSeq(umem), nextSeq(seq));
    linkUmem(actor, ctx, umem);
  }
  spinUnlock(actor, lockOf(ctx));
}

/**
 * Mirrors mmu_interval_notifier_remove. Both the sequence to wait for and the look whether it has moved are taken under the lock
 * (319561669a59, v5.18): the last end moves the sequence first and works the deferred list off after, all under the lock. A look
 * without it may see the new sequence while this umem is still on the list, and the caller would free what is about to be touched.
 */
function remove(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  let waitFor = -1;
  spinLock(actor, lockOf(ctx));
  noteOverlap(actor, ctx, umem, COUNTER['exposure.removeInSection']);
  const seq = mem[seqOf(ctx)];
  if ((seq & 1) === 0) unlinkUmem(actor, ctx, umem);
  else if (!intervalNodeInTree(mem, umem)) undefer(mem, ctx, umem);
  else {
    count(actor, COUNTER['exposure.deferredRemove']);
    defer(mem, ctx, umem);
    waitFor = seq;
  }
  spinUnlock(actor, lockOf(ctx));
  if (waitFor >= 0) waitReleased(actor, ctx, waitFor);
}

/** wait_event(mmu_interval_seq_released(subscriptions, seq)). */
function waitReleased(actor: Actor, ctx: Ucontext, seq: number): void {
  for (;;) {
    const ticket = waitPrepare(actor, waitOf(ctx));
    spinLock(actor, lockOf(ctx));
    const released = actor.mem[seqOf(ctx)] !== seq;
    spinUnlock(actor, lockOf(ctx));
    if (released) return;
    waitOn(actor, waitOf(ctx), ticket);
  }
}

/**
 * The wait of mmu_interval_read_begin, without the lock: wait_event(invalidate_seq != seq). One sleep: the caller looks for itself
 * whether the umem is dying. False when it timed out.
 */
function waitMoved(actor: Actor, ctx: Ucontext, umem: Addr, timeoutMs: number): boolean {
  // The ticket before the look: a wake-up between the look and the sleep moves it.
  const ticket = waitPrepare(actor, waitOf(ctx));
  return readOnce(actor, seqOf(ctx)) !== readOnce(actor, ownSeq(umem)) || waitOn(actor, waitOf(ctx), ticket, timeoutMs);
}

/**
 * mmu_interval_notifier: one sequence for the mm, odd while a section that matters runs, and each umem remembers the value at which
 * it was last invalidated.
 *
 * - start: under the lock active +1, and if any umem overlaps the sequence becomes odd; then each callback stores it and zaps.
 * - end: under the lock active -1; the last one makes an odd sequence even, applies deferred insertions and removals, wakes all.
 * - fault: collides while its own value is the current one; refused when its own value moved since.
 * - register inside a section: born with the current value, so its faults wait for that section without having heard its start.
 * - remove inside a section: waits until the tree thaws.
 */
export const intervalNotifier: Strategy = {
  name: 'interval-notifier',
  title: 'mmu_interval_notifier: one sequence, collisions remembered by each umem',
  origin: 'mm/mmu_notifier.c since v5.5; ODP conversion f25a546e6529',
  reasoning:
    'A umem born inside a section is born colliding with it, so it is safe. The sequence comes back to even only when all sections of the mm have ended: a umem that was hit, and every removal, wait for that.',
  params: {},
  words: { ucontext: SUBSCRIPTIONS.$words, umem: SUBSCRIPTION.$words, section: 0 },
  fields: { ucontext: SUBSCRIPTIONS, umem: SUBSCRIPTION },
  pins: false,
  keepsSubscription: true,
  init(mem, ctx) {
    spinLockInit(mem, lockOf(ctx), LOCK_CLASS.mmu_notifier_lock);
    waitQueueInit(mem, waitOf(ctx));
    mem[seqOf(ctx)] = FIRST_SEQ;
    mem[ctx.ext + SUBSCRIPTIONS.activeRanges] = 0;
    mem[ctx.ext + SUBSCRIPTIONS.deferred] = NULL_ADDR;
  },
  registerLocks: () => 'none',
  insert,
  remove,
  rangeStart(actor, ctx, _section, start, last, blockable) {
    const { mem } = actor;
    spinLock(actor, lockOf(ctx));
    mem[ctx.ext + SUBSCRIPTIONS.activeRanges]++;
    let umem = firstOverlap(actor, ctx, start, last);
    if (umem !== NULL_ADDR) writeOnce(actor, seqOf(ctx), mem[seqOf(ctx)] | 1);
    const seq = mem[seqOf(ctx)];
    spinUnlock(actor, lockOf(ctx));
    if (!blockable && umem !== NULL_ADDR) {
      // The callback would have to sleep (mlx5_ib_invalidate_range): the section is taken back, and gets no end.
      invalidateEnd(actor, ctx);
      return OUTCOME.eagain;
    }
    // Odd: the tree does not change until this section ends, so the walk needs no lock.
    for (; umem !== NULL_ADDR; umem = nextOverlap(actor, umem, start, last)) {
      mutexLock(actor, umemMutex(umem));
      // Before the zap: a fault that commits after the zap must find that its value moved. It looks under the same mutex.
      writeOnce(actor, ownSeq(umem), seq);
      zapUmem(actor, ctx, umem, start, last);
      mutexUnlock(actor, umemMutex(umem));
    }
    return OUTCOME.ok;
  },
  rangeEnd: invalidateEnd,
  faultBegin(actor, ctx, umem) {
    spinLock(actor, lockOf(ctx));
    // A start may be about to move it: then the check finds that under the mutex, or the fault commits first and is zapped.
    const seq = readOnce(actor, ownSeq(umem));
    const collides = seq === actor.mem[seqOf(ctx)];
    spinUnlock(actor, lockOf(ctx));
    return collides ? -1 : seq;
  },
  faultCheck: (actor, _ctx, umem, sample) => readOnce(actor, ownSeq(umem)) === sample,
  faultWait: (actor, ctx, umem, timeoutMs) => waitMoved(actor, ctx, umem, timeoutMs),
  faultWake: (actor, ctx) => wakeUpAll(actor, waitOf(ctx)),
  audit(actor, ctx, umem, report) {
    if (umem !== NULL_ADDR) return;
    const { mem } = actor;
    const active = mem[ctx.ext + SUBSCRIPTIONS.activeRanges];
    if (active !== 0) report(NULL_ADDR, 'active invalidations', active, 0);
    const seq = mem[seqOf(ctx)];
    if ((seq & 1) !== 0) report(NULL_ADDR, 'sequence (odd: frozen)', seq, nextSeq(seq));
    const deferred = mem[ctx.ext + SUBSCRIPTIONS.deferred];
    if (deferred !== NULL_ADDR) report(NULL_ADDR, 'deferred list', deferred, NULL_ADDR);
  },
  expected: () => ({
    must: [],
    may: ['starvation'],
    reason: 'safe by construction; waits for all sections of the mm, so gap-free overlap starves it',
  }),
};
