import * as deviceModule from '../hca/device.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as slabModule from '../memory/slab.ts';
import * as allocModule from '../mm/alloc.ts';
import type { Era } from '../mm/era.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as takeAllLocksModule from '../mm/take-all-locks.ts';
import * as usersModule from '../mm/users.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as parkModule from '../trace/park.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as intervalTreeModule from './interval-tree.ts';
import * as lifeModule from './life.ts';
import * as pagesModule from './pages.ts';
import * as pinModule from './pin.ts';
import type { OdpSteps } from './steps.ts';
import type { MmLockMode } from './strategy.ts';
import * as subscriptionModule from './subscription.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';
import * as umemUseModule from './umem-use.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { keyIndex, MKEY, makeKey, mkeyAddr } = deviceModule;
const { deviceCreateKey, deviceDestroyKey, deviceDestroyMappedKey } = devicePageTableModule;
const { at } = addressModule;
const { slabAlloc } = slabModule;
const { allocPageTable } = allocModule;
const { OUTCOME } = outcomeModule;
const { othersOverlap, sectionsBegun } = sectionModule;
const { mmDropAllLocks, mmTakeAllLocks } = takeAllLocksModule;
const { mmgetNotZero, mmput } = usersModule;
const { compareExchange, store } = atomicsModule;
const { dataRaceStore } = dataRaceModule;
const { LOCK_CLASS } = lockClassModule;
const { mutexInit, mutexLock, mutexUnlock } = mutexModule;
const { downRead, downWrite, upRead, upWrite } = rwSemaphoreModule;
const { beginLatency, count, recordLatency } = actorModule;
const { COUNTER, HISTOGRAM } = countersModule;
const { CAP, shouldFail } = injectModule;
const { opBegin, opEnd, WAITING_OP } = parkModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { INTERVAL_NODE, intervalNodeInit } = intervalTreeModule;
const { umemBorn, umemFree } = lifeModule;
const { forgetPages, unmapPages } = pagesModule;
const { pinPages, unpinPages } = pinModule;
const { notifierGet, notifierPut } = subscriptionModule;
const { umemAddr } = ucontextModule;
const { waitForHandlers } = umemUseModule;
const { UMEM, umemExt, umemLast, umemMutex, umemStart } = umemModule;

const MEETS = COUNTER['exposure.registerMeetsSection'];

/**
 * Registers pages start .. start + pages - 1 for on-demand paging (ibv_reg_mr with IBV_ACCESS_ON_DEMAND; ib_umem_odp_get).
 * Returns the key, or 0 when the range is no region of this adapter, when the process is gone, when no slot is left or, under a design that
 * pins, when a page could not be got.
 *
 * Order: insertion first, the key last. No fault can happen before there is a key, so that a umem never has entries that its
 * notifier was not told about; what may happen is that a section is running around the insertion, which is the seed's question.
 */
export function registerMr(actor: Actor, ctx: Ucontext, era: Era, start: Vpn, pages: number): number {
  const last = (start + pages - 1) as Vpn;
  // A larger region would run into the next key's entries.
  if (pages < 1 || pages > ctx.hca.mttPages || last >= ctx.mm.pages) {
    count(actor, COUNTER['fail.register']);
    return 0;
  }
  // Without a living mm nobody would tell the new region that it is going away (mmu_interval_notifier_insert: -ESRCH).
  if (!mmgetNotZero(actor, ctx.mm)) {
    count(actor, COUNTER['fail.register']);
    return 0;
  }
  const key = registerLive(actor, ctx, era, start, last);
  mmput(actor, ctx.mm);
  return key;
}

