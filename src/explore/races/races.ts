import type { Memory } from '../../memory/address.ts';
import { ACCESS, OP, OP_NAMES } from '../../sync/control.ts';
import { H, L, LOG_WORDS, type Sched, T, thread } from '../control/sched.ts';
import {
  ACCESS_FIELDS,
  type AccessKind,
  CAPTURE,
  CAPTURE_CHARS,
  captureAt,
  KIND,
  MAX_RACES,
  R,
  RACE,
  RACE_WORDS,
  type RaceWords,
  SLOT_RELEASED,
  SLOT_WORD,
} from './race-words.ts';

/** What the detector asks of its thread's stepper: inside a step nothing is a plain access of the program. */
export interface Stepping {
  readonly inside: boolean;
}

/** How a raw atomic operation orders: it is no step and no marked access, but the JS memory model orders by it all the same. */
export const RAW = { load: 1, store: 2, update: 3 } as const;

/** What a step does to the order of threads; each writes its word unless it only READS. */
const READS = 1;
/** Learns what releases of the object published; a writer also what those of readers did. */
const ACQUIRE = 2;
const ACQUIRE_READERS = 4;
/** Adds to what is published; a reader's release is for the next writer only, as readers are not ordered among themselves. */
const RELEASE = 8;
const RELEASE_READERS = 16;
/** Publishes in place of all before: who reads the value of a store knows nothing of earlier writers. */
const PUBLISH = 32;

/** By op. The default is a read-modify-write. */
const DOES = new Int8Array(OP_NAMES.length).fill(ACQUIRE | RELEASE);
for (const op of [OP.load, OP.until, OP.wait]) DOES[op] = ACQUIRE | READS;
DOES[OP.store] = PUBLISH;
for (const op of [OP.mutexLock, OP.mutexTrylock, OP.spinLock, OP.spinTrylock, OP.downRead, OP.downReadTrylock])
  DOES[op] = ACQUIRE;
for (const op of [OP.downWrite, OP.downWriteTrylock]) DOES[op] = ACQUIRE | ACQUIRE_READERS;
for (const op of [OP.mutexUnlock, OP.spinUnlock, OP.upWrite, OP.downgradeWrite]) DOES[op] = RELEASE;
DOES[OP.upRead] = RELEASE_READERS;

/** A trylock that fails orders nothing; a compareExchange that fails has read. */
const TRYLOCKS: ReadonlySet<number> = new Set([
  ...[OP.mutexTrylock, OP.spinTrylock],
  ...[OP.downReadTrylock, OP.downWriteTrylock],
]);
const FAILED = new Int8Array(OP_NAMES.length).fill(READS);
FAILED[OP.compareExchange] = ACQUIRE | READS;

/**
 * Finds data races by happens-before, on the threads of one schedule: two accesses of a word, one of them a write and one of them
 * plain, that no lock and no atomic operation orders. As in FastTrack each thread has a vector clock and each word the times of its last
 * accesses; unlike there a word keeps a time for every thread and kind, since atomic accesses are no races among themselves.
 *
 * One in each explored thread, over shared words. It is made before the locks are loaded and bound afterwards.
 */
export class RaceDetector {
  private view!: RaceWords;
  private r!: Int32Array<SharedArrayBuffer>;
  private s!: Int32Array<SharedArrayBuffer>;
  private log = 0;
  private mem!: Memory;
  private stepping!: Stepping;
  private tid = 0;
  /** This thread's clock. */
  private own = 0;

  bind(view: RaceWords, sched: Sched, mem: Memory, tid: number, stepping: Stepping): void {
    this.view = view;
    this.r = view.r;
    this.log = sched.log;
    this.s = sched.s;
    this.mem = mem;
    this.stepping = stepping;
    this.tid = tid;
    this.own = view.clocks + tid * view.threads;
  }

  /** A plain read of word `a`; returns what is there. */
  read(a: number): number {
    if (this.looking()) this.access(KIND.plainRead, a, this.mem[a], this.mem[a], -1);
    return this.mem[a];
  }

  /** A plain write of `v` to word `a`. */
  write(a: number, v: number): void {
    if (this.looking()) this.access(KIND.plainWrite, a, this.mem[a], v | 0, -1);
    this.mem[a] = v;
  }

