import * as deviceModule from '../hca/device.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as slabModule from '../memory/slab.ts';
import * as faultModule from '../mm/fault.ts';
import * as frameModule from '../mm/frame.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as takeAllLocksModule from '../mm/take-all-locks.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as taskModule from '../sync/task.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as parkModule from '../trace/park.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as intervalTreeModule from './interval-tree.ts';
import type { Era, MmLockMode } from './strategy.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ENTRY_PINNED, ENTRY_VALID, ENTRY_WRITE, entryFrame, keyIndex, MKEY, makeEntry, makeKey, mkeyAddr } =
  deviceModule;
const { deviceMap, deviceZap, entryAddr } = devicePageTableModule;
const { at, NULL_ADDR } = addressModule;
const { slabAlloc, slabFree } = slabModule;
const { getUserPage } = faultModule;
const { putFrame } = frameModule;
const { OUTCOME } = outcomeModule;
const { othersOverlap, sectionsBegun } = sectionModule;
const { mmDropAllLocks, mmTakeAllLocks } = takeAllLocksModule;
const { add, compareExchange, load, notify, store, wait } = atomicsModule;
const { dataRaceStore } = dataRaceModule;
const { LOCK_CLASS } = lockClassModule;
const { mutexInit, mutexLock, mutexUnlock } = mutexModule;
const { downRead, downWrite, upRead, upWrite } = rwSemaphoreModule;
const { clearWait, HELD, popHeld, publishWait, pushHeld, WAIT } = taskModule;
const { count, now, recordLatency } = actorModule;
const { COUNTER, HISTOGRAM } = countersModule;
const { opBegin, opEnd, WAITING_OP } = parkModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { INTERVAL_NODE, intervalNodeInit } = intervalTreeModule;
const { umemAddr } = ucontextModule;
const { UMEM, umemExt, umemLast, umemMutex, umemStart } = umemModule;

const MEETS = COUNTER['exposure.registerMeetsSection'];

/**
 * Registers pages start .. start + pages - 1 for on-demand paging (ibv_reg_mr with IBV_ACCESS_ON_DEMAND; ib_umem_odp_get).
 * Returns the key, or 0 when the range is no region of this adapter, when no slot is left or, under a design that pins, when a page could not be got.
 *
 * Order: insertion first, the key last. No fault can happen before there is a key, so that a umem never has entries that its
 * notifier was not told about; what may happen is that a section is running around the insertion, which is the seed's question.
 */
export function registerMr(actor: Actor, ctx: Ucontext, era: Era, start: Vpn, pages: number): number {
  const { mem } = actor;
  const last = (start + pages - 1) as Vpn;
  // A larger region would run into the next key's entries.
  if (pages < 1 || pages > ctx.hca.mttPages || last >= ctx.mm.pages) {
    count(actor, COUNTER['fail.register']);
    return 0;
  }
  const index = slabAlloc(mem, ctx.slab, actor.tid, ctx.depotLock);
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
  umemInit(actor, ctx, umem, index, key, start, last);
  mem[mkey + MKEY.start] = start;
  mem[mkey + MKEY.pages] = pages;
  mem[mkey + MKEY.mm] = ctx.mm.id;

  opBegin(mem, actor.parkWord, WAITING_OP.register, ctx.mm.id, start, last);
  const begunAt = actor.mode === 0 ? 0 : now(actor);
  insertKeepingOut(actor, ctx, era, umem);
  opEnd(mem, actor.parkWord);
  const outcome = ctx.strategy.pins ? pinPages(actor, ctx, umem) : OUTCOME.ok;
  if (outcome !== OUTCOME.ok) {
    tearDown(actor, ctx, umem, index);
    count(actor, COUNTER['fail.register']);
    point(actor, POINT['register.done'], key, index, outcome);
    return 0;
  }
  // Atomic, and last: a device or a fault handler that sees the key must see all that was written above.
  store(actor, at(mkey, MKEY.key), key);
  count(actor, COUNTER['op.register']);
  recordLatency(actor, HISTOGRAM.register, begunAt);
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
  const ext = umemExt(umem);
  for (let i = 0; i < ctx.strategy.words.umem; i++) mem[ext + i] = 0;
}

/**
 * Deregisters (ibv_dereg_mr; mlx5_ib_dereg_mr and ib_umem_odp_release): destroys the key, waits for page-fault handlers, unmaps,
 * and leaves the notifier. Returns `einval` when the key is not registered (any more).
 */
