import type { Addr, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import type { Outcome } from '../mm/outcome.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { AuditReport } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as completionModule from '../sync/completion.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { firstOverlap, nextOverlap, tryNothingOverlaps, zapUmem } = invalidationModule;
const { UMEM, umemMutex } = umemModule;
const { load, store } = atomicsModule;
const { COMPLETION, completeAll, reinitCompletion, waitForCompletionTimeout } = completionModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downRead, upRead } = rwSemaphoreModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;

/**
 * The steps that the designs with one running count for each umem share (RFC and v1 of "on demand paging", 2014). The count and the
 * sequence are written under the umem mutex; the sequence is sampled without it.
 */
export const RUNNING = defineStruct('running_count', { count: 1, seq: 1, completion: COMPLETION.$words });

const CLAMPED = POINT['umem.clamped'];
const UNCOUNTED = POINT['umem.uncounted'];

// Offsets within a umem: the strategy's own words begin at `UMEM.$words`.
const COUNT = UMEM.$words + RUNNING.count;
const SEQ = UMEM.$words + RUNNING.seq;
const DONE = UMEM.$words + RUNNING.completion;
const countAddr = (umem: Addr): Addr => at(umem, COUNT);
const seqAddr = (umem: Addr): Addr => at(umem, SEQ);
const completionAddr = (umem: Addr): Addr => at(umem, DONE);

/** ib_umem_notifier_start_account: one more section runs over the umem. The caller holds the umem mutex. */
export function countUp(actor: Actor, umem: Addr): void {
  const { mem } = actor;
  const before = mem[countAddr(umem)];
  // Re-armed only by the first section: with a skewed count the wrong one does it, as in the original.
  if (before === 0) reinitCompletion(actor, completionAddr(umem));
  store(actor, countAddr(umem), before + 1);
  actor.observer.countChanged(actor, umem, before + 1, mem[seqAddr(umem)]);
  point(actor, POINT['umem.counted'], mem[umem + UMEM.index], before + 1, mem[seqAddr(umem)]);
}

/**
 * ib_umem_notifier_end_account: one section less, under the umem mutex. With `clamp`, a count of 0 stays 0: "avoid decreasing the
 * notifiers count if it is zero".
 */
export function countDown(actor: Actor, umem: Addr, clamp: boolean): void {
  const { mem } = actor;
  const seq = (mem[seqAddr(umem)] + 1) & 0x7fffffff;
  const before = mem[countAddr(umem)];
  const clamped = clamp && before === 0;
  const after = clamped ? 0 : before - 1;
  // The sequence first: a fault that sees the count at 0 must see that the sequence has moved.
  store(actor, seqAddr(umem), seq);
  store(actor, countAddr(umem), after);
  actor.observer.countChanged(actor, umem, after, seq);
  if (clamped) count(actor, COUNTER['exposure.clampHit']);
  point(actor, clamped ? CLAMPED : UNCOUNTED, mem[umem + UMEM.index], after, seq);
  if (after === 0) completeAll(actor, completionAddr(umem));
}

/** The walk of a start: each overlapping umem is counted, then zapped. The caller guards the tree. */
export function countOverlapsUp(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    countUp(actor, u);
    mutexUnlock(actor, umemMutex(u));
    mutexLock(actor, umemMutex(u));
    zapUmem(actor, ctx, u, start, last);
    mutexUnlock(actor, umemMutex(u));
  }
}

/** The walk of an end. The caller guards the tree. */
export function countOverlapsDown(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, clamp: boolean): void {
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    countDown(actor, u, clamp);
    mutexUnlock(actor, umemMutex(u));
  }
}

/** invalidate_range_start. umem_rwsem is held for the walk, not until the end. One that must not block counts nobody, or is refused. */
export function countedStart(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, blockable: boolean): Outcome {
  if (blockable) {
    downRead(actor, ctx.umemRwsem);
    countOverlapsUp(actor, ctx, start, last);
  } else if (!tryNothingOverlaps(actor, ctx, start, last)) return OUTCOME.eagain;
  upRead(actor, ctx.umemRwsem);
  return OUTCOME.ok;
}

/** invalidate_range_end. */
export function countedEnd(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn, clamp: boolean): void {
  downRead(actor, ctx.umemRwsem);
  countOverlapsDown(actor, ctx, start, last, clamp);
  upRead(actor, ctx.umemRwsem);
}

/** Samples the sequence. The atomic load stands before the pages are got: they must not be older than the sample. */
export const countedBegin = (actor: Actor, umem: Addr): number => load(actor, seqAddr(umem));

/** ib_umem_mmu_notifier_retry: refused while a section runs, or when one has ended since the sample. */
export const countedCheck = (actor: Actor, umem: Addr, sample: number): boolean =>
  load(actor, countAddr(umem)) === 0 && load(actor, seqAddr(umem)) === sample;

/** Waits for the completion. A umem on which no section ran has never completed: its count says that there is nothing to wait for. */
export function countedWait(actor: Actor, umem: Addr, timeoutMs: number): boolean {
  if (load(actor, countAddr(umem)) === 0) return true;
  return waitForCompletionTimeout(actor, completionAddr(umem), timeoutMs);
}

/** No section runs, so each count must be 0. */
export function countedAudit(actor: Actor, umem: Addr, report: AuditReport): void {
  if (umem === NULL_ADDR) return;
  const value = actor.mem[countAddr(umem)];
  if (value !== 0) report(umem, 'running count', value, 0);
}

/** The umem is dying: complete_all, as the patch does when it sets the flag. */
export const countedWake = (actor: Actor, umem: Addr): void => completeAll(actor, completionAddr(umem));