function registerLive(actor: Actor, ctx: Ucontext, era: Era, start: Vpn, last: Vpn): number {
  const { mem } = actor;
  const { faulty } = ctx;
  const index = shouldFail(actor, CAP.failslab) ? 0 : slabAlloc(mem, ctx.slab, actor.tid, ctx.depotLock);
  if (index === 0) {
    count(actor, COUNTER['fail.allocation']);
    return 0;
  }
  const umem = umemAddr(ctx, index);
  const mkey = mkeyAddr(ctx.hca, index);
  const generation = (mem[mkey + MKEY.generation] + 1) | 0;
  mem[mkey + MKEY.generation] = generation;
  const key = makeKey(index, generation);
  point(actor, POINT['register.enter'], start, last, key);
  mem[mkey + MKEY.start] = start;
  mem[mkey + MKEY.pages] = last - start + 1;
  mem[mkey + MKEY.mm] = ctx.mm.id;
  if (faulty !== null) beforeInit(actor, ctx, faulty, index, key);
  umemInit(actor, ctx, umem, index, key, start, last);

  opBegin(mem, actor.parkWord, WAITING_OP.register, ctx.mm.id, start, last);
  beginLatency(actor);
  notifierGet(actor, ctx);
  insertKeepingOut(actor, ctx, era, umem);
  opEnd(mem, actor.parkWord);
  if (faulty !== null && faulty.publish === 'tree-first') clearWords(actor, ctx, umem);
  // Only now does the device have the key, and take commands for it: a notifier that came before had nothing mapped to zap.
  deviceCreateKey(actor, ctx.hca, index);
  const outcome = ctx.strategy.pins ? pinPages(actor, ctx, umem) : OUTCOME.ok;
  if (outcome !== OUTCOME.ok) {
    tearDown(actor, ctx, umem, index);
    notifierPut(actor, ctx);
    count(actor, COUNTER['fail.register']);
    point(actor, POINT['register.done'], key, index, outcome);
    return 0;
  }
  // Atomic, and last: a device or a fault handler that sees the key must see all that was written above.
  store(actor, at(mkey, MKEY.key), key);
  count(actor, COUNTER['op.register']);
  recordLatency(actor, HISTOGRAM.register);
  point(actor, POINT['register.done'], key, index, OUTCOME.ok);
  return key;
}

/** Inserts under the locks that the design wants, and counts the sections that it had to be kept out of. */
function insertKeepingOut(actor: Actor, ctx: Ucontext, era: Era, umem: Addr): void {
  const { mem } = actor;
  const { mm, strategy } = ctx;
  const counts = strategy.keepsOut === true;
  const met = counts && othersOverlap(actor, mm, umemStart(mem, umem) as Vpn, umemLast(mem, umem) as Vpn);
  const begun = counts ? sectionsBegun(actor, mm.world) : 0;
  const mode = strategy.registerLocks(era);
  lockMm(actor, ctx, mode);
  strategy.insert(actor, ctx, umem);
  if (counts && (met || sectionsBegun(actor, mm.world) !== begun)) count(actor, MEETS);
  unlockMm(actor, ctx, mode);
}

function lockMm(actor: Actor, { mm }: Ucontext, mode: MmLockMode): void {
  if (mode === 'read') downRead(actor, mm.mmapLock);
  else if (mode !== 'none') downWrite(actor, mm.mmapLock);
  if (mode === 'all') mmTakeAllLocks(actor, mm);
}

function unlockMm(actor: Actor, { mm }: Ucontext, mode: MmLockMode): void {
  if (mode === 'all') mmDropAllLocks(actor, mm);
  if (mode === 'read') upRead(actor, mm.mmapLock);
  else if (mode !== 'none') upWrite(actor, mm.mmapLock);
}

function umemInit(actor: Actor, ctx: Ucontext, umem: Addr, index: number, key: number, start: Vpn, last: Vpn): void {
  const { mem } = actor;
  intervalNodeInit(mem, umem);
  mem[umem + INTERVAL_NODE.start] = start;
  mem[umem + INTERVAL_NODE.last] = last;
  mem[umem + UMEM.index] = index;
  mem[umem + UMEM.key] = key;
  // Racy on purpose: umems are type-stable, and who has just given back the last use of this one's former life may still ask
  // whether somebody waits for that. Either answer will do: that wait is over, and the next one has not begun.
  dataRaceStore(mem, at(umem, UMEM.dying), 0);
  mem[umem + UMEM.mm] = ctx.mm.id;
  mutexInit(mem, umemMutex(umem), LOCK_CLASS.umem_mutex);
  umemBorn(actor, ctx, umem);
  if (ctx.steps.publish === 'tree-first') return;
  const ext = umemExt(umem);
  for (let i = 0; i < ctx.strategy.words.umem; i++) mem[ext + i] = 0;
}

