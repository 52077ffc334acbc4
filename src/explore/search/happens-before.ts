import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import { H, L, LOG_WORDS, OUTCOME, type Sched, STATUS, T, thread } from '../control/sched.ts';

const { write: WRITE, local: LOCAL } = ACCESS;

/** What steps do to a lock: readers and writers (or plain holders) that come and go. A trylock counts when it succeeded. */
const READERS_IN = new Int8Array(OP_INFO.length);
const WRITERS_IN = new Int8Array(OP_INFO.length);
for (const op of [OP.downRead, OP.downReadTrylock, OP.downgradeWrite]) READERS_IN[op] = 1;
READERS_IN[OP.upRead] = -1;
for (const op of [OP.mutexLock, OP.mutexTrylock, OP.spinLock, OP.spinTrylock, OP.downWrite, OP.downWriteTrylock])
  WRITERS_IN[op] = 1;
for (const op of [OP.mutexUnlock, OP.spinUnlock, OP.upWrite, OP.downgradeWrite]) WRITERS_IN[op] = -1;
const TRIES: ReadonlySet<number> = new Set([OP.mutexTrylock, OP.spinTrylock, OP.downReadTrylock, OP.downWriteTrylock]);
/** 1: it waits until its lock is free. */
const ACQUIRES = Uint8Array.from(OP_INFO, (info) => ('lock' in info && info.lock === 'acquire' ? 1 : 0));
ACQUIRES[OP.queueWrite] = 1;

/**
 * The order that one schedule's steps really have, computed from its log. A step happens before another when it is earlier and
 *
 * - the same thread does both, or they do not commute (`conflicts`, with the access as it turned out); or
 * - the later is a `resume` and the earlier the notify that caused it; or
 * - the later is a time-out that happened because nobody else could run: all that came before it is before it; or
 * - the later is a writer that joins a queue, which it does only when a certain reader has come as far as it has; or
 * - both are waits that may time out, where a schedule has a number of time-outs to spend (`timeouts` above 0).
 *
 * Each is held as a vector clock: how many steps of each thread are before or at it. Behind the steps that happened stand those that
 * pend: the next step of each thread that was kept from it, with the clock of the step before.
 */
export class HappensBefore {
  readonly threads: number;
  /** Steps that happened; `count` counts those that pend as well. */
  steps = 0;
  count = 0;
  readonly tid: Int32Array;
  readonly op: Int32Array;
  readonly addr: Int32Array;
  readonly access: Int32Array;
  readonly arg: Int32Array;
  readonly value: Int32Array;
  readonly enabled: Int32Array;
  readonly cause: Int32Array;
  /** Counted from 1 within its thread. */
  readonly ord: Int32Array;
  /** The step before it of its thread, on its address, and among those that may time out; -1: none. */
  readonly prev: Int32Array;
  readonly same: Int32Array;
  readonly timed: Int32Array;
  /** 1: a time-out because nobody else could run. */
  readonly forced: Uint8Array;
  readonly clock: Int32Array;
  /** Steps that race with the one asked for last. */
  readonly races: Int32Array;
  /** Time-outs that a schedule may spend. */
  timeouts = 0;
  /** The thread that did the last step threw. */
  threw = false;
  private readonly objects = new Map<number, number>();
  private heads: Int32Array;
  private readonly object: Int32Array;
  private readonly lastOf: Int32Array;

  constructor(threads: number, maxSteps: number) {
    const words = maxSteps + threads;
    this.threads = threads;
    this.tid = new Int32Array(words);
    this.op = new Int32Array(words);
    this.addr = new Int32Array(words);
    this.access = new Int32Array(words);
    this.arg = new Int32Array(words);
    this.value = new Int32Array(words);
    this.enabled = new Int32Array(words);
    this.cause = new Int32Array(words);
    this.ord = new Int32Array(words);
    this.prev = new Int32Array(words);
    this.same = new Int32Array(words);
    this.timed = new Int32Array(words);
    this.object = new Int32Array(words);
    this.forced = new Uint8Array(words);
    this.clock = new Int32Array(words * threads);
    this.races = new Int32Array(words);
    this.heads = new Int32Array(64);
    this.lastOf = new Int32Array(threads + 1);
  }

  /** Step `a` happens before step `b`, or is it. */
  before(a: number, b: number): boolean {
    return this.clock[b * this.threads + this.tid[a]] >= this.ord[a];
  }

  /** A name of a step that is the same in every schedule in which it happens. */
  id(i: number): number {
    return this.ord[i] * 32 + this.tid[i];
  }

  /** Whether a step takes part in the order of those that may time out. */
  mayTimeOut(i: number): boolean {
    return this.timeouts > 0 && (this.op[i] === OP.resume || this.op[i] === OP.until);
  }

