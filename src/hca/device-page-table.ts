import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import * as taskModule from '../sync/task.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import type { Hca } from './device.ts';
import * as deviceModule from './device.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { add, exchange, load, loadAfterAtomic, notify, or, store, storeRelease, wait } = atomicsModule;
const { spinLimit } = spinLockModule;
const { dataRace, dataRaceStore } = dataRaceModule;
const { clearWait, publishWait, WAIT } = taskModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { ACCESS, accessAddr, ENTRY_PINNED, ENTRY_VALID, MKEY, mkeyAddr } = deviceModule;

/** What a command is for. */
export const COMMAND = { map: 0, zap: 1 } as const;
// Constants of this module alone fold into the compiled code.
const MAP = COMMAND.map;
const ZAP = COMMAND.zap;
const CREATED = MKEY.created;

// Plain sums in these: with one call less they are small enough to be inlined wherever they are used.
/** Address of the entry of page `page` (0-based within the region) of key `index`. */
export const entryAddr = (hca: Hca, index: number, page: number): Addr =>
  (hca.mtt + index * hca.mttPages + page) as Addr;
/** Address of the identity committed with that entry. */
export const identityAddr = (hca: Hca, index: number, page: number): Addr =>
  (hca.identity + index * hca.mttPages + page) as Addr;
/** Address of the entry for which that identity was stored: nothing is decided by it, see oracles/torn-read.ts. */
export const identityEntryAddr = (hca: Hca, index: number, page: number): Addr =>
  (hca.identityEntry + index * hca.mttPages + page) as Addr;
const reachAddr = (hca: Hca, mm: number, vpn: number): Addr => (hca.reach + mm * hca.pagesPerMm + vpn) as Addr;

/**
 * Makes an entry valid (mlx5: program the MTT through a UMR). The caller holds the umem mutex and has checked with the strategy.
 * The identity is stored before the entry: a DMA that sees the entry must find the identity that belongs to it. The reach count
 * rises before the entry is valid, so a count of 0 proves that there is none.
 */
export function deviceMap(actor: Actor, hca: Hca, index: number, page: number, entry: number, identity: number): void {
  const key = mkeyAddr(hca, index);
  checkCommand(actor, hca, key, index, MAP);
  actor.mem[identityAddr(hca, index, page)] = identity;
  actor.mem[identityEntryAddr(hca, index, page)] = entry;
  const { mem } = actor;
  // A read-only entry that becomes writable is counted already.
  const old = mem[entryAddr(hca, index, page)];
  if ((entry & ENTRY_PINNED) === 0 && (old & ENTRY_VALID) === 0) {
    add(actor, reachAddr(hca, mem[key + MKEY.mm], mem[key + MKEY.start] + page), 1);
  }
  storeRelease(actor, entryAddr(hca, index, page), entry);
}

/**
 * Clears the entries of pages `first` .. `last` of a key, then waits until no device access that was translated before is still
 * running (a UMR with zap, posted and waited for: one command, whether or not there is an entry). Returns how many valid entries
 * there were. Pinned entries stay unless `pinned` says otherwise. The caller holds the umem mutex from before the first clear until the return: a second zap of the same pages
 * finds nothing to clear, and the mutex is what makes it wait for the drain of the first.
 */
export function deviceZap(actor: Actor, hca: Hca, index: number, first: number, last: number, pinned: boolean): number {
  const key = mkeyAddr(hca, index);
  checkCommand(actor, hca, key, index, ZAP);
  const cleared = clearEntries(actor, hca, key, index, first, last, pinned);
  if (cleared > 0 && hca.flushes) drain(actor, hca, key, index);
  return cleared;
}

function clearEntries(
  actor: Actor,
  hca: Hca,
  key: Addr,
  index: number,
  first: number,
  last: number,
  pinned: boolean,
): number {
  const { mem } = actor;
  let cleared = 0;
  for (let page = first; page <= last; page++) {
    const word = entryAddr(hca, index, page);
    // Plain: under the umem mutex nobody else changes an entry, and most pages of a range have none.
    const seen = mem[word];
    if ((seen & ENTRY_VALID) === 0 || (!pinned && (seen & ENTRY_PINNED) !== 0)) continue;
    // Exchange, not store: sequentially consistent with the load of the in-flight words below. A DMA that raised its word too
    // late for drain to see it loads the entry after this, and finds it gone.
    const old = exchange(actor, word, 0);
    if ((old & ENTRY_PINNED) === 0) add(actor, reachAddr(hca, mem[key + MKEY.mm], mem[key + MKEY.start] + page), -1);
    cleared++;
  }
  return cleared;
}

/** CREATE_MKEY: from here on the device takes commands for the key. Nobody can use it before it is published. */
export function deviceCreateKey(actor: Actor, hca: Hca, index: number): void {
  setCreated(actor, hca, index, 1);
}

