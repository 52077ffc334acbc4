import type { Memory } from '../../memory/address.ts';
import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import { COUNT } from '../../sync/rwsem-count.ts';

/**
 * The scheduler's own memory: one SharedArrayBuffer beside the arena, so that resetting the arena leaves it alone. Whoever holds the
 * token reads and writes all of it with plain accesses; the hand-over of the token (an atomic store, a notify and a wait) orders them.
 */
export interface Sched {
  readonly s: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
  readonly maxSteps: number;
  /** Words at which each part begins. */
  readonly prefix: number;
  readonly log: number;
  readonly labels: number;
  readonly message: number;
}

/** Header words. */
export const H = {
  threads: 0,
  maxSteps: 1,
  /** Steps that were chosen so far in this schedule. */
  steps: 2,
  /** The first `prefixLength` steps are forced. */
  prefixLength: 3,
  outcome: 4,
  /** Why it ended: a thread, a step. */
  outcomeArg: 5,
  /** 1: threads unwind. */
  abort: 6,
  /** Thread that holds the token; -1 the driver. */
  current: 7,
  /** Threads whose next step was explored from here already; see dpor. */
  sleep: 8,
  /** At step `sleepFrom` the sleep set becomes `sleepInit`. */
  sleepFrom: 9,
  sleepInit: 10,
  preemptions: 11,
  /** Rises with each sleeper, so that notify wakes in order. */
  waitSerial: 12,
  /** xorshift32 state of the policy. */
  random: 13,
  policy: 14,
  /** 1: labels are recorded. */
  recording: 15,
  labelCount: 16,
  /** 1: the driver lets each thread run to its first step. */
  priming: 17,
  stop: 18,
  /** How often a timed wait may time out in a schedule although somebody else could run. */
  timeouts: 19,
  timeoutsLeft: 20,
  /** 1 when a wait had to time out, or a spinning thread to go on, because nobody else could: a proof holds for that assumption. */
  forced: 21,
  messageLength: 22,
  /** Sleepers whose next step is known to read only, or to touch nothing: as it turned out where it was explored. */
  sleepReads: 23,
  sleepLocals: 24,
  /** From this step on, a forced step that is not possible ends the prefix there, and the schedule goes on; -1: it diverges. */
  lenientFrom: 25,
  /** The driver's turn word, on a line of its own. */
  driverTurn: 32,
  /** Words that belong to the policy. */
  scratch: 48,
  /** Rises with each write to the words that hash here: what a spinning thread waits for. */
  versions: 64,
  /** What the driver tells the policy about this schedule; 0 where it says nothing. */
  parameters: 576,
} as const;
const VERSIONS = 512;
export const PARAMETER_WORDS = 128;
const HEADER_WORDS = H.parameters + PARAMETER_WORDS;

/** Words of a thread. */
export const T = {
  turn: 0,
  status: 16,
  /** The step that it will do next. */
  op: 17,
  addr: 18,
  arg: 19,
  /** Its first step, the same in every schedule; op -1: not known yet. */
  firstOp: 20,
  firstAddr: 21,
  firstArg: 22,
  /** 1: its first step is not always the same (it reads before it, plainly), so it runs up to there when a schedule begins. */
  eager: 46,
  /** 0 not waiting, 1 waiting, 2 notified. */
  waiting: 23,
  waitSerial: 24,
  timed: 25,
  /** Step that notified it. */
  notifiedBy: 26,
  /** Its TASK words in the arena. */
  task: 27,
  /** Address + 1 of the rwsem in whose queue it stands as a writer; 0: none. */
  queued: 28,
  /** How often in a row it read what it had read before, and the last places read with the version that they had. */
  repeats: 29,
  watchCount: 30,
  watch: 31,
  /** 1: it had not ended when nobody could go on. */
  stuck: 47,
  /** Words that belong to the policy: a priority and the like. */
  policy: 48,
} as const;
export const WATCH_MAX = 8;
const THREAD_WORDS = 64;

/** `cut`: it had not ended when the schedule was given up; its next step is still in its words. */
export const STATUS = { fresh: 0, live: 1, done: 2, cut: 3 } as const;

