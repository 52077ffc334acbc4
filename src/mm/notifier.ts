import type { Addr, Vpn } from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as lockDepModule from '../sync/lock-dep.ts';
import * as srcuModule from '../sync/srcu.ts';
import * as taskModule from '../sync/task.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as observerModule from '../trace/observer.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { Mm } from './mm.ts';
import * as mmModule from './mm.ts';
import type { Outcome } from './outcome.ts';
import * as outcomeModule from './outcome.ts';
import type { SectionEvent } from './section.ts';
import * as sectionModule from './section.ts';

export {
  isSectionActive,
  MM_TASK,
  SECTION,
  SECTION_EVENT,
  type SectionEvent,
  sectionsBegun,
  sectionsOverlapping,
} from './section.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { loadAfterAtomic, load, readOnce, store } = atomicsModule;
const { dataRace } = dataRaceModule;
const { lockMapAcquire, lockMapRelease, PSEUDO } = lockDepModule;
const { srcuReadLock, srcuReadUnlock, synchronizeSrcu } = srcuModule;
const { forgetSlot } = taskModule;
const { addLatency, count, lastTime } = actorModule;
const { COUNTER, HISTOGRAM } = countersModule;
const { CAP, shouldFail } = injectModule;
const { NOTIFIER_CALL } = observerModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { MAX_SUBSCRIPTIONS, MM } = mmModule;
const { OUTCOME } = outcomeModule;
const { currentSection, MM_TASK, mmTaskAddr, othersOverlap, popSection, pushSection, SECTION, sectionDepth } =
  sectionModule;

/**
 * mmu_notifier and its ops. A JS object with functions cannot be shared, so each thread has its own set, the same subscription
 * at the same index; whether it is subscribed is a word in shared memory.
 */
export interface Subscription {
  readonly index: number;
  /**
   * Part of the mm's own notifier_subscriptions, as the interval tree of v5.5 is: neither its last user nor the exit takes it off, so
   * that it hears the end of every section whose start it heard.
   */
  readonly permanent?: boolean;
  /** invalidate_range_start. May answer EAGAIN only when not `blockable`; no end follows then. */
  rangeStart(actor: Actor, section: Addr, start: Vpn, last: Vpn, blockable: boolean): Outcome;
  /** invalidate_range_end. */
  rangeEnd(actor: Actor, section: Addr, start: Vpn, last: Vpn): void;
  /** release: the mm goes away. */
  release(actor: Actor): void;
  /** free_notifier: it is off the list since then, and no callback of it runs any more. Ends of sections that ran at release never came. */
  free?(actor: Actor): void;
}

const STARTING = POINT['section.starting'];
const STARTED = POINT['section.started'];
const ENDING = POINT['section.ending'];
const ENDED = POINT['section.ended'];
const REFUSED = POINT['section.refused'];
const NESTED = COUNTER['exposure.nestedSection'];
const OVERLAPPING = COUNTER['exposure.overlappingSections'];
const SECTIONS = COUNTER['op.section'];
const SECTION_TIME = HISTOGRAM.section;
const STARTED_AT = SECTION.startedAt;
const STARTED_MASK = SECTION.startedMask;
const COOKIE = SECTION.cookie;
const START = SECTION.start;
const LAST = SECTION.last;
const STACK = MM_TASK.stack;
const SUBSCRIBED = MM.subscribed;
const OK = OUTCOME.ok;
const START_OK = NOTIFIER_CALL.startOk;
const START_EAGAIN = NOTIFIER_CALL.startEagain;
const END = NOTIFIER_CALL.end;
/**
 * Subclass of the pseudo-lock around the callbacks of end. The kernel has one map for both; with it, whatever a start takes and keeps
 * until its end (held-rwsem) is taken under the map and comes before it, and lockdep reports a cycle in which nobody can wait.
 */
const AT_END = 1;

/** The word of a subscription is its epoch: odd while it is to be called, and never the same twice. */
const EPOCH_MASK = 0x7fffffff;
const inForce = (epoch: number): boolean => (epoch & 1) !== 0;
export const subscribedWord = (mm: Mm, index: number): Addr => (mm.addr + SUBSCRIBED + index) as Addr;

/**
 * What mmu_notifier_register tells lock-dep before it takes all locks (66204f1d2d1b): reclaim unmaps pages, and tells notifiers, so that a
 * callback which allocates is found at its first call, whether or not memory is ever short.
 */
export function primeRangeStart(actor: Actor): void {
  lockMapAcquire(actor, PSEUDO.fsReclaim);
  lockMapAcquire(actor, PSEUDO.mmuNotifierRangeStart);
  lockMapRelease(actor, PSEUDO.mmuNotifierRangeStart);
  lockMapRelease(actor, PSEUDO.fsReclaim);
}