export function deregisterMr(actor: Actor, ctx: Ucontext, key: number): Outcome {
  const { mem } = actor;
  const index = keyIndex(key);
  const mkey = mkeyAddr(ctx.hca, index);
  const umem = umemAddr(ctx, index);
  point(actor, POINT['deregister.enter'], key, index, 0);
  // Of two who deregister one key, one wins here; the other must not touch what may be somebody else's umem by now.
  if (compareExchange(actor, at(mkey, MKEY.key), key, 0) !== key) return OUTCOME.einval;
  const begunAt = actor.mode === 0 ? 0 : now(actor);
  // Faults that wait for a section are woken, see this, and give up.
  store(actor, at(umem, UMEM.dying), 1);
  ctx.strategy.faultWake(actor, ctx, umem);
  waitForHandlers(actor, umem);
  opBegin(mem, actor.parkWord, WAITING_OP.deregister, ctx.mm.id, umemStart(mem, umem), umemLast(mem, umem));
  tearDown(actor, ctx, umem, index);
  opEnd(mem, actor.parkWord);
  count(actor, COUNTER['op.deregister']);
  recordLatency(actor, HISTOGRAM.deregister, begunAt);
  point(actor, POINT['deregister.done'], key, 0, 0);
  return OUTCOME.ok;
}

/** Unmap, leave the notifier, free. Nobody can start a fault or an access by this key any more; notifiers still can come. */
function tearDown(actor: Actor, ctx: Ucontext, umem: Addr, index: number): void {
  const { mem } = actor;
  const pages = umemLast(mem, umem) - umemStart(mem, umem) + 1;
  if (ctx.strategy.pins) unpinPages(actor, ctx, umem, index, pages);
  else {
    mutexLock(actor, umemMutex(umem));
    deviceZap(actor, ctx.hca, index, 0, pages - 1, false);
    mutexUnlock(actor, umemMutex(umem));
  }
  ctx.strategy.remove(actor, ctx, umem);
  slabFree(mem, ctx.slab, actor.tid, index, ctx.depotLock);
}

/** ib_umem_get: get_user_pages with a pin that lasts until deregistration. */
function pinPages(actor: Actor, ctx: Ucontext, umem: Addr): Outcome {
  const { mem } = actor;
  const { mm, hca } = ctx;
  const start = umemStart(mem, umem);
  const index = mem[umem + UMEM.index];
  const last = umemLast(mem, umem);
  downRead(actor, mm.mmapLock);
  let outcome: Outcome = OUTCOME.ok;
  for (let vpn = start; vpn <= last && outcome === OUTCOME.ok; vpn++) {
    outcome = getUserPage(actor, mm, vpn as Vpn, true);
    if (outcome !== OUTCOME.ok) break;
    // The reference that getUserPage took is the pin: it is dropped in unpinPages.
    const entry = makeEntry(actor.gupPfn, actor.gupGeneration, ENTRY_VALID | ENTRY_WRITE | ENTRY_PINNED);
    deviceMap(actor, hca, index, vpn - start, entry, actor.gupIdentity);
  }
  upRead(actor, mm.mmapLock);
  return outcome;
}

function unpinPages(actor: Actor, ctx: Ucontext, umem: Addr, index: number, pages: number): void {
  const { mem } = actor;
  const { frames } = ctx.hca;
  // One page at a time: its entry is cleared, and the accesses through it drained, before its reference goes.
  for (let page = 0; page < pages; page++) {
    const entry = mem[entryAddr(ctx.hca, index, page)];
    mutexLock(actor, umemMutex(umem));
    deviceZap(actor, ctx.hca, index, page, page, true);
    mutexUnlock(actor, umemMutex(umem));
    if ((entry & ENTRY_VALID) !== 0) putFrame(actor, frames, entryFrame(entry));
  }
}

/**
 * The umem of a key with a use of it, or 0 (mlx5: refcount_inc_not_zero under the mkey table's lock; the 2014 code held SRCU, which
 * made a deregistration wait for the handlers of all keys). The use is counted before the key is compared: a deregistration that
 * has destroyed the key sees the use, or this sees that the key is gone. Umems are type-stable, so counting on an old one harms nobody.
 */
export function takeUmem(actor: Actor, ctx: Ucontext, key: number): Addr {
  const index = keyIndex(key);
  const umem = umemAddr(ctx, index);
  const users = at(umem, UMEM.users);
  add(actor, users, 1);
  if (load(actor, at(mkeyAddr(ctx.hca, index), MKEY.key)) === key) {
    pushHeld(actor, users, HELD.srcu);
    return umem;
  }
  releaseUse(actor, umem, users);
  return NULL_ADDR;
}

/** Gives the use back. */
export function putUmem(actor: Actor, umem: Addr): void {
  const users = at(umem, UMEM.users);
  popHeld(actor, users, HELD.srcu);
  releaseUse(actor, umem, users);
}

function releaseUse(actor: Actor, umem: Addr, users: Addr): void {
  // Counted down before `dying` is read, which is set before the count is read there: one of the two sees the other.
  if (add(actor, users, -1) === 1 && load(actor, at(umem, UMEM.dying)) !== 0)
    notify(actor, users, Number.POSITIVE_INFINITY);
}

/** Sleeps until no handler uses the umem (mlx5r_deref_wait_odp_mkey). */
function waitForHandlers(actor: Actor, umem: Addr): void {
  const users = at(umem, UMEM.users);
  let n = load(actor, users);
  if (n === 0) return;
  publishWait(actor, WAIT.srcu, users, users, false);
  for (; n !== 0; n = load(actor, users)) wait(actor, users, n, Number.POSITIVE_INFINITY);
  clearWait(actor);
}
