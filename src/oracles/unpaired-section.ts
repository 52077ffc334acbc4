import type { Addr } from '../memory/address.ts';
import type { MmWorld } from '../mm/mm.ts';
import * as notifierModule from '../mm/notifier.ts';
import * as sectionModule from '../mm/section.ts';
import * as atomicsModule from '../sync/atomics.ts';
import type { Actor } from '../trace/actor.ts';
import type { NotifierCall } from '../trace/observer.ts';
import * as observerModule from '../trace/observer.ts';
import * as namesModule from './names.ts';
import * as reportModule from './report.ts';
import type { OracleView } from './view.ts';
import * as viewModule from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { subscribedWord } = notifierModule;
const { currentSection, MM_TASK, mmTaskAddr, SECTION, sectionAddr, sectionDepth } = sectionModule;
const { rawLoad } = atomicsModule;
const { NOTIFIER_CALL } = observerModule;
const { ORACLE } = namesModule;
const { submit, violate } = reportModule;
const { VIOLATION } = viewModule;

/** Why unpaired-section fired; in the record's `reason`. */
export const UNPAIRED = { endWithoutStart: 0, startWithoutEnd: 1 } as const;

const CAPACITY = 64;

/**
 * The ledger of one thread: which subscription has been told the start of which section, and not yet its end. A section lives on one
 * thread, so no two threads share a ledger and nothing is locked. It keeps its own books: the notifier core's `startedMask` is not asked.
 *
 * A subscription that ends closes what is open of it: it hears no end any more. So each entry has the epoch in which the start was heard, and
 * where the epoch's word lies. An end in a later epoch has no start, which is what a subscription that comes while a section runs earns.
 */
export interface Ledger {
  readonly subscription: Int32Array;
  readonly cookie: Int32Array;
  readonly epoch: Int32Array;
  readonly word: Int32Array;
  open: number;
}
export const createLedger = (): Ledger => ({
  subscription: new Int32Array(CAPACITY),
  cookie: new Int32Array(CAPACITY),
  epoch: new Int32Array(CAPACITY),
  word: new Int32Array(CAPACITY),
  open: 0,
});

/** One call of one subscription. EAGAIN opens nothing: its start must get no end; those that had started before it must. */
export function checkPairing(
  actor: Actor,
  view: OracleView,
  ledger: Ledger,
  subscription: number,
  cookie: number,
  call: NotifierCall,
  epoch: number,
): void {
  if (call === NOTIFIER_CALL.startOk) {
    closeForgotten(actor, view, ledger);
    if (ledger.open < CAPACITY) {
      ledger.subscription[ledger.open] = subscription;
      ledger.cookie[ledger.open] = cookie;
      ledger.epoch[ledger.open] = epoch;
      // The section that is being told of is the innermost of the thread.
      const mm = actor.mem[currentSection(actor, view.mm) + SECTION.mm];
      ledger.word[ledger.open] = subscribedWord(view.mm.mms[mm], subscription);
      ledger.open++;
    }
    return;
  }
  if (call === NOTIFIER_CALL.startEagain) return;
  for (let i = ledger.open - 1; i >= 0; i--) {
    if (ledger.subscription[i] !== subscription || ledger.cookie[i] !== cookie) continue;
    const same = ledger.epoch[i] === epoch;
    removeEntry(ledger, i);
    if (same) return;
    break;
  }
  report(actor, view, cookie, UNPAIRED.endWithoutStart);
}

/** The thread has finished, so it is in no section: whatever is open has missed its end, also one that was never popped. */
export function closeLedger(actor: Actor, view: OracleView, ledger: Ledger): void {
  for (; ledger.open > 0; ledger.open--)
    if (!closed(view, ledger, ledger.open - 1))
      report(actor, view, ledger.cookie[ledger.open - 1], UNPAIRED.startWithoutEnd);
}

/** A start whose section is on the thread's stack no more has missed its end. Called with each later start. */
function closeForgotten(actor: Actor, view: OracleView, ledger: Ledger): void {
  for (let i = ledger.open - 1; i >= 0; i--) {
    if (isOnStack(actor, view.mm, ledger.cookie[i])) continue;
    if (!closed(view, ledger, i)) report(actor, view, ledger.cookie[i], UNPAIRED.startWithoutEnd);
    removeEntry(ledger, i);
  }
}

/** The subscription has ended since. */
const closed = (view: OracleView, ledger: Ledger, i: number): boolean =>
  rawLoad(view.mem, ledger.word[i] as Addr) !== ledger.epoch[i];

function removeEntry(ledger: Ledger, i: number): void {
  ledger.open--;
  ledger.epoch[i] = ledger.epoch[ledger.open];
  ledger.word[i] = ledger.word[ledger.open];
  ledger.subscription[i] = ledger.subscription[ledger.open];
  ledger.cookie[i] = ledger.cookie[ledger.open];
}

function isOnStack(actor: Actor, world: MmWorld, cookie: number): boolean {
  const depth = sectionDepth(actor.mem[mmTaskAddr(world, actor.tid) + MM_TASK.stack]);
  for (let i = 0; i < depth; i++)
    if (actor.mem[sectionAddr(world, actor.tid, i) + SECTION.cookie] === cookie) return true;
  return false;
}

function report(actor: Actor, view: OracleView, cookie: number, reason: number): void {
  const slot = violate(actor, view, ORACLE['unpaired-section']);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.reason] = reason;
  view.mem[slot + VIOLATION.value] = cookie;
  submit(view, slot);
}