/**
 * mmu_notifier_register, without mm_take_all_locks: a section may already run, and then its end will be the first thing that the
 * subscription hears. Whoever cannot bear that subscribes before the threads start. Throws `RangeError` on an index that is none.
 */
export function mmuNotifierRegister(actor: Actor, mm: Mm, index: number): void {
  if (!(index >= 0 && index < MAX_SUBSCRIPTIONS)) throw new RangeError(`mm: subscription ${index}`);
  const word = subscribedWord(mm, index);
  store(actor, word, (dataRace(actor.mem, word) | 1) & EPOCH_MASK);
}

/** True while subscription `index` is to be called. */
export const mmuNotifierSubscribed = (actor: Actor, mm: Mm, index: number): boolean => isSubscribed(actor, mm, index);

/** mmu_notifier_unregister: when it returns, no callback of the subscription runs on any thread. Sleeps. */
export function mmuNotifierUnregister(actor: Actor, mm: Mm, index: number): void {
  unsubscribe(actor, mm, index);
  if (mm.world.steps.unregisterWaits) synchronizeSrcu(actor, mm.srcu);
}

/** mm_has_notifiers: whether any subscription is to be called. */
export function hasNotifiers(actor: Actor, mm: Mm): boolean {
  for (let i = 0; i < mm.subscriptions.length; i++) if (isSubscribed(actor, mm, i)) return true;
  return false;
}

/**
 * mmu_notifier_release, as exit_mmap calls it: tells every subscription that the mm goes away, then takes them off the list and waits for the
 * callbacks that still run. In this order (d34883d4e35c): off the list first, and a page that is freed before `release` has zapped it is
 * freed without the subscriber being told.
 */
export function mmuNotifierRelease(actor: Actor, mm: Mm): void {
  const { releaseBeforeUnlink } = mm.world.steps;
  const mask = subscribedMask(actor, mm);
  if (!releaseBeforeUnlink) unlinkAll(actor, mm, mask);
  const idx = srcuReadLock(actor, mm.srcu);
  for (let i = 0; i < mm.subscriptions.length; i++) if ((mask & (1 << i)) !== 0) mm.subscriptions[i].release(actor);
  srcuReadUnlock(actor, mm.srcu, idx);
  if (releaseBeforeUnlink) unlinkAll(actor, mm, mask);
  synchronizeSrcu(actor, mm.srcu);
  for (let i = 0; i < mm.subscriptions.length; i++)
    if ((mask & (1 << i)) !== 0 && mm.subscriptions[i].permanent !== true) mm.subscriptions[i].free?.(actor);
}

function subscribedMask(actor: Actor, mm: Mm): number {
  let mask = 0;
  for (let i = 0; i < mm.subscriptions.length; i++) if (isSubscribed(actor, mm, i)) mask |= 1 << i;
  return mask;
}

function unlinkAll(actor: Actor, mm: Mm, mask: number): void {
  for (let i = 0; i < mm.subscriptions.length; i++)
    if ((mask & (1 << i)) !== 0 && mm.subscriptions[i].permanent !== true) unsubscribe(actor, mm, i);
}

const isSubscribed = (actor: Actor, mm: Mm, index: number): boolean => inForce(load(actor, subscribedWord(mm, index)));

function unsubscribe(actor: Actor, mm: Mm, index: number): void {
  const word = subscribedWord(mm, index);
  const epoch = dataRace(actor.mem, word);
  // One that has ended already, by release, stays in its epoch.
  if (inForce(epoch)) store(actor, word, (epoch + 1) & EPOCH_MASK);
}

/**
 * mmu_notifier_invalidate_range_start. After EAGAIN the thread is in no section and must not call end: the subscriptions that had
 * started were ended here (c2655835fd8c). The kernel goes on to call those behind the refuser, too; here they are left alone.
 */
export function invalidateRangeStart(
  actor: Actor,
  mm: Mm,
  start: Vpn,
  last: Vpn,
  event: SectionEvent,
  blockable: boolean,
): Outcome {
  const { mem } = actor;
  const section = pushSection(actor, mm, start, last, event);
  if (sectionDepth(mem[mmTaskAddr(mm.world, actor.tid) + STACK]) > 1) count(actor, NESTED);
  if (othersOverlap(actor, mm, start, last)) count(actor, OVERLAPPING);
  point(actor, STARTING, start, last, mem[section + COOKIE]);
  actor.f64[(section + STARTED_AT) >>> 1] = actor.mode !== 0 ? actor.f64[lastTime(actor)] : 0;
  lockMapAcquire(actor, PSEUDO.mmuNotifierRangeStart);
  const outcome = mm.subscriptions.length === 0 ? OK : callStarts(actor, mm, section, start, last, blockable);
  lockMapRelease(actor, PSEUDO.mmuNotifierRangeStart);
  if (outcome !== OK) {
    popSection(actor, mm);
    point(actor, REFUSED, start, last, mem[section + COOKIE]);
    return outcome;
  }
  actor.observer.sectionStarted(actor, mm.id, start, last);
  point(actor, STARTED, start, last, mem[section + COOKIE]);
  return OK;
}

