import * as deviceModule from '../hca/device.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as faultModule from '../mm/fault.ts';
import * as frameModule from '../mm/frame.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as vmaModule from '../mm/vma.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as histogramModule from '../trace/histogram.ts';
import * as parkModule from '../trace/park.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import * as memoryRegionModule from './memory-region.ts';
import type { Ucontext } from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ENTRY_VALID, ENTRY_WRITE, keyIndex, makeEntry } = deviceModule;
const { deviceMap, entryAddr } = devicePageTableModule;
const { at, NULL_ADDR } = addressModule;
const { getUserPage } = faultModule;
const { putFrame } = frameModule;
const { OUTCOME } = outcomeModule;
const { othersOverlap, sectionsBegun, sectionsOverlapping } = sectionModule;
const { findVma, VMA } = vmaModule;
const { load, readOnce } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, rwsemWriteLocked, upRead } = rwSemaphoreModule;
const { count, now, recordLatency } = actorModule;
const { COUNTER, HISTOGRAM } = countersModule;
const { HISTOGRAM_DOUBLES, histogramAdd } = histogramModule;
const { parkPoint, parkRequested, stopping } = parkModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { putUmem, takeUmem } = memoryRegionModule;
const { UMEM, umemLast, umemMutex, umemStart } = umemModule;

/** A waiting fault looks this often whether its umem is dying or somebody wants it parked, milliseconds. */
const WAIT_SLICE_MS = 5;

/**
 * Handles one page fault of the adapter (mlx5: pagefault_real_mr, ib_umem_odp_map_dma_and_lock): sample, get the page, check, commit;
 * refused, wait for the notifier and start again. `page` counts from the region's start.
 *
 * Returns ok, the outcome of get_user_pages (`efault`, `sigbus`, `enomem`), `einval` when the key is gone or its umem dying, or `eagain` when the cell ends.
 */
export function handlePageFault(
  actor: Actor,
  ctx: Ucontext,
  key: number,
  page: number,
  write: boolean,
  timeoutMs: number,
): Outcome {
  const { mem } = actor;
  const begunAt = actor.mode === 0 ? 0 : now(actor);
  point(actor, POINT['fault.enter'], key, page, write ? 1 : 0);
  let refused = 0;
  let opportunities = 0;
  for (;;) {
    const umem = takeUmem(actor, ctx, key);
    if (umem === NULL_ADDR) {
      count(actor, COUNTER['fail.faultGone']);
      return OUTCOME.einval;
    }
    const vpn = (umemStart(mem, umem) + page) as Vpn;
    // Only a fault that was refused before looks for opportunities: they cost a load for each thread.
    const looks = refused > 0;
    const begun = looks ? sectionsBegun(actor, ctx.mm.world) : 0;
    const free = looks && idle(actor, ctx, umem);
    const outcome = tryFault(actor, ctx, umem, page, vpn, write);
    if (outcome === OUTCOME.eagain) {
      refused++;
      // It could have been served: no section overlapped its umem when it began, and none has begun anywhere since.
      if (free && sectionsBegun(actor, ctx.mm.world) === begun) opportunities++;
      point(actor, POINT['fault.retried'], mem[umem + UMEM.index], vpn, refused);
      actor.observer.faultRefused(actor, umem, vpn, refused, opportunities);
      waitForNotifier(actor, ctx, umem, timeoutMs);
    }
    putUmem(actor, umem);
    if (outcome !== OUTCOME.eagain) {
      finish(actor, key, page, outcome, refused, begunAt);
      return outcome;
    }
    // Between two attempts, holding nothing: a quiescent point.
    parkPoint(actor, actor.control, actor.parkWord);
    if (stopping(mem, actor.control)) return OUTCOME.eagain;
  }
}

const idle = (actor: Actor, ctx: Ucontext, umem: Addr): boolean =>
  sectionsOverlapping(actor, ctx.mm, umemStart(actor.mem, umem) as Vpn, umemLast(actor.mem, umem) as Vpn) === 0;