export const OUTCOME = {
  running: 0,
  /** Every thread has ended. */
  complete: 1,
  /** Only threads in the sleep set could go on: what follows was explored before. */
  redundant: 2,
  /** Nobody can go on. */
  deadlock: 3,
  /** Everybody who could go on spins. */
  livelock: 4,
  /** More steps than allowed. */
  stepLimit: 5,
  /** The forced step is not possible, or the program did something else than before. */
  diverged: 6,
  /** A thread threw. */
  threw: 7,
  /** A thread did not come back: it blocks where the scheduler cannot see it. */
  hung: 8,
} as const;
export type ScheduleOutcome = (typeof OUTCOME)[keyof typeof OUTCOME];
export const OUTCOME_NAMES = Object.keys(OUTCOME) as (keyof typeof OUTCOME)[];

/** Words of one executed step. */
export const L = {
  tid: 0,
  op: 1,
  addr: 2,
  arg: 3,
  value: 4,
  /** ACCESS as it turned out: a compareExchange that failed has only read. */
  access: 5,
  /** Threads that could have run, and those among them in the sleep set. */
  enabled: 6,
  sleep: 7,
  /** For `resume`: step that notified, or -1 for a time-out. */
  cause: 8,
} as const;
export const LOG_WORDS = 9;
/** Words of one label: step that it comes before, tid, point, three arguments. */
export const LABEL_WORDS = 6;
const LABELS_PER_STEP = 4;
const MESSAGE_WORDS = 1024;

export const MAX_THREADS = 30;

export function schedWords(threads: number, maxSteps: number): number {
  return (
    HEADER_WORDS + threads * THREAD_WORDS + maxSteps * (1 + LOG_WORDS + LABELS_PER_STEP * LABEL_WORDS) + MESSAGE_WORDS
  );
}

/** A view of the scheduler's memory; every thread makes its own over the same buffer. */
export function schedView(buffer: SharedArrayBuffer, threads: number, maxSteps: number): Sched {
  if (threads < 1 || threads > MAX_THREADS)
    throw new RangeError(`${threads} threads, 1 to ${MAX_THREADS} can be explored`);
  const prefix = HEADER_WORDS + threads * THREAD_WORDS;
  const log = prefix + maxSteps;
  const labels = log + maxSteps * LOG_WORDS;
  const message = labels + maxSteps * LABELS_PER_STEP * LABEL_WORDS;
  return { s: new Int32Array(buffer), threads, maxSteps, prefix, log, labels, message };
}

export const thread = (tid: number): number => HEADER_WORDS + tid * THREAD_WORDS;
export const turnWord = (tid: number): number => (tid < 0 ? H.driverTurn : thread(tid) + T.turn);
export const versionWord = (addr: number): number => H.versions + ((addr ^ (addr >>> 9)) & (VERSIONS - 1));

/** xorshift32 on the policy's state; 0 .. 2^32 - 1. */
export function nextRandom(s: Int32Array): number {
  let x = s[H.random];
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  s[H.random] = x;
  return x >>> 0;
}
/** Uniform below `n`; the bias for small `n` is below 2^-27. */
export const randomBelow = (s: Int32Array, n: number): number => Math.floor((nextRandom(s) / 0x1_0000_0000) * n);

export const bitCount = (mask: number): number => {
  let n = 0;
  for (let m = mask; m !== 0; m &= m - 1) n++;
  return n;
};
/** The `n`-th set bit, counted from 0. */
export function nthBit(mask: number, n: number): number {
  let m = mask;
  for (let i = 0; i < n; i++) m &= m - 1;
  return 31 - Math.clz32(m & -m);
}
export const lowestBit = (mask: number): number => 31 - Math.clz32(mask & -mask);

/** True when two steps of different threads do not commute. Of a step still to come, `access` is what it may be at worst. */
export const conflicts = (addrA: number, accessA: number, addrB: number, accessB: number): boolean =>
  addrA === addrB && accessA !== ACCESS.local && accessB !== ACCESS.local && accessA + accessB > 2;

const { WRITER, READER } = COUNT;
const OPS_MUTEX = OP.mutexLock;
const OPS_SPIN = OP.spinLock;
const OPS_DOWN_READ = OP.downRead;
const OPS_DOWN_WRITE = OP.downWrite;
const OPS_RESUME = OP.resume;
const OPS_UNTIL = OP.until;
const OPS_RELAX = OP.relax;

