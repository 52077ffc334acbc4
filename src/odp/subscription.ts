import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { Subscription } from '../mm/notifier.ts';
import * as notifierModule from '../mm/notifier.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as takeAllLocksModule from '../mm/take-all-locks.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as taskModule from '../sync/task.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as lifeModule from './life.ts';
import * as pagesModule from './pages.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const {
  isSectionActive,
  mmuNotifierRegister,
  mmuNotifierSubscribed,
  mmuNotifierUnregister,
  primeRangeStart,
  SECTION_EVENT,
} = notifierModule;
const { popSection, pushSection } = sectionModule;
const { mmDropAllLocks, mmTakeAllLocks } = takeAllLocksModule;
const { store } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downWrite, upWrite } = rwSemaphoreModule;
const { nonBlockBegin, nonBlockEnd } = taskModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { checkContainer, containerLives } = lifeModule;
const { postQueuedZaps } = pagesModule;
const { forEachUmem, UCONTEXT } = ucontextModule;
const { UMEM } = umemModule;

/** Every ucontext has one subscription to its mm's notifier, at this index. */
export const ODP_SUBSCRIPTION = 0;

/** The one subscription of a ucontext to its mm's notifier; it hands on to the strategy. */
export const odpSubscription = (ctx: Ucontext, index: number): Subscription => ({
  index,
  permanent: ctx.strategy.keepsSubscription === true,
  rangeStart(actor, section, start, last, blockable) {
    checkContainer(actor, ctx);
    return blockable
      ? ctx.strategy.rangeStart(actor, ctx, section, start, last, true)
      : startNonBlockable(actor, ctx, section, start, last);
  },
  rangeEnd(actor, section, start, last) {
    checkContainer(actor, ctx);
    ctx.strategy.rangeEnd(actor, ctx, section, start, last);
    if (ctx.faulty !== null) afterEnd(actor, ctx);
  },
  release: (actor) => release(actor, ctx),
  free: (actor) => ctx.strategy.free?.(actor, ctx),
});

function afterEnd(actor: Actor, ctx: Ucontext): void {
  // A container that is freed under a callback: the callback looks once more before it returns.
  checkContainer(actor, ctx);
  postQueuedZaps(actor, ctx);
}

/** non_block_start .. non_block_end around the callback. */
function startNonBlockable(actor: Actor, ctx: Ucontext, section: Addr, start: Vpn, last: Vpn): Outcome {
  nonBlockBegin(actor);
  const outcome = ctx.strategy.rangeStart(actor, ctx, section, start, last, false);
  const slept = nonBlockEnd(actor);
  if (slept !== 0)
    actor.observer.sleptInNonblockable(actor, slept, actor.mem[actor.addr + taskModule.TASK.sleptOn] as Addr);
  return outcome;
}

/**
 * ib_umem_notifier_release: the process goes away. Nothing is mapped for it any more, and no fault will be let through: the designs
 * refuse faults from before the zap until every umem is dying.
 */
function release(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  const { mm, strategy } = ctx;
  const start = 0 as Vpn;
  const last = (mm.pages - 1) as Vpn;
  checkContainer(actor, ctx);
  const section = pushSection(actor, mm, start, last, SECTION_EVENT.release);
  if (strategy.release !== undefined) strategy.release(actor, ctx, section, start, last);
  else strategy.rangeStart(actor, ctx, section, start, last, true);
  // Who registers holds a reference to the mm, so no region comes now; and those without a key are dying already.
  forEachUmem(mem, ctx, (umem) => {
    store(actor, at(umem, UMEM.dying), 1);
    strategy.faultWake(actor, ctx, umem);
  });
  if (strategy.release === undefined) strategy.rangeEnd(actor, ctx, section, start, last);
  popSection(actor, mm);
  mem[ctx.addr + UCONTEXT.released] = 1;
}

const lockOf = (ctx: Ucontext): Addr => at(ctx.addr, UCONTEXT.perMm);

/**
 * get_per_mm: a region is about to be registered; the first one subscribes the notifier. Where that is static, nothing. May sleep; the
 * caller holds nothing.
 */