  /** Plain reads or writes of the words from `from` up to `to`. */
  range(kind: typeof KIND.plainRead | typeof KIND.plainWrite, from: number, to: number): void {
    if (!this.looking()) return;
    for (let a = from; a < to; a++) this.access(kind, a, this.mem[a], this.mem[a], -1);
  }

  /** A read that is declared to be racy on purpose. */
  dataRace(a: number): number {
    if (this.looking()) this.r[R.exempt]++;
    return this.mem[a];
  }

  /** Such a write. */
  dataRaceStore(a: number, v: number): void {
    if (this.looking()) this.r[R.exempt]++;
    this.mem[a] = v;
  }

  /** The memory was handed out to something that the detector does not see. */
  escaped(): void {
    if (this.looking()) this.r[R.escapes]++;
  }

  /** A raw atomic operation on word `a`: orders, and is nothing else. */
  raw(how: number, a: number): void {
    if (!this.looking()) return;
    const slot = this.slot(a);
    if (slot < 0) return;
    if ((how & RAW.load) !== 0) this.acquire(slot + SLOT_RELEASED);
    if ((how & RAW.store) !== 0) this.release(slot + SLOT_RELEASED, how === RAW.store);
  }

  /** A step has happened; `record` is its place in the log. */
  step(record: number): void {
    const { s, r } = this;
    if (r[R.full] !== 0 || s[H.abort] !== 0) return;
    const op = s[record + L.op];
    if (op === OP.start || op === OP.relax || op === OP.queueWrite) return;
    if (op === OP.resume) {
      if (s[record + L.cause] >= 0) this.acquire(this.view.notified + this.tid * this.view.threads);
      return;
    }
    if (op === OP.notify) {
      this.wake((record - this.log) / LOG_WORDS);
      return;
    }
    const slot = this.slot(s[record + L.addr]);
    if (slot >= 0) this.ordered(op, slot, record);
  }

  /** A step on an object: what it acquires, its access, what it releases, in this order. */
  private ordered(op: number, slot: number, record: number): void {
    const { s } = this;
    const writes = slot + SLOT_RELEASED;
    const reads = writes + this.view.threads;
    const value = s[record + L.value];
    const failed = TRYLOCKS.has(op) ? value === 0 : op === OP.compareExchange && s[record + L.access] !== ACCESS.write;
    const does = failed ? FAILED[op] : DOES[op];
    if ((does & ACQUIRE) !== 0) this.acquire(writes);
    if ((does & ACQUIRE_READERS) !== 0) this.acquire(reads);
    const kind = (does & READS) !== 0 ? KIND.markedRead : KIND.markedWrite;
    this.access(kind, s[record + L.addr], value, s[record + L.arg], op);
    if ((does & (RELEASE | PUBLISH)) !== 0) this.release(writes, (does & PUBLISH) !== 0);
    if ((does & RELEASE_READERS) !== 0) this.release(reads, false);
  }

  private looking(): boolean {
    const { s } = this;
    return !this.stepping.inside && s[H.abort] === 0 && this.r[R.full] === 0;
  }

  /** Where the slot of word `a` is; -1 when there is none left, and nothing may be said of this schedule any more. */
  private slot(a: number): number {
    const { r, view } = this;
    const { slotOf, slots, slotWords } = view;
    const index = r[slotOf + a];
    const at = slots + index * slotWords;
    if (index < r[R.used] && r[at + SLOT_WORD] === a) return at;
    const next = r[R.used];
    if (next === view.capacity) {
      r[R.full] = 1;
      return -1;
    }
    r[R.used] = next + 1;
    r[slotOf + a] = next;
    const fresh = slots + next * slotWords;
    r.fill(0, fresh, fresh + slotWords);
    r[fresh + SLOT_WORD] = a;
    return fresh;
  }

  /** This thread now knows what was published at `from`. */
  private acquire(from: number): void {
    const { r, own } = this;
    const { threads } = this.view;
    for (let u = 0; u < threads; u++) if (r[from + u] > r[own + u]) r[own + u] = r[from + u];
  }