/** Threads whose next step is possible now. */
export function enabledMask(sched: Sched, mem: Memory): number {
  const { s, threads } = sched;
  let mask = 0;
  for (let tid = 0; tid < threads; tid++) if (isEnabled(sched, s, mem, tid)) mask |= 1 << tid;
  return mask | queueingMask(sched, mem, mask);
}

function isEnabled(sched: Sched, s: Int32Array, mem: Memory, tid: number): boolean {
  const t = thread(tid);
  if (s[t + T.status] === STATUS.done) return false;
  const addr = s[t + T.addr];
  switch (s[t + T.op]) {
    case OPS_MUTEX:
    case OPS_SPIN:
      return mem[addr] === 0;
    case OPS_DOWN_READ:
      return (mem[addr] & WRITER) === 0 && !writerQueued(sched, addr);
    case OPS_DOWN_WRITE:
      return mem[addr] === 0;
    case OPS_RESUME:
      return s[t + T.waiting] === 2 || (s[t + T.timed] !== 0 && s[H.timeoutsLeft] > 0);
    case OPS_UNTIL:
      return mem[addr] !== s[t + T.arg] || (s[t + T.timed] !== 0 && s[H.timeoutsLeft] > 0);
    case OPS_RELAX:
      return watchMoved(s, t);
    default:
      return true;
  }
}

export function writerQueued({ s, threads }: Sched, addr: number): boolean {
  for (let tid = 0; tid < threads; tid++) if (s[thread(tid) + T.queued] === addr + 1) return true;
  return false;
}

/**
 * Writers for which it matters that they join the queue of their rwsem. A queued writer keeps new readers out and does nothing else, so
 * moving it later in a schedule changes nothing but that the schedule may go on: every state in which a queued writer has a part
 * in a deadlock is also reached by queueing at the very end. So it is a step of its own only where it would leave nobody who
 * can go on: all who can are readers about to ask, each of them for an rwsem that a writer waits for and readers hold.
 */
function queueingMask({ s, threads }: Sched, mem: Memory, enabled: number): number {
  let writers = 0;
  for (let m = enabled; m !== 0; m &= m - 1) {
    const t = thread(lowestBit(m));
    if (s[t + T.op] !== OPS_DOWN_READ) return 0;
    const addr = s[t + T.addr];
    let waiting = 0;
    for (let tid = 0; tid < threads; tid++) {
      const w = thread(tid);
      if (s[w + T.op] !== OPS_DOWN_WRITE || s[w + T.addr] !== addr || s[w + T.status] === STATUS.done) continue;
      if (mem[addr] >= READER && (mem[addr] & WRITER) === 0) waiting |= 1 << tid;
    }
    if (waiting === 0) return 0;
    writers |= waiting;
  }
  return writers;
}

/** A word that the spinning thread read was written since. */
export function watchMoved(s: Int32Array, t: number): boolean {
  for (let i = 0; i < s[t + T.watchCount]; i++) {
    const at = t + T.watch + 2 * i;
    if (s[versionWord(s[at])] !== s[at + 1]) return true;
  }
  return s[t + T.watchCount] === 0;
}

/** Threads whose wait may be ended when nobody can run: timed ones by a time-out, spinning ones by another turn. */
export function forceableMask({ s, threads }: Sched, op: number): number {
  let mask = 0;
  for (let tid = 0; tid < threads; tid++) {
    const t = thread(tid);
    if (s[t + T.status] === STATUS.done || s[t + T.op] !== op) continue;
    if (op === OP.relax || s[t + T.timed] !== 0) mask |= 1 << tid;
  }
  return mask;
}

/** What the step that a thread will do next may do at worst. */
export const pendingAccess = (s: Int32Array, t: number): number => OP_INFO[s[t + T.op]].access;

/** What the next step of a sleeping thread does: nothing that could change that has happened since it was explored, or it would be awake. */
export function sleeperAccess(s: Int32Array, tid: number): number {
  if (((s[H.sleepLocals] >>> tid) & 1) !== 0) return ACCESS.local;
  return ((s[H.sleepReads] >>> tid) & 1) !== 0 ? ACCESS.read : pendingAccess(s, thread(tid));
}