/** DESTROY_MKEY: the key was revoked and nobody knows it any more. */
export function deviceDestroyKey(actor: Actor, hca: Hca, index: number): void {
  setCreated(actor, hca, index, 0);
}

/** DESTROY_MKEY of a key that has entries: the device forgets them, and nothing that it has translated is under way afterwards. */
export function deviceDestroyMappedKey(actor: Actor, hca: Hca, index: number, pages: number): void {
  setCreated(actor, hca, index, 0);
  const key = mkeyAddr(hca, index);
  if (clearEntries(actor, hca, key, index, 0, pages - 1, true) > 0) drain(actor, hca, key, index);
}

function setCreated(actor: Actor, hca: Hca, index: number, created: number): void {
  const word = at(mkeyAddr(hca, index), MKEY.created);
  if (hca.statesAreSteps) store(actor, word, created);
  else dataRaceStore(actor.mem, word, created);
}

/** A command was posted for a key: the device answers with an error, and its queue is broken, when it does not have that key. */
export function checkCommand(actor: Actor, hca: Hca, key: Addr, index: number, command: number): void {
  const word = (key + CREATED) as Addr;
  // Racy by intention: a driver that is right has ordered the two by its own locks, and one that is not is what this looks for.
  const created = hca.statesAreSteps ? load(actor, word) : dataRace(actor.mem, word);
  if (created === 0) actor.observer.deadKeyCommand(actor, index, command);
}

/** In an in-flight word: an access runs; somebody sleeps until it is over. The rest counts accesses. */
export const INFLIGHT_BUSY = 1;
export const INFLIGHT_WAITER = 2;
export const INFLIGHT_STEP = 4;

/**
 * Waits for the device accesses that are in flight now. Each DMA thread has its own word, odd while it is in an access and never
 * the same twice, so that accesses which begin later cannot hold this up (with one shared count they could, for ever). It has one for each
 * process whose keys it uses.
 * An access to another key does not matter: `ACCESS.mkey` is written before the word becomes odd, so reading it afterwards gives
 * that access's key or a later one's, and in the second case the access is over.
 */
function drain(actor: Actor, hca: Hca, key: Addr, index: number): void {
  const { mem } = actor;
  const mm = mem[key + MKEY.mm];
  for (let tid = 0; tid < hca.qps; tid++) {
    if (tid === actor.tid) continue;
    const access = accessAddr(hca, mm, tid);
    const word = at(access, ACCESS.inflight);
    // After the exchange that cleared the last entry, all of them; in an order of their own.
    if ((loadAfterAtomic(actor, word) & INFLIGHT_BUSY) === 0) continue;
    const seen = load(actor, word);
    if ((seen & INFLIGHT_BUSY) === 0 || dataRace(mem, at(access, ACCESS.mkey)) !== index) continue;
    count(actor, COUNTER['exposure.dmaDuringZap']);
    const running = seen & ~INFLIGHT_WAITER;
    let now = seen;
    for (let i = spinLimit(actor); i > 0 && (now & ~INFLIGHT_WAITER) === running; i--) now = load(actor, word);
    while ((now & ~INFLIGHT_WAITER) === running) {
      // The thread may just have lowered its word: `or` tells which access the waiter bit was set on.
      now = or(actor, word, INFLIGHT_WAITER) | INFLIGHT_WAITER;
      if ((now & ~INFLIGHT_WAITER) !== running) break;
      publishWait(actor, WAIT.drain, word, tid, false);
      wait(actor, word, now, Number.POSITIVE_INFINITY);
      clearWait(actor);
      now = load(actor, word);
    }
  }
}

/**
 * Raises this thread's in-flight word for the process whose key it is, and returns its address; the load of the entry must come after, and as
 * both are atomic it does.
 */
export function accessBegin(actor: Actor, hca: Hca, index: number): Addr {
  const { mem } = actor;
  // Racy: with an old key this may be another process by now. But then the key is found not to be the one that was used.
  const access = accessAddr(hca, dataRace(mem, at(mkeyAddr(hca, index), MKEY.mm)), actor.tid);
  mem[access + ACCESS.mkey] = index;
  const word = at(access, ACCESS.inflight);
  add(actor, word, INFLIGHT_BUSY);
  return word;
}

/** Lowers it: the next access will have another number. Clears the waiter bit and wakes whoever set it. */
export function accessEnd(actor: Actor, word: Addr): void {
  // Only this thread changes the number, and others only set the waiter bit: a plain read of the number is exact.
  const next = ((dataRace(actor.mem, word) | INFLIGHT_BUSY | INFLIGHT_WAITER) + 1) | 0;
  const old = exchange(actor, word, next);
  if ((old & INFLIGHT_WAITER) !== 0) notify(actor, word, Number.POSITIVE_INFINITY);
}

/** Valid entries, pinned ones left out, that reach page `vpn` of an mm: 0 is exact, anything else a hint to look closer. */
export const deviceReach = (actor: Actor, hca: Hca, mm: number, vpn: number): number =>
  load(actor, reachAddr(hca, mm, vpn));