  /** Publishes what this thread knows; its next accesses are not part of that. */
  private release(to: number, replace: boolean): void {
    const { r, own } = this;
    const { threads } = this.view;
    for (let u = 0; u < threads; u++) if (replace || r[own + u] > r[to + u]) r[to + u] = r[own + u];
    r[this.own + this.tid]++;
  }

  /** The sleepers that step `step` notified go on behind it. */
  private wake(step: number): void {
    const { s, view } = this;
    for (let u = 0; u < view.threads; u++) {
      const t = thread(u);
      if (s[t + T.waiting] === 2 && s[t + T.notifiedBy] === step) this.release(view.notified + u * view.threads, true);
    }
  }

  /** Looks for an earlier access of another thread that conflicts and that this thread does not know of; then notes this one. */
  private access(kind: AccessKind, a: number, before: number, after: number, op: number): void {
    const { r, tid, own, view } = this;
    const { threads } = view;
    const n = ++r[view.accesses + tid];
    r[R.seen]++;
    if (r[R.capture] !== 0) this.capture(n, before, after, op);
    const slot = this.slot(a);
    if (slot < 0) return;
    const cells = slot + SLOT_RELEASED + 2 * threads;
    const mine = cells + 2 * (kind * threads + tid);
    // The same again in the same stretch: whoever could race with it has been compared with the first.
    if (r[mine] === r[own + tid]) return;
    const writes = kind === KIND.plainWrite || kind === KIND.markedWrite;
    const plain = kind === KIND.plainRead || kind === KIND.plainWrite;
    if (writes && plain) this.compare(cells, KIND.plainRead, kind, a, n);
    if (writes) this.compare(cells, plain ? KIND.markedRead : KIND.plainRead, kind, a, n);
    this.compare(cells, KIND.plainWrite, kind, a, n);
    if (plain) this.compare(cells, KIND.markedWrite, kind, a, n);
    r[mine] = r[own + tid];
    r[mine + 1] = n;
  }

  private compare(cells: number, other: AccessKind, kind: AccessKind, a: number, n: number): void {
    const { r, tid, own } = this;
    const { threads } = this.view;
    for (let u = 0; u < threads; u++) {
      const cell = cells + 2 * (other * threads + u);
      if (u !== tid && r[cell] > r[own + u]) this.found(a, other, u, r[cell + 1], kind, n);
    }
  }

  /** Of each word the first race of a schedule is kept. */
  private found(a: number, kind1: number, tid1: number, access1: number, kind2: number, access2: number): void {
    const { r, view } = this;
    const count = r[R.races];
    for (let i = 0; i < count; i++) if (r[view.races + i * RACE_WORDS + RACE.word] === a) return;
    if (count === MAX_RACES) {
      r[R.dropped]++;
      return;
    }
    const at = view.races + count * RACE_WORDS;
    r[at + RACE.word] = a;
    this.put(at + RACE.first, kind1, tid1, access1);
    this.put(at + RACE.second, kind2, this.tid, access2);
    r[R.races] = count + 1;
  }

  private put(at: number, kind: number, tid: number, access: number): void {
    const { r } = this;
    r[at + ACCESS_FIELDS.kind] = kind;
    r[at + ACCESS_FIELDS.tid] = tid;
    r[at + ACCESS_FIELDS.access] = access;
  }

  /** Records an access that the driver asked for, with its stack. */
  private capture(n: number, before: number, after: number, op: number): void {
    const { r, tid } = this;
    for (let i = 0; i < 2; i++) {
      const at = captureAt(this.view, i);
      if (r[at + CAPTURE.tid] !== tid || r[at + CAPTURE.access] !== n) continue;
      const text = stackHere();
      r[at + CAPTURE.found] = 1;
      r[at + CAPTURE.before] = before;
      r[at + CAPTURE.after] = after;
      r[at + CAPTURE.op] = op;
      r[at + CAPTURE.length] = Math.min(text.length, CAPTURE_CHARS);
      for (let c = 0; c < r[at + CAPTURE.length]; c++) r[at + CAPTURE.text + c] = text.charCodeAt(c);
    }
  }
}

const STACK_DEPTH = 40;

function stackHere(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_DEPTH;
  const stack = new Error('access').stack ?? '';
  Error.stackTraceLimit = limit;
  return stack;
}
