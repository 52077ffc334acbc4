import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import { H, L, LOG_WORDS, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import { isInteresting } from '../policies/surw.ts';

/** What was seen of a word in the schedules so far. */
interface WordUse {
  /** Threads that touched it, as bits. */
  threads: number;
  written: boolean;
  /** Locks that were held at every step on it, null before the first: its steps happen in the order in which those are taken. */
  guards: readonly number[] | null;
  /** Interesting steps on it by thread, summed over the schedules that count. */
  readonly steps: Float64Array;
}

/** A word that threads contend for. */
export interface Contended {
  readonly addr: number;
  readonly threads: number;
  /** All its steps are done under one lock. */
  readonly guarded: boolean;
  /** Interesting steps of each thread, on average. */
  readonly steps: readonly number[];
  readonly total: number;
}

/** What earlier schedules tell about the next: which words threads contend for, and how long schedules are. */
export interface Profile {
  learn(sched: Sched, outcome: ScheduleOutcome): void;
  /** Words that two threads touched and one wrote. */
  contended(): readonly Contended[];
  /** Steps on such words in one schedule, at most. */
  length(): number;
}

/** The first schedules are all looked at, later ones now and then. */
const LOOK_AT_ALL = 256;
const LOOK_EVERY = 16;

export function createProfile(): Profile {
  const words = new Map<number, WordUse>();
  let seen = 0;
  /** Schedules whose steps are in the sums, and whether these ran to their end. */
  let counted = 0;
  let whole = false;
  let length = 0;
  let contended: readonly Contended[] | null = null;

  const learn = (sched: Sched, outcome: ScheduleOutcome): void => {
    if (outcome === OUTCOME.redundant || outcome === OUTCOME.diverged || outcome === OUTCOME.hung) return;
    if (++seen > LOOK_AT_ALL && seen % LOOK_EVERY !== 0) return;
    const complete = outcome === OUTCOME.complete;
    if (complete && !whole) {
      // Counts of schedules that were cut short are too small; they served as long as there was nothing better.
      whole = true;
      counted = 0;
      for (const use of words.values()) use.steps.fill(0);
    }
    const counts = complete || !whole;
    if (counts) counted++;
    noteSteps(words, sched, counts);
    length = Math.max(length, contendedSteps(words, sched));
    contended = null;
  };
  return {
    learn,
    contended: () => {
      contended ??= listContended(words, counted);
      return contended;
    },
    length: () => length,
  };
}

function noteSteps(words: Map<number, WordUse>, { s, log, threads }: Sched, counts: boolean): void {
  const held = Array.from({ length: threads }, (): Held[] => []);
  for (let i = 0; i < s[H.steps]; i++) {
    const at = log + i * LOG_WORDS;
    const access = s[at + L.access];
    if (access === ACCESS.local) continue;
    const tid = s[at + L.tid];
    const addr = s[at + L.addr];
    let use = words.get(addr);
    if (use === undefined) {
      use = { threads: 0, written: false, guards: null, steps: new Float64Array(threads) };
      words.set(addr, use);
    }
    use.threads |= 1 << tid;
    if (access === ACCESS.write) use.written = true;
    if (counts && isInteresting(s[at + L.op])) use.steps[tid]++;
    use.guards = guardsLeft(use.guards, held[tid]!, access === ACCESS.write);
    noteLock(held[tid]!, s[at + L.op], addr, s[at + L.value]);
  }
}

/** A lock that a thread holds; `shared`: others may hold it as well. */
interface Held {
  readonly addr: number;
  readonly shared: boolean;
}

/** As in Eraser: what is written needs a lock held alone, what is read any. */
function guardsLeft(guards: readonly number[] | null, held: readonly Held[], write: boolean): readonly number[] {
  if (guards === null) return held.filter(({ shared }) => !write || !shared).map(({ addr }) => addr);
  if (guards.length === 0) return guards;
  return guards.filter((guard) => held.some(({ addr, shared }) => addr === guard && (!write || !shared)));
}

const TRYLOCKS: readonly number[] = [OP.mutexTrylock, OP.spinTrylock, OP.downReadTrylock, OP.downWriteTrylock];

function noteLock(held: Held[], op: number, addr: number, value: number): void {
  const { lock } = OP_INFO[op];
  if (lock === 'acquire' || (value !== 0 && TRYLOCKS.includes(op))) {
    held.push({ addr, shared: op === OP.downRead || op === OP.downReadTrylock });
  } else if (lock === 'release') {
    const i = held.findLastIndex((one) => one.addr === addr);
    if (i >= 0) held.splice(i, 1);
  }
}

const isContended = ({ threads, written }: WordUse): boolean => written && (threads & (threads - 1)) !== 0;

function contendedSteps(words: ReadonlyMap<number, WordUse>, { s, log }: Sched): number {
  let n = 0;
  for (let i = 0; i < s[H.steps]; i++) {
    const at = log + i * LOG_WORDS;
    if (s[at + L.access] !== ACCESS.local && isContended(words.get(s[at + L.addr])!)) n++;
  }
  return n;
}

function listContended(words: ReadonlyMap<number, WordUse>, schedules: number): Contended[] {
  const list: Contended[] = [];
  for (const [addr, use] of words) {
    if (!isContended(use)) continue;
    const steps = Array.from(use.steps, (sum) => sum / schedules);
    list.push({
      addr,
      threads: use.threads,
      guarded: use.guards !== null && use.guards.length > 0,
      steps,
      total: steps.reduce((a, b) => a + b, 0),
    });
  }
  return list.sort((a, b) => a.addr - b.addr);
}