/** Under `publish: tree-first`: the design's words are set when everybody can find the umem, whatever has been counted in them by now. */
function clearWords(actor: Actor, ctx: Ucontext, umem: Addr): void {
  for (let i = 0; i < ctx.strategy.words.umem; i++) store(actor, at(umemExt(umem), i), 0);
}

/** Steps that a known bug puts before a new umem is set up. */
function beforeInit(actor: Actor, ctx: Ucontext, steps: OdpSteps, index: number, key: number): void {
  if (steps.publish === 'key-first') {
    deviceCreateKey(actor, ctx.hca, index);
    store(actor, at(mkeyAddr(ctx.hca, index), MKEY.key), key);
    point(actor, POINT['key.published'], key, index, 0);
  }
  if (steps.cacheOutsideMutex) return;
  mutexLock(actor, ctx.mkeyCache);
  allocPageTable(actor, ctx.mm);
  mutexUnlock(actor, ctx.mkeyCache);
}

/**
 * Deregisters (ibv_dereg_mr; mlx5_ib_dereg_mr and ib_umem_odp_release): destroys the key, waits for page-fault handlers, unmaps,
 * and leaves the notifier. Returns `einval` when the key is not registered (any more).
 */
export function deregisterMr(actor: Actor, ctx: Ucontext, key: number): Outcome {
  const { mem } = actor;
  const index = keyIndex(key);
  if (index === 0 || index >= ctx.hca.mkeys) return OUTCOME.einval;
  const mkey = mkeyAddr(ctx.hca, index);
  const umem = umemAddr(ctx, index);
  point(actor, POINT['deregister.enter'], key, index, 0);
  // Of two who deregister one key, one wins here; the other must not touch what may be somebody else's umem by now.
  if (compareExchange(actor, at(mkey, MKEY.key), key, 0) !== key) return OUTCOME.einval;
  beginLatency(actor);
  // Faults that wait for a section are woken, see this, and give up.
  store(actor, at(umem, UMEM.dying), 1);
  ctx.strategy.faultWake(actor, ctx, umem);
  waitForHandlers(actor, umem);
  opBegin(mem, actor.parkWord, WAITING_OP.deregister, ctx.mm.id, umemStart(mem, umem), umemLast(mem, umem));
  tearDown(actor, ctx, umem, index);
  notifierPut(actor, ctx);
  opEnd(mem, actor.parkWord);
  count(actor, COUNTER['op.deregister']);
  recordLatency(actor, HISTOGRAM.deregister);
  point(actor, POINT['deregister.done'], key, 0, 0);
  return OUTCOME.ok;
}

/**
 * Unmap, leave the notifier, destroy the key, free. Nobody can start a fault or an access by this key any more; notifiers still can come,
 * until `remove` returns. They find nothing mapped once the umem mutex has been dropped here, so none asks the device for a key that
 * is about to be destroyed (abb604a1a9c8).
 */
function tearDown(actor: Actor, ctx: Ucontext, umem: Addr, index: number): void {
  const { mem } = actor;
  const pages = umemLast(mem, umem) - umemStart(mem, umem) + 1;
  const early = !ctx.steps.destroyLast;
  if (early) {
    deviceDestroyMappedKey(actor, ctx.hca, index, pages);
    point(actor, POINT['key.destroyed'], index, 0, 0);
  }
  if (ctx.strategy.pins) unpinPages(actor, ctx, umem, index, pages);
  else {
    mutexLock(actor, umemMutex(umem));
    if (!ctx.steps.cacheOutsideMutex) {
      mutexLock(actor, ctx.mkeyCache);
      mutexUnlock(actor, ctx.mkeyCache);
    }
    if (early) forgetPages(actor, ctx, index, 0, pages - 1);
    else unmapPages(actor, ctx, index, 0, pages - 1, false);
    mutexUnlock(actor, umemMutex(umem));
  }
  ctx.strategy.remove(actor, ctx, umem);
  if (!early) deviceDestroyKey(actor, ctx.hca, index);
  umemFree(actor, ctx, umem, index);
}
