import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as sectionModule from '../mm/section.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as trylockModule from '../trace/trylock.ts';
import * as intervalTreeModule from './interval-tree.ts';
import * as lifeModule from './life.ts';
import * as pagesModule from './pages.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { sectionsOverlapping } = sectionModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downWrite, upRead, upWrite } = rwSemaphoreModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { downReadTrylock } = trylockModule;
const { intervalTreeInsert, intervalTreeIterFirst, intervalTreeIterNext, intervalTreeRemove } = intervalTreeModule;
const { checkAlive } = lifeModule;
const { zapPages } = pagesModule;
const { UCONTEXT } = ucontextModule;
const { UMEM, umemLast, umemMutex, umemStart } = umemModule;

/** The first umem that overlaps start .. last, or 0. The caller guards the tree. */
export const firstOverlap = (actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): Addr =>
  intervalTreeIterFirst(actor.mem, ctx.tree, start, last);
/** The next one, or 0. */
export const nextOverlap = (actor: Actor, umem: Addr, start: Vpn, last: Vpn): Addr =>
  intervalTreeIterNext(actor.mem, umem, start, last);

/**
 * The walk of a start that must not sleep, in the designs that guard the tree by umem_rwsem: tries to take it for reading, and keeps it only
 * if no umem overlaps start .. last. False, holding nothing: the start has to answer EAGAIN, as its zap would wait for the device. ODP
 * has done so since v4.19 (93065ac753e4).
 */
export function tryNothingOverlaps(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): boolean {
  if (!downReadTrylock(actor, ctx.umemRwsem)) return false;
  if (firstOverlap(actor, ctx, start, last) === NULL_ADDR) return true;
  upRead(actor, ctx.umemRwsem);
  return false;
}

/**
 * Unmaps what is mapped of `umem` in start .. last and waits for accesses in flight (mlx5_ib_invalidate_range). Returns how many pages
 * were mapped; of none, nothing is asked of the device. The caller holds the umem mutex.
 */
export function zapUmem(actor: Actor, ctx: Ucontext, umem: Addr, start: number, last: number): number {
  const { mem } = actor;
  checkAlive(actor, ctx, umem);
  const from = umemStart(mem, umem);
  const first = Math.max(start, from);
  const end = Math.min(last, umemLast(mem, umem));
  const mapped = zapPages(actor, ctx, umem, first - from, end - from);
  point(actor, POINT['umem.zapped'], mem[umem + UMEM.index], first, end);
  return mapped;
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
  checkAlive(actor, ctx, umem);
  intervalTreeInsert(mem, ctx.tree, umem);
  mem[ctx.addr + UCONTEXT.count]++;
  point(actor, POINT['umem.inserted'], mem[umem + UMEM.index], umemStart(mem, umem), umemLast(mem, umem));
}

/** Takes a umem out of the tree and tells the trace. The caller guards the tree. */
export function unlinkUmem(actor: Actor, ctx: Ucontext, umem: Addr): void {
  const { mem } = actor;
  checkAlive(actor, ctx, umem);
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