/**
 * mmu_notifier_invalidate_range_end, for the innermost section of the thread. Like the kernel's it calls whoever is subscribed
 * now, also one that came after the start.
 */
export function invalidateRangeEnd(actor: Actor, mm: Mm): void {
  const { mem } = actor;
  const section = currentSection(actor, mm.world);
  const start = mem[section + START] as Vpn;
  const last = mem[section + LAST] as Vpn;
  const cookie = mem[section + COOKIE];
  const startedAt = (section + STARTED_AT) >>> 1;
  point(actor, ENDING, start, last, cookie);
  actor.observer.sectionEnding(actor, mm.id, start, last);
  lockMapAcquire(actor, PSEUDO.mmuNotifierRangeStart, AT_END);
  if (mm.subscriptions.length !== 0) callEnds(actor, mm, section, start, last, -1);
  lockMapRelease(actor, PSEUDO.mmuNotifierRangeStart);
  popSection(actor, mm);
  point(actor, ENDED, start, last, cookie);
  count(actor, SECTIONS);
  if (actor.f64[startedAt] !== 0) addLatency(actor, SECTION_TIME, startedAt, lastTime(actor));
}

const NO_SRCU = -1;

/**
 * Only a subscription of the list (hlist) can go while it is called, and only for such is there SRCU: a permanent one, as the interval tree
 * is, keeps callbacks and removals apart by itself. So in the kernel: mn_itree_invalidate is called without it.
 */
function enterCallbacks(actor: Actor, mm: Mm): number {
  for (let i = 0; i < mm.subscriptions.length; i++)
    if (mm.subscriptions[i].permanent !== true) return srcuReadLock(actor, mm.srcu);
  return NO_SRCU;
}

function leaveCallbacks(actor: Actor, mm: Mm, idx: number): void {
  if (idx !== NO_SRCU) srcuReadUnlock(actor, mm.srcu, idx);
}

/** The epoch of a subscription, inside of `enterCallbacks`. Unregistering moves it, then looks for readers: this look comes after the reader was counted. */
const epochOf = (actor: Actor, mm: Mm, index: number): number =>
  mm.subscriptions[index].permanent === true
    ? readOnce(actor, subscribedWord(mm, index))
    : loadAfterAtomic(actor, subscribedWord(mm, index));

/** mn_itree_invalidate, mn_hlist_invalidate_range_start. */
function callStarts(actor: Actor, mm: Mm, section: Addr, start: Vpn, last: Vpn, blockable: boolean): Outcome {
  const { mem } = actor;
  const { subscriptions } = mm;
  const cookie = mem[section + COOKIE];
  const idx = enterCallbacks(actor, mm);
  let outcome: Outcome = OK;
  for (let i = 0; i < subscriptions.length && outcome === OK; i++) {
    const epoch = epochOf(actor, mm, i);
    if (!inForce(epoch)) continue;
    // As though the subscriber had refused; those that have started are ended below.
    if (!blockable && shouldFail(actor, CAP.fail_nonblock)) outcome = OUTCOME.eagain;
    else outcome = subscriptions[i].rangeStart(actor, section, start, last, blockable);
    if (outcome === OK) {
      mem[section + STARTED_MASK] |= 1 << i;
      actor.observer.notifierCalled(actor, i, cookie, START_OK, epoch);
    } else actor.observer.notifierCalled(actor, i, cookie, START_EAGAIN, epoch);
  }
  if (outcome !== OK) callEnds(actor, mm, section, start, last, mem[section + STARTED_MASK]);
  leaveCallbacks(actor, mm, idx);
  return outcome;
}

/** mn_itree_inv_end, mn_hlist_invalidate_end: calls the subscribed ones of `mask`. */
function callEnds(actor: Actor, mm: Mm, section: Addr, start: Vpn, last: Vpn, mask: number): void {
  const { subscriptions } = mm;
  const cookie = actor.mem[section + COOKIE];
  const idx = enterCallbacks(actor, mm);
  for (let i = 0; i < subscriptions.length; i++) {
    if ((mask & (1 << i)) === 0) continue;
    const epoch = epochOf(actor, mm, i);
    if (!inForce(epoch)) {
      // Nobody hears the end: a slot that the start may have taken for this section is not this thread's any more.
      if ((actor.mem[section + STARTED_MASK] & (1 << i)) !== 0) forgetSlot(actor);
      continue;
    }
    subscriptions[i].rangeEnd(actor, section, start, last);
    actor.observer.notifierCalled(actor, i, cookie, END, epoch);
  }
  leaveCallbacks(actor, mm, idx);
}
