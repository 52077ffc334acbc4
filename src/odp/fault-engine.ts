import * as deviceModule from '../hca/device.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as allocModule from '../mm/alloc.ts';
import * as faultModule from '../mm/fault.ts';
import * as frameModule from '../mm/frame.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as usersModule from '../mm/users.ts';
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
import * as stallModule from '../trace/stall.ts';
import * as lifeModule from './life.ts';
import * as pagesModule from './pages.ts';
import type { OdpSteps } from './steps.ts';
import type { Ucontext } from './ucontext.ts';
import * as umemModule from './umem.ts';
import * as umemUseModule from './umem-use.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ENTRY_VALID, ENTRY_WRITE, keyIndex, makeEntry } = deviceModule;
const { entryAddr } = devicePageTableModule;
const { at, NULL_ADDR } = addressModule;
const { allocPageTable } = allocModule;
const { getUserPage } = faultModule;
const { putFrame } = frameModule;
const { OUTCOME } = outcomeModule;
const { othersOverlap, sectionsBegun, sectionsOverlapping } = sectionModule;
const { mmgetNotZero, mmput } = usersModule;
const { findVma, VMA, vmaWritable } = vmaModule;
const { load, readOnce } = atomicsModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, rwsemWriteLocked, upRead } = rwSemaphoreModule;
const { beginLatency, count, recordLatency } = actorModule;
const { COUNTER, HISTOGRAM } = countersModule;
const { HISTOGRAM_DOUBLES, histogramAdd } = histogramModule;
const { parkPoint, parkRequested, stopping } = parkModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { stallsSeen } = stallModule;
const { checkUse } = lifeModule;
const { mapPage, pageWord } = pagesModule;
const { UMEM, umemLast, umemMutex, umemStart } = umemModule;
const { putUmem, takeUmem } = umemUseModule;

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
  point(actor, POINT['fault.enter'], key, page, write ? 1 : 0);
  beginLatency(actor);
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
    // While a thread was made to stand still nothing says what could have been.
    const stalls = free ? stallsSeen(mem, actor.control) : -1;
    const outcome = tryFault(actor, ctx, key, umem, page, vpn, write);
    if (outcome === OUTCOME.eagain) {
      refused++;
      // It could have been served: no section overlapped its umem when it began, and none has begun anywhere since.
      if (stalls >= 0 && sectionsBegun(actor, ctx.mm.world) === begun && stallsSeen(mem, actor.control) === stalls)
        opportunities++;
      point(actor, POINT['fault.retried'], mem[umem + UMEM.index], vpn, refused);
      actor.observer.faultRefused(actor, umem, vpn, refused, opportunities);
      waitForNotifier(actor, ctx, umem, timeoutMs);
    }
    putUmem(actor, umem);
    if (outcome !== OUTCOME.eagain) {
      finish(actor, key, page, outcome, refused);
      return outcome;
    }
    // Between two attempts, holding nothing: a quiescent point.
    parkPoint(actor, actor.control, actor.parkWord);
    if (stopping(mem, actor.control)) return OUTCOME.eagain;
  }
}

const idle = (actor: Actor, ctx: Ucontext, umem: Addr): boolean =>
  sectionsOverlapping(actor, ctx.mm, umemStart(actor.mem, umem) as Vpn, umemLast(actor.mem, umem) as Vpn) === 0;

/**
 * One attempt: `eagain` when the strategy refuses, `einval` when the process is gone. It holds a reference to the mm (mmget_not_zero in
 * ib_umem_odp_map_dma_and_lock), which it gives back holding no lock: the last one runs exit_mmap and the release callback with it.
 */
function tryFault(
  actor: Actor,
  ctx: Ucontext,
  key: number,
  umem: Addr,
  page: number,
  vpn: Vpn,
  write: boolean,
): Outcome {
  const { mm } = ctx;
  if (!mmgetNotZero(actor, mm)) return OUTCOME.einval;
  if (ctx.faulty !== null) return tryOtherwise(actor, ctx, ctx.faulty, key, umem, page, vpn, write);
  const sample = ctx.strategy.faultBegin(actor, ctx, umem);
  let outcome: Outcome = OUTCOME.eagain;
  if (sample < 0) count(actor, COUNTER['fault.waited']);
  else outcome = getAndCommit(actor, ctx, key, umem, page, vpn, write, sample);
  mmput(actor, mm);
  return outcome;
}

/** Gets the page, then maps it if the strategy lets it be. */
function getAndCommit(
  actor: Actor,
  ctx: Ucontext,
  key: number,
  umem: Addr,
  page: number,
  vpn: Vpn,
  write: boolean,
  sample: number,
): Outcome {
  const { mem } = actor;
  const { mm, hca, strategy } = ctx;
  const index = mem[umem + UMEM.index];
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
  point(actor, POINT['fault.gotPages'], vpn, pfn, actor.gupGeneration);

  mutexLock(actor, umemMutex(umem));
  checkUse(actor, ctx, umem, key);
  const dying = readOnce(actor, at(umem, UMEM.dying)) !== 0;
  const ok = !dying && strategy.faultCheck(actor, ctx, umem, sample, vpn);
  point(actor, POINT['fault.checked'], index, vpn, ok ? 1 : 0);
  if (ok) commit(actor, ctx, index, page, vpn, write);
  mutexUnlock(actor, umemMutex(umem));
  // v3.19 on: the entry keeps no reference. From here only the protocol protects the page.
  putFrame(actor, hca.frames, pfn);
  return ok ? OUTCOME.ok : refuse(actor, dying, inSection);
}

