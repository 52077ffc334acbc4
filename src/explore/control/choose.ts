import type { Memory } from '../../memory/address.ts';
import { OP } from '../../sync/control.ts';
import { PICKERS } from '../policies/index.ts';
import {
  bitCount,
  enabledMask,
  forceableMask,
  H,
  L,
  LOG_WORDS,
  nthBit,
  OUTCOME,
  type Sched,
  STATUS,
  T,
  thread,
  turnWord,
} from './sched.ts';

/** How often in a row all that can run may be spinning threads before it is called a livelock. */
const MAX_FORCED_SPINS = 8;
const FORCED_SPINS = H.scratch - 1;

// Taken once: a thread that runs a user's program has something else in their place (program-guard.ts), and no hand-over may pay for it.
const { load: atomicLoad, store: atomicStore, wait: atomicWait, notify: atomicNotify } = Atomics;

/**
 * Chooses who takes the next step and notes it in the log; called by whoever holds the token, with every other thread parked before
 * a step. Returns a tid, or -1 when the schedule is over: `H.outcome` then says how.
 */
export function choose(sched: Sched, mem: Memory): number {
  const { s } = sched;
  const step = s[H.steps];
  let enabled = enabledMask(sched, mem);
  if (enabled === 0) enabled = force(sched);
  if (enabled === 0) return over(s, stuckOutcome(sched), -1);
  if (step >= sched.maxSteps) return over(s, OUTCOME.stepLimit, -1);
  if (step === s[H.sleepFrom]) s[H.sleep] = s[H.sleepInit];
  const picker = PICKERS[s[H.policy]];
  const last = step === 0 ? -1 : s[sched.log + (step - 1) * LOG_WORDS + L.tid];
  let next = step < s[H.prefixLength] && picker.wishes !== true ? s[sched.prefix + step] : -1;
  if (next >= 0 && (enabled & (1 << next)) === 0) {
    if (s[H.lenientFrom] < 0 || step < s[H.lenientFrom]) return over(s, OUTCOME.diverged, step);
    s[H.prefixLength] = step;
    next = -1;
  }
  if (next < 0) {
    const offered = picker.sleeps === true ? enabled & ~s[H.sleep] : enabled;
    if (offered === 0) return over(s, OUTCOME.redundant, step);
    next = picker.pick(sched, offered, last);
  }
  if (last >= 0 && next !== last && (enabled & (1 << last)) !== 0) s[H.preemptions]++;
  const t = thread(next);
  const record = sched.log + step * LOG_WORDS;
  s[record + L.tid] = next;
  s[record + L.op] = s[t + T.op];
  s[record + L.addr] = s[t + T.addr];
  s[record + L.arg] = s[t + T.arg];
  s[record + L.enabled] = enabled;
  s[record + L.sleep] = s[H.sleep];
  s[record + L.cause] = -1;
  s[H.steps] = step + 1;
  s[H.current] = next;
  return next;
}

function over(s: Int32Array, outcome: number, arg: number): number {
  s[H.outcome] = outcome;
  s[H.outcomeArg] = arg;
  return -1;
}

function stuckOutcome(sched: Sched): number {
  const { s, threads } = sched;
  let stuck = 0;
  for (let tid = 0; tid < threads; tid++) {
    const t = thread(tid);
    s[t + T.stuck] = s[t + T.status] === STATUS.done ? 0 : 1;
    stuck += s[t + T.stuck];
  }
  if (stuck === 0) return OUTCOME.complete;
  return forceableMask(sched, OP.relax) === 0 ? OUTCOME.deadlock : OUTCOME.livelock;
}

/**
 * Nobody can run. A sleep with a time-out ends then, as it would in the end; and a spinning thread gets another turn, a bounded
 * number of times, in case it was not spinning after all.
 */
function force(sched: Sched): number {
  const { s } = sched;
  const timed = forceableMask(sched, OP.resume) | forceableMask(sched, OP.until);
  if (timed !== 0) {
    s[H.forced] = 1;
    s[H.timeoutsLeft]++;
    return timed;
  }
  const spinning = forceableMask(sched, OP.relax);
  if (spinning === 0) return 0;
  s[H.forced] = 1;
  if (++s[FORCED_SPINS] > MAX_FORCED_SPINS) return 0;
  // In turn, so that one that really spins does not keep the turn from one that does not.
  return 1 << nthBit(spinning, s[FORCED_SPINS] % bitCount(spinning));
}

/** Sets the scheduler's memory to the start of a schedule. `threads` keep the first step that they are known to have. */
export function resetSched(sched: Sched): void {
  const { s, threads } = sched;
  s[H.steps] = 0;
  s[H.outcome] = OUTCOME.running;
  s[H.outcomeArg] = -1;
  s[H.abort] = 0;
  s[H.sleep] = 0;
  s[H.preemptions] = 0;
  s[H.waitSerial] = 0;
  s[H.labelCount] = 0;
  s[H.timeoutsLeft] = s[H.timeouts];
  s[H.forced] = 0;
  s[H.messageLength] = 0;
  s[FORCED_SPINS] = 0;
  // Versions go on rising: they are only ever compared with what they were in the same schedule.
  for (let tid = 0; tid < threads; tid++) {
    const t = thread(tid);
    s[t + T.status] = STATUS.fresh;
    s[t + T.op] = s[t + T.firstOp];
    s[t + T.addr] = s[t + T.firstAddr];
    s[t + T.arg] = s[t + T.firstArg];
    s[t + T.waiting] = 0;
    s[t + T.queued] = 0;
    s[t + T.repeats] = 0;
    s[t + T.watchCount] = 0;
  }
}

/** Gives the token to `to` (-1: the driver) without waiting. */
export function handOver({ s }: Sched, to: number): void {
  const word = turnWord(to);
  atomicStore(s, word, 1);
  atomicNotify(s, word, 1);
}

/** Sleeps until this thread has the token; false when `timeoutMs` passed first. */
export function awaitTurn({ s }: Sched, self: number, timeoutMs: number): boolean {
  const word = turnWord(self);
  while (atomicLoad(s, word) === 0)
    if (atomicWait(s, word, 0, timeoutMs) === 'timed-out') return atomicLoad(s, word) !== 0 && take(s, word);
  return take(s, word);
}

/** Only whoever has the token looks at this word again, so it may be taken back with a plain write: `handOver` orders it. */
function take(s: Int32Array<SharedArrayBuffer>, word: number): true {
  s[word] = 0;
  return true;
}
