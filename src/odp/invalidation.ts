import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { Subscription } from '../mm/notifier.ts';
import * as sectionModule from '../mm/section.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as intervalTreeModule from './interval-tree.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { deviceZap } = devicePageTableModule;
const { at, NULL_ADDR } = addressModule;
const { sectionsOverlapping } = sectionModule;
const { store } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downWrite, upWrite } = rwSemaphoreModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { intervalTreeInsert, intervalTreeIterFirst, intervalTreeIterNext, intervalTreeRemove } = intervalTreeModule;
const { forEachUmem, UCONTEXT } = ucontextModule;
const { UMEM, umemLast, umemMutex, umemStart } = umemModule;

/** The first umem that overlaps start .. last, or 0. The caller guards the tree. */
export const firstOverlap = (actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): Addr =>
  intervalTreeIterFirst(actor.mem, ctx.tree, start, last);
/** The next one, or 0. */
export const nextOverlap = (actor: Actor, umem: Addr, start: Vpn, last: Vpn): Addr =>
  intervalTreeIterNext(actor.mem, umem, start, last);

/**
 * Clears the device entries of `umem` in start .. last and waits for accesses in flight (mlx5_ib_invalidate_range). The caller
 * holds the umem mutex.
 */
export function zapUmem(actor: Actor, ctx: Ucontext, umem: Addr, start: number, last: number): number {
  const { mem } = actor;
  const from = umemStart(mem, umem);
  const first = Math.max(start, from);
  const end = Math.min(last, umemLast(mem, umem));
  const index = mem[umem + UMEM.index];
  const cleared = deviceZap(actor, ctx.hca, index, first - from, end - from, false);
  point(actor, POINT['umem.zapped'], index, first, end);
  return cleared;
}

/** Zaps every umem that overlaps start .. last, one mutex after the other. The caller guards the tree. */
export function zapOverlaps(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    zapUmem(actor, ctx, u, start, last);
    mutexUnlock(actor, umemMutex(u));
  }
}

/**
 * Counts whether a umem enters (or leaves) the notifier's view while a section that overlaps it runs. Called inside the lock that
 * guards the change, so that a section counted here did start before it and has not ended.
 */
export function noteOverlap(actor: Actor, ctx: Ucontext, umem: Addr, exposure: number): void {
  const { mem } = actor;
  const start = umemStart(mem, umem) as Vpn;
  const last = umemLast(mem, umem) as Vpn;
  if (sectionsOverlapping(actor, ctx.mm, start, last) > 0) count(actor, exposure);
}

/** Inserts a umem into the tree and tells the trace. The caller guards the tree. */
export function linkUmem(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  intervalTreeInsert(mem, ctx.tree, umem);
  mem[ctx.addr + UCONTEXT.count]++;
  point(actor, POINT['umem.inserted'], mem[umem + UMEM.index], umemStart(mem, umem), umemLast(mem, umem));
}

/** Takes a umem out of the tree and tells the trace. The caller guards the tree. */
export function unlinkUmem(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  intervalTreeRemove(mem, ctx.tree, umem);
  mem[ctx.addr + UCONTEXT.count]--;
  point(actor, POINT['umem.removed'], mem[umem + UMEM.index], umemStart(mem, umem), umemLast(mem, umem));
}

/** ib_umem_odp's way until v5.4: the tree changes under umem_rwsem W. Shared by the designs that guard it so. */
export function insertUnderRwsem(actor: Actor, ctx: Ucontext, umem: Addr): void {
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.registerInSection']);
  linkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/**
 * The counterpart: a notifier callback holds umem_rwsem R for as long as it touches a umem, so once W was had, none does, and none
 * will find it any more.
 */
export function removeUnderRwsem(actor: Actor, ctx: Ucontext, umem: Addr): void {
  downWrite(actor, ctx.umemRwsem);
  noteOverlap(actor, ctx, umem, COUNTER['exposure.removeInSection']);
  unlinkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/** The one subscription of a ucontext to its mm's notifier; it hands on to the strategy. */
export const odpSubscription = (ctx: Ucontext, index: number): Subscription => ({
  index,
  rangeStart: (actor, section, start, last, blockable) =>
    ctx.strategy.rangeStart(actor, ctx, section, start, last, blockable),
  rangeEnd: (actor, section, start, last) => ctx.strategy.rangeEnd(actor, ctx, section, start, last),
  release: (actor) => releaseUmems(actor, ctx),
});

/** ib_umem_notifier_release: the process goes away. Nothing is mapped for it any more, and no fault will be let through. */
function releaseUmems(actor: Actor, ctx: Ucontext): void {
  forEachUmem(actor.mem, ctx, (umem) => {
    mutexLock(actor, umemMutex(umem));
    store(actor, at(umem, UMEM.dying), 1);
    zapUmem(actor, ctx, umem, umemStart(actor.mem, umem), umemLast(actor.mem, umem));
    mutexUnlock(actor, umemMutex(umem));
  });
}