/** Not committed: what the attempt ends with, and whether a section has come and gone around it. */
function refuse(actor: Actor, dying: boolean, inSection: boolean): Outcome {
  // Not a refusal: no later attempt could do better. The QP gets an error.
  if (dying) return OUTCOME.einval;
  count(actor, COUNTER['fault.retried']);
  if (!inSection) count(actor, COUNTER['exposure.faultAcrossSection']);
  return OUTCOME.eagain;
}

/** Makes the entry valid, unless another handler has done so for the same fault. The caller holds the umem mutex. */
function commit(actor: Actor, ctx: Ucontext, index: number, page: number, vpn: Vpn, write: boolean): void {
  // The driver asks its own list, not the device: what it has mapped needs no command.
  const old = actor.mem[pageWord(ctx, index, page)];
  if ((old & ENTRY_VALID) !== 0 && (!write || (old & ENTRY_WRITE) !== 0)) return;
  const entry = makeEntry(actor.gupPfn, actor.gupGeneration, ENTRY_VALID | (write ? ENTRY_WRITE : 0));
  mapPage(actor, ctx, index, page, entry, actor.gupIdentity);
  count(actor, COUNTER['fault.committed']);
  point(actor, POINT['fault.committed'], index, vpn, actor.gupPfn);
}

/** `tryFault` and `getAndCommit` with the steps of a known bug: step by step the same where `steps` says so. */
function tryOtherwise(
  actor: Actor,
  ctx: Ucontext,
  steps: OdpSteps,
  key: number,
  umem: Addr,
  page: number,
  vpn: Vpn,
  write: boolean,
): Outcome {
  const { mm, hca, strategy } = ctx;
  const index = actor.mem[umem + UMEM.index];
  const end = (outcome: Outcome, waited = false): Outcome => {
    if (waited) count(actor, COUNTER['fault.waited']);
    mmput(actor, mm);
    return outcome;
  };
  let sample = steps.sampleFirst ? strategy.faultBegin(actor, ctx, umem) : 0;
  if (sample < 0) return end(OUTCOME.eagain, true);
  const inSection = othersOverlap(actor, mm, vpn, vpn);
  if (inSection) count(actor, COUNTER['exposure.faultInSection']);
  if (steps.sampleFirst) point(actor, POINT['fault.sampled'], index, vpn, sample);
  downRead(actor, mm.mmapLock);
  const got = getUserPage(actor, mm, vpn, write && steps.asksForWrite);
  const writable = write && (steps.asksForWrite || pageWritable(actor, ctx, vpn));
  upRead(actor, mm.mmapLock);
  if (got !== OUTCOME.ok) return end(got);
  const pfn = actor.gupPfn;
  point(actor, POINT['fault.gotPages'], vpn, pfn, actor.gupGeneration);
  if (!steps.sampleFirst) {
    sample = strategy.faultBegin(actor, ctx, umem);
    if (sample < 0) putFrame(actor, hca.frames, pfn);
    if (sample < 0) return end(OUTCOME.eagain, true);
    point(actor, POINT['fault.sampled'], index, vpn, sample);
  }

  mutexLock(actor, umemMutex(umem));
  checkUse(actor, ctx, umem, key);
  const dying = readOnce(actor, at(umem, UMEM.dying)) !== 0;
  const ok = !dying && strategy.faultCheck(actor, ctx, umem, sample, vpn);
  point(actor, POINT['fault.checked'], index, vpn, ok ? 1 : 0);
  if (ok && !steps.allocOutsideMutex) allocPageTable(actor, mm);
  if (ok) commit(actor, ctx, index, page, vpn, writable);
  if (!steps.mmputUnlocked) mmput(actor, mm);
  if (ok || dying || steps.retryUnlocks) mutexUnlock(actor, umemMutex(umem));
  if (steps.mmputUnlocked) mmput(actor, mm);
  putFrame(actor, hca.frames, pfn);
  if (!ok && !dying && !steps.againKeepsLock) upRead(actor, mm.mmapLock);
  // The page is there, but not for writing: the adapter would fault again at once, and so does this.
  if (ok) return write && !writable ? OUTCOME.eagain : OUTCOME.ok;
  return refuse(actor, dying, inSection);
}

/** Under mmap_lock. */
function pageWritable(actor: Actor, ctx: Ucontext, vpn: Vpn): boolean {
  const vma = findVma(actor.mem, ctx.mm, vpn);
  return vma !== NULL_ADDR && vmaWritable(actor.mem, vma);
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

function finish(actor: Actor, key: number, page: number, outcome: Outcome, refused: number): void {
  if (outcome === OUTCOME.ok) {
    count(actor, COUNTER['op.fault']);
    recordLatency(actor, HISTOGRAM.fault);
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