  /** Reads the schedule that ran last. Its first `known` steps are the same as those of the one read before. */
  load(sched: Sched, known = 0): void {
    const { s } = sched;
    const { lastOf, threads } = this;
    this.steps = s[H.steps];
    this.timeouts = s[H.timeouts];
    this.threw = s[H.outcome] === OUTCOME.threw;
    lastOf.fill(-1);
    this.heads.fill(-1, 0, this.objects.size);
    let spent = 0;
    for (let i = 0; i < this.steps; i++) {
      this.read(s, sched.log + i * LOG_WORDS, i);
      if (this.timedOut(i)) this.forced[i] = ++spent > this.timeouts ? 1 : 0;
      if (i >= known) this.order(i);
      lastOf[this.tid[i]] = i;
      if (this.mayTimeOut(i)) lastOf[threads] = i;
      if (this.access[i] !== LOCAL) this.heads[this.object[i]] = i;
    }
    this.count = this.steps;
    if (s[H.outcome] !== OUTCOME.complete) this.pend(sched);
  }

  /** Index of the step that pends of `tid`, or -1. */
  pendingOf(tid: number): number {
    for (let i = this.steps; i < this.count; i++) if (this.tid[i] === tid) return i;
    return -1;
  }

  /**
   * Steps that race with `i`: the order of the two could have been the other way round with nothing else changed before. Fills `races`
   * and returns how many.
   *
   * What `i` itself waits for is not held against it: the release of a lock and the acquisition after it are never possible at the same time, so
   * the step that an acquisition races with is the one before which the lock was last free. In general: of the steps that do not commute with `i`
   * and that its thread does not know of yet, the last ones before which `i` was possible.
   */
  racesOf(i: number): number {
    const { op, access, races, prev } = this;
    const happened = i < this.steps;
    const mine = happened ? access[i] : OP_INFO[op[i]].access;
    const waits = ACQUIRES[op[i]] !== 0 || op[i] === OP.until || op[i] === OP.resume;
    const first = this.mayTimeOut(i) ? this.timedRaces(i) : 0;
    let n = first;
    // All that had come before it had to. And nothing but a notify or a time-out ends a sleep.
    if (this.forced[i] !== 0 || mine === LOCAL || (op[i] === OP.resume && this.timeouts === 0)) return n;
    for (let k = this.same[i]; k >= 0; k = this.same[k]) {
      if (mine + access[k] <= 2) continue;
      const passed = (prev[i] >= 0 && this.before(k, prev[i])) || this.isBeforeOne(k, first, n);
      if (!passed) {
        if (waits && !this.possible(i, k)) continue;
        races[n++] = k;
      }
      // All that was earlier on this address is before a write, so it is passed as well.
      if (access[k] === WRITE) break;
    }
    return n;
  }

  /** A relax that happened because one of the words its thread had read was written: by one of the steps that `keeps` accepts. */
  relaxed(i: number, keeps: (k: number) => boolean): boolean {
    const { tid, op, addr, access, prev } = this;
    for (let r = prev[i]; r >= 0 && access[r] !== WRITE && op[r] !== OP.relax; r = prev[r]) {
      if (access[r] === LOCAL) continue;
      for (let k = r + 1; k < i; k++) {
        const wrote = access[k] === WRITE || op[k] === OP.upRead;
        if (wrote && addr[k] === addr[r] && tid[k] !== tid[i] && keeps(k)) return true;
      }
    }
    return false;
  }

  private read(s: Int32Array, at: number, i: number): void {
    this.tid[i] = s[at + L.tid];
    this.op[i] = s[at + L.op];
    this.addr[i] = s[at + L.addr];
    this.arg[i] = s[at + L.arg];
    this.value[i] = s[at + L.value];
    this.access[i] = s[at + L.access];
    this.enabled[i] = s[at + L.enabled];
    this.cause[i] = s[at + L.cause];
    this.forced[i] = 0;
  }

  private timedOut(i: number): boolean {
    const op = this.op[i];
    return op === OP.resume ? this.cause[i] < 0 : op === OP.until && this.value[i] === 0;
  }

  private objectOf(addr: number): number {
    let object = this.objects.get(addr);
    if (object === undefined) {
      object = this.objects.size;
      this.objects.set(addr, object);
      if (object >= this.heads.length) {
        const wider = new Int32Array(2 * this.heads.length);
        wider.set(this.heads);
        this.heads = wider;
      }
      this.heads[object] = -1;
    }
    return object;
  }