export function notifierGet(actor: Actor, ctx: Ucontext): void {
  if (!ctx.dynamic) return;
  const { mem } = actor;
  mutexLock(actor, lockOf(ctx));
  const before = mem[ctx.addr + UCONTEXT.regions];
  mem[ctx.addr + UCONTEXT.regions] = before + 1;
  if (!mmuNotifierSubscribed(actor, ctx.mm, ODP_SUBSCRIPTION)) subscribe(actor, ctx, before === 0);
  mutexUnlock(actor, lockOf(ctx));
}

/**
 * mmu_notifier_register. `alone`: no umem is known to the design and no callback runs, so its words are nobody's, and begin anew: that
 * is the reset of the process' counts by its first region. An end that is late cannot meet it: with all locks of the mm taken no
 * section runs, so none that began under an earlier subscription can still be on its way.
 */
function subscribe(actor: Actor, ctx: Ucontext, alone: boolean): void {
  const { mem } = actor;
  const { mm } = ctx;
  if (alone) beginAnew(mem, ctx);
  containerLives(actor, ctx, true);
  count(actor, COUNTER['exposure.subscribe']);
  // What has to be kept out.
  if (isSectionActive(actor, mm)) count(actor, COUNTER['exposure.subscribeMeetsSection']);
  primeRangeStart(actor);
  const locked = ctx.steps.subscribesLocked;
  if (locked) {
    downWrite(actor, mm.mmapLock);
    mmTakeAllLocks(actor, mm);
  }
  mmuNotifierRegister(actor, mm, ODP_SUBSCRIPTION);
  point(actor, POINT['notifier.subscribed'], mm.id, 0, 0);
  if (locked) {
    mmDropAllLocks(actor, mm);
    upWrite(actor, mm.mmapLock);
  }
}

/** The design's words as a new process has them. Nobody uses them: no umem is known to the design, and no callback runs. */
function beginAnew(mem: Memory, ctx: Ucontext): void {
  mem.fill(0, ctx.ext, ctx.ext + ctx.strategy.words.ucontext);
  ctx.strategy.init(mem, ctx);
  mem[ctx.addr + UCONTEXT.released] = 0;
}

/**
 * Another process opens the adapter, in the address space of one that has exited and whose regions are all gone. A static notifier, which
 * release has taken off the list, is subscribed again; a dynamic one comes with the first region. No section of the mm runs: it has no VMA
 * yet, and exit_mmap, which took the last one out, waited for all that knew one.
 */
export function notifierReopen(actor: Actor, ctx: Ucontext): void {
  if (ctx.strategy.keepsSubscription === true) {
    actor.mem[ctx.addr + UCONTEXT.released] = 0;
    return;
  }
  if (ctx.dynamic) return;
  beginAnew(actor.mem, ctx);
  mmuNotifierRegister(actor, ctx.mm, ODP_SUBSCRIPTION);
}

/** put_per_mm: a region has gone, and with the last one the subscription. Sleeps; the caller holds nothing that callbacks take. */
export function notifierPut(actor: Actor, ctx: Ucontext): void {
  if (!ctx.dynamic) return;
  const { mem } = actor;
  mutexLock(actor, lockOf(ctx));
  const left = mem[ctx.addr + UCONTEXT.regions] - 1;
  mem[ctx.addr + UCONTEXT.regions] = left;
  if (left === 0 && ctx.strategy.keepsSubscription !== true) unsubscribe(actor, ctx);
  mutexUnlock(actor, lockOf(ctx));
}

/** mmu_notifier_unregister: sections may run; what they began is left open, and the ledgers know it by the subscription's epoch. */
function unsubscribe(actor: Actor, ctx: Ucontext): void {
  const { mm, strategy } = ctx;
  strategy.leave?.(actor, ctx);
  if (isSectionActive(actor, mm)) count(actor, COUNTER['exposure.unsubscribeInSection']);
  // Freed only when no callback runs any more; the other way round is what 6d7c3cde93c1 mended elsewhere.
  if (!ctx.steps.containerWaits) containerLives(actor, ctx, false);
  mmuNotifierUnregister(actor, mm, ODP_SUBSCRIPTION);
  if (ctx.steps.containerWaits) containerLives(actor, ctx, false);
  point(actor, POINT['notifier.unsubscribed'], mm.id, 0, 0);
}