/** One attempt: `eagain` when the strategy refuses. */
function tryFault(actor: Actor, ctx: Ucontext, umem: Addr, page: number, vpn: Vpn, write: boolean): Outcome {
  const { mem } = actor;
  const { mm, hca, strategy } = ctx;
  const index = mem[umem + UMEM.index];
  const sample = strategy.faultBegin(actor, ctx, umem);
  if (sample < 0) {
    count(actor, COUNTER['fault.waited']);
    return OUTCOME.eagain;
  }
  // Of the other threads: a fault is handled in no section of its own.
  const inSection = othersOverlap(actor, mm, vpn, vpn);
  if (inSection) count(actor, COUNTER['exposure.faultInSection']);
  point(actor, POINT['fault.sampled'], index, vpn, sample);
  downRead(actor, mm.mmapLock);
  const got = getUserPage(actor, mm, vpn, write);
  if (got === OUTCOME.ok) countTruncateInFault(actor, ctx, vpn);
  upRead(actor, mm.mmapLock);
  if (got !== OUTCOME.ok) return got;
  const pfn = actor.gupPfn;
  const generation = actor.gupGeneration;
  point(actor, POINT['fault.gotPages'], vpn, pfn, generation);

  mutexLock(actor, umemMutex(umem));
  const dying = readOnce(actor, at(umem, UMEM.dying)) !== 0;
  const ok = !dying && strategy.faultCheck(actor, ctx, umem, sample, vpn);
  point(actor, POINT['fault.checked'], index, vpn, ok ? 1 : 0);
  if (ok) commit(actor, ctx, index, page, vpn, write);
  mutexUnlock(actor, umemMutex(umem));
  // v3.19 on: the entry keeps no reference. From here only the protocol protects the page.
  putFrame(actor, hca.frames, pfn);
  if (ok) return OUTCOME.ok;
  // Not a refusal: no later attempt could do better. The QP gets an error.
  if (dying) return OUTCOME.einval;
  count(actor, COUNTER['fault.retried']);
  if (!inSection) count(actor, COUNTER['exposure.faultAcrossSection']);
  return OUTCOME.eagain;
}

/** Makes the entry valid, unless another handler has done so for the same fault. The caller holds the umem mutex. */
function commit(actor: Actor, ctx: Ucontext, index: number, page: number, vpn: Vpn, write: boolean): void {
  const { mem } = actor;
  const old = mem[entryAddr(ctx.hca, index, page)];
  if ((old & ENTRY_VALID) !== 0 && (!write || (old & ENTRY_WRITE) !== 0)) return;
  const entry = makeEntry(actor.gupPfn, actor.gupGeneration, ENTRY_VALID | (write ? ENTRY_WRITE : 0));
  deviceMap(actor, ctx.hca, index, page, entry, actor.gupIdentity);
  count(actor, COUNTER['fault.committed']);
  point(actor, POINT['fault.committed'], index, vpn, actor.gupPfn);
}

function countTruncateInFault(actor: Actor, ctx: Ucontext, vpn: Vpn): void {
  const { mem } = actor;
  const vma = findVma(actor.mem, ctx.mm, vpn);
  if (vma === NULL_ADDR || mem[vma + VMA.file] < 0) return;
  const file = ctx.mm.world.files[mem[vma + VMA.file]];
  if (file !== undefined && rwsemWriteLocked(mem, file.invalidateLock))
    count(actor, COUNTER['exposure.truncateInFault']);
}

/** ODP waits for the notifier, then lets the hardware fault again; here the handler goes round itself, which is the same. */
function waitForNotifier(actor: Actor, ctx: Ucontext, umem: Addr, timeoutMs: number): void {
  const { mem } = actor;
  for (let left = timeoutMs; left > 0; left -= WAIT_SLICE_MS) {
    if (ctx.strategy.faultWait(actor, ctx, umem, Math.min(left, WAIT_SLICE_MS))) return;
    if (load(actor, at(umem, UMEM.dying)) !== 0) return;
    if (parkRequested(mem, actor.control) || stopping(mem, actor.control)) return;
  }
  count(actor, COUNTER['fault.timeout']);
}

function finish(actor: Actor, key: number, page: number, outcome: Outcome, refused: number, begunAt: number): void {
  if (outcome === OUTCOME.ok) {
    count(actor, COUNTER['op.fault']);
    recordLatency(actor, HISTOGRAM.fault, begunAt);
    if (actor.mode !== 0)
      histogramAdd(actor.f64, actor.histograms + HISTOGRAM.retriesPerCommit * HISTOGRAM_DOUBLES, refused);
    return;
  }
  point(actor, POINT['fault.failed'], key, page, outcome);
  count(actor, FAILURE_COUNTER[outcome] ?? COUNTER['fail.faultEfault']);
}

const FAILURE_COUNTER: Readonly<Record<number, number>> = Object.freeze({
  [OUTCOME.sigbus]: COUNTER['fail.faultSigbus'],
  [OUTCOME.efault]: COUNTER['fail.faultEfault'],
  [OUTCOME.enomem]: COUNTER['fail.faultEnomem'],
  [OUTCOME.einval]: COUNTER['fail.faultGone'],
});

/**
 * Prefetch (ibv_advise_mr): faults pages first .. last of a region in, without a QP that waits for it. Pages that are mapped
 * already are left alone. Returns the first outcome that is not ok.
 */
export function prefetchMr(
  actor: Actor,
  ctx: Ucontext,
  key: number,
  first: number,
  last: number,
  write: boolean,
  timeoutMs: number,
): Outcome {
  for (let page = first; page <= last; page++) {
    const entry = load(actor, entryAddr(ctx.hca, keyIndex(key), page));
    if ((entry & ENTRY_VALID) !== 0 && (!write || (entry & ENTRY_WRITE) !== 0)) continue;
    const outcome = handlePageFault(actor, ctx, key, page, write, timeoutMs);
    if (outcome !== OUTCOME.ok) return outcome;
  }
  count(actor, COUNTER['op.prefetch']);
  return OUTCOME.ok;
}