  /** Links step `i` to those before it and computes its clock. */
  private order(i: number): void {
    const { tid, op, access, cause, clock, threads, prev, same, lastOf } = this;
    this.link(i);
    const at = i * threads;
    if (prev[i] < 0) clock.fill(0, at, at + threads);
    else clock.copyWithin(at, prev[i] * threads, (prev[i] + 1) * threads);
    clock[at + tid[i]] = this.ord[i];
    for (let k = same[i]; k >= 0; k = same[k]) {
      if (access[i] + access[k] > 2) this.join(at, k);
      if (access[k] === WRITE) break;
    }
    if (cause[i] >= 0) this.join(at, cause[i]);
    if (this.timed[i] >= 0) this.join(at, this.timed[i]);
    // The reader that makes joining the queue possible need not have touched the lock last.
    if (this.forced[i] !== 0 || op[i] === OP.queueWrite)
      for (let other = 0; other < threads; other++) if (lastOf[other] >= 0) this.join(at, lastOf[other]);
  }

  private link(i: number): void {
    const last = this.lastOf[this.tid[i]];
    this.prev[i] = last;
    this.ord[i] = last < 0 ? 1 : this.ord[last] + 1;
    this.object[i] = this.access[i] === LOCAL ? -1 : this.objectOf(this.addr[i]);
    this.same[i] = this.access[i] === LOCAL ? -1 : this.heads[this.object[i]];
    this.timed[i] = this.mayTimeOut(i) ? this.lastOf[this.threads] : -1;
  }

  private join(at: number, k: number): void {
    const { clock, threads } = this;
    const from = k * threads;
    for (let tid = 0; tid < threads; tid++)
      if (clock[from + tid] > clock[at + tid]) clock[at + tid] = clock[from + tid];
  }

  private pend({ s, threads }: Sched): void {
    for (let tid = 0; tid < threads; tid++) {
      const t = thread(tid);
      const pends = s[t + T.status] === STATUS.cut || s[t + T.status] === STATUS.fresh;
      if (!pends || s[t + T.op] < 0) continue;
      const i = this.count++;
      this.tid[i] = tid;
      this.op[i] = s[t + T.op];
      this.addr[i] = s[t + T.addr];
      this.arg[i] = s[t + T.arg];
      this.access[i] = OP_INFO[this.op[i]].access;
      this.cause[i] = -1;
      this.forced[i] = 0;
      this.link(i);
    }
  }

  private isBeforeOne(k: number, from: number, to: number): boolean {
    for (let r = from; r < to; r++) if (this.before(k, this.races[r])) return true;
    return false;
  }

  /** Time-outs are spent from one purse; and one that was notified could have timed out first, if it was possible then. */
  private timedRaces(i: number): number {
    const { cause, races, prev } = this;
    let n = 0;
    // Back to the last that spent something: before that it was possible for certain.
    for (let k = this.timed[i]; k >= 0 && !(prev[i] >= 0 && this.before(k, prev[i])); k = this.timed[k]) {
      races[n++] = k;
      if (this.timedOut(k)) break;
    }
    const c = cause[i];
    if (c >= 0 && ((this.enabled[c] >>> this.tid[i]) & 1) !== 0) races[n++] = c;
    return n;
  }

  /** Whether `i`, which waits for something, was possible before `k`. Where that is not known: yes, and the schedule will show it. */
  private possible(i: number, k: number): boolean {
    const { op } = this;
    if (ACQUIRES[op[i]] !== 0) return this.lockFree(i, k);
    return this.prev[i] >= k || ((this.enabled[k] >>> this.tid[i]) & 1) !== 0;
  }

  /** Who would hold the lock if `k` and all that happens after it had not happened yet. */
  private lockFree(i: number, k: number): boolean {
    const { op, tid } = this;
    let readers = 0;
    let writers = 0;
    let queued = 0;
    for (let x = this.same[i]; x >= 0; x = this.same[x]) {
      if (this.before(k, x)) continue;
      if (op[x] === OP.queueWrite) queued |= 1 << tid[x];
      if (TRIES.has(op[x]) && this.value[x] === 0) continue;
      readers += READERS_IN[op[x]];
      writers += WRITERS_IN[op[x]];
    }
    for (let x = this.same[i]; x >= 0; x = this.same[x])
      if (op[x] === OP.downWrite && !this.before(k, x)) queued &= ~(1 << tid[x]);
    if (writers > 0) return false;
    if (op[i] === OP.downRead) return queued === 0;
    if (op[i] !== OP.downWrite && op[i] !== OP.queueWrite) return true;
    // With readers inside, it can join the queue when that matters to the reader that asks at `k`.
    return readers <= 0 || (op[k] === OP.downRead && this.arg[k] > 0);
  }
}
