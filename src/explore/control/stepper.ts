import type { Addr, Memory } from '../../memory/address.ts';
import type { AtomicTable } from '../../sync/atomics.ts';
import { ACCESS, type Control, OP, OP_INFO } from '../../sync/control.ts';
import { TASK, type Task } from '../../sync/task.ts';
import { PICKERS } from '../policies/index.ts';
import { NATIVE_ATOMICS, watchedAtomics } from '../races/race-memory.ts';
import type { RaceDetector } from '../races/races.ts';
import { awaitTurn, choose, handOver } from './choose.ts';
import {
  conflicts,
  H,
  L,
  LABEL_WORDS,
  LOG_WORDS,
  OUTCOME,
  type Sched,
  STATUS,
  sleeperAccess,
  T,
  thread,
  versionWord,
  WATCH_MAX,
} from './sched.ts';

/** Thrown through a thread's program when its schedule is given up. Not an `Error`: nobody should take it for one, or format it. */
export const ABORT: unique symbol = Symbol('schedule given up');

/** A thread that reads so often in a row what it has read before, unchanged, without a write of its own, is taken to spin. */
const SPIN_REPEATS = 8;

/**
 * One thread under control: every step of its program comes through here, waits for its turn, happens, and is noted. Made before the
 * locks are loaded (`installControl`), bound to a schedule's memory afterwards.
 */
export class Stepper implements Control {
  readonly granularity: 'lock' | 'atomic';
  private sched!: Sched;
  private s!: Int32Array<SharedArrayBuffer>;
  private mem!: Int32Array<SharedArrayBuffer>;
  private tid = 0;
  private t = 0;
  /** Inside a step: what it does in turn is part of it. */
  inside = false;
  /** Record of the running step. */
  private record = 0;

  readonly atomics: AtomicTable;
  readonly dataRace?: (mem: Memory, a: Addr) => number;
  readonly dataRaceStore?: (mem: Memory, a: Addr, v: number) => void;
  private readonly detector: RaceDetector | null;

  constructor(granularity: 'lock' | 'atomic', detector: RaceDetector | null = null) {
    this.granularity = granularity;
    this.detector = detector;
    this.atomics = detector === null ? NATIVE_ATOMICS : watchedAtomics(detector);
    if (detector === null) return;
    this.dataRace = (_mem, a) => detector.dataRace(a);
    this.dataRaceStore = (_mem, a, v) => detector.dataRaceStore(a, v);
  }

  bind(sched: Sched, mem: Int32Array<SharedArrayBuffer>, tid: number): void {
    this.sched = sched;
    this.s = sched.s;
    this.mem = mem;
    this.tid = tid;
    this.t = thread(tid);
  }

  /**
   * A thread's life: runs `body` once in each schedule. `prepare` is called on this thread at the start of each of its parts, and gives
   * the program of this schedule.
   */
  serve(prepare: () => () => void): void {
    // Of what a program throws only the message is kept, and a schedule that finds something is to cost no more than another.
    Error.stackTraceLimit = 0;
    for (;;) {
      awaitTurn(this.sched, this.tid, Number.POSITIVE_INFINITY);
      if (this.s[H.stop] !== 0) return;
      this.inside = false;
      try {
        prepare()();
        this.finish();
      } catch (error) {
        if (error !== ABORT) this.fail(error);
        else this.unwound(STATUS.cut);
      }
    }
  }

  begin(task: Task, op: number, a: Addr, arg: number): boolean {
    if (this.inside) return false;
    if (this.s[this.t + T.repeats] >= SPIN_REPEATS) this.relax(task);
    this.reach(task, op, a, arg);
    this.inside = true;
    return true;
  }

  end(task: Task, value: number, wrote: boolean): void {
    this.inside = false;
    const { s, record } = this;
    const op = s[record + L.op];
    // Whether it held a lock before: a writer in the queue would have mattered to it. Not how many: lock-dep's pseudo-locks are no steps.
    if (op === OP.downRead) s[record + L.arg] = this.mem[task.addr + TASK.heldCount] > 1 ? 1 : 0;
    // A write trylock that failed has changed nothing, but does not commute with readers that come and go.
    const ordered = wrote || op === OP.downWriteTrylock;
    this.note(value, ordered ? ACCESS.write : Math.min(OP_INFO[op].access, ACCESS.read), wrote);
  }

  wait(task: Task, a: Addr, expected: number, timed: boolean): 'ok' | 'not-equal' | 'timed-out' {
    const { s, t } = this;
    this.reach(task, OP.wait, a, expected);
    if (this.mem[a] !== expected) {
      this.note(0, ACCESS.read);
      return 'not-equal';
    }
    s[t + T.waiting] = 1;
    s[t + T.waitSerial] = ++s[H.waitSerial];
    s[t + T.timed] = timed ? 1 : 0;
    this.note(1, ACCESS.write);
    this.reach(task, OP.resume, a, 0);
    const notified = s[t + T.waiting] === 2;
    s[t + T.waiting] = 0;
    if (notified) s[this.record + L.cause] = s[t + T.notifiedBy];
    else s[H.timeoutsLeft]--;
    // Woken, it touches nothing: the order behind the notify is in `cause`.
    this.note(notified ? 1 : 0, notified ? ACCESS.local : ACCESS.write);
    return notified ? 'ok' : 'timed-out';
  }

  notify(task: Task, a: Addr, count: number): number {
    if (this.inside) return 0;
    const { s } = this;
    this.reach(task, OP.notify, a, Math.min(count, 0x7fffffff));
    let woken = 0;
    for (; woken < count; woken++) {
      const first = this.firstWaiter(a);
      if (first < 0) break;
      const t = thread(first);
      s[t + T.waiting] = 2;
      s[t + T.notifiedBy] = (this.record - this.sched.log) / LOG_WORDS;
    }
    this.note(woken, ACCESS.write);
    return woken;
  }

  until(task: Task, a: Addr, seen: number, timed: boolean): boolean {
    const { s, t } = this;
    s[t + T.timed] = timed ? 1 : 0;
    this.reach(task, OP.until, a, seen);
    const moved = this.mem[a] !== seen;
    if (!moved) s[H.timeoutsLeft]--;
    this.note(moved ? 1 : 0, ACCESS.read);
    return moved;
  }

  relax(task: Task): void {
    if (this.inside) return;
    this.reach(task, OP.relax, 0 as Addr, 0);
    this.s[this.t + T.repeats] = 0;
    this.s[this.t + T.watchCount] = 0;
    this.note(0, ACCESS.local);
  }

  /** Whether the schedule that runs is recorded. */
  get recording(): boolean {
    return this.s[H.recording] !== 0;
  }

  /** Names what comes next: a point of the protocol, which is never a choice. */
  label(point: number, a: number, b: number, c: number): void {
    const { s, sched } = this;
    if (s[H.recording] === 0) return;
    const at = sched.labels + s[H.labelCount] * LABEL_WORDS;
    if (at + LABEL_WORDS > sched.message) return;
    // A thread that has yet to reach its first step has been chosen for it already.
    s[at] = s[H.steps] - (s[this.t + T.status] === STATUS.fresh ? 1 : 0);
    s[at + 1] = this.tid;
    s[at + 2] = point;
    s[at + 3] = a;
    s[at + 4] = b;
    s[at + 5] = c;
    s[H.labelCount]++;
  }

  /** Publishes the step that comes next, lets the schedule choose, and returns when it is this thread's turn to do it. */
  private reach(task: Task, op: number, a: number, arg: number): void {
    const { s, t, sched, mem } = this;
    if (s[H.abort] !== 0) throw ABORT;
    if (s[t + T.status] === STATUS.fresh) this.firstStep(task, op, a, arg);
    else {
      s[t + T.op] = op;
      s[t + T.addr] = a;
      s[t + T.arg] = arg;
      this.pass();
    }
    while (op === OP.downWrite && s[t + T.addr] === a && mem[a] !== 0) {
      // Chosen although readers are inside: it joins the queue.
      s[t + T.queued] = a + 1;
      this.record = sched.log + (s[H.steps] - 1) * LOG_WORDS;
      s[this.record + L.op] = OP.queueWrite;
      this.note(0, ACCESS.write);
      this.pass();
    }
    s[t + T.queued] = 0;
    this.record = sched.log + (s[H.steps] - 1) * LOG_WORDS;
  }

  /** Before its first step a thread has been chosen by what that step is known to be; the first time of all it only says so. */
  private firstStep(task: Task, op: number, a: number, arg: number): void {
    const { s, t, sched } = this;
    s[t + T.status] = STATUS.live;
    if (s[H.priming] !== 0) {
      s[t + T.firstOp] = s[t + T.op] = op;
      s[t + T.firstAddr] = s[t + T.addr] = a;
      s[t + T.firstArg] = s[t + T.arg] = arg;
      s[t + T.task] = task.addr;
      handOver(sched, -1);
      this.park();
    } else if (s[t + T.firstOp] !== op || s[t + T.firstAddr] !== a || s[t + T.firstArg] !== arg) {
      // Not the same as ever: from the next schedule on it is asked first.
      s[t + T.eager] = 1;
      this.give(OUTCOME.diverged, s[H.steps] - 1);
    }
  }

  /** Chooses who is next, and sleeps until that is this thread. */
  private pass(): void {
    const next = choose(this.sched, this.mem);
    if (next === this.tid) return;
    if (next < 0) this.give(this.s[H.outcome], this.s[H.outcomeArg]);
    handOver(this.sched, next);
    this.park();
  }

  private park(): void {
    awaitTurn(this.sched, this.tid, Number.POSITIVE_INFINITY);
    if (this.s[H.abort] !== 0) throw ABORT;
  }

  /** The schedule is given up: this thread and all that have begun unwind. */
  private give(outcome: number, arg: number): never {
    this.s[H.outcome] = outcome;
    this.s[H.outcomeArg] = arg;
    this.s[H.abort] = 1;
    throw ABORT;
  }

  /** The step has happened: the record gets what came of it, and whoever waits for that is told. */
  private note(value: number, access: number, wrote: boolean = access === ACCESS.write): void {
    const { s, sched, record, t } = this;
    s[record + L.value] = value;
    s[record + L.access] = access;
    const addr = s[record + L.addr];
    if (wrote) {
      s[versionWord(addr)]++;
      s[t + T.repeats] = 0;
      s[t + T.watchCount] = 0;
    } else if (access !== ACCESS.local) {
      // A reader that leaves lets a trylock for writing succeed.
      if (s[record + L.op] === OP.upRead) s[versionWord(addr)]++;
      this.watch(addr);
    }
    if (s[H.sleep] !== 0) this.wakeSleepers(addr, access);
    if (this.detector !== null) this.detector.step(record);
    const picker = PICKERS[s[H.policy]];
    if (picker.ran !== undefined) picker.ran(sched, (record - sched.log) / LOG_WORDS);
  }

  /** Whoever does not commute with what happened is no longer asleep. */
  private wakeSleepers(addr: number, access: number): void {
    const { s } = this;
    for (let m = s[H.sleep]; m !== 0; m &= m - 1) {
      const tid = 31 - Math.clz32(m & -m);
      const t = thread(tid);
      if (conflicts(addr, access, s[t + T.addr], sleeperAccess(s, tid))) s[H.sleep] &= ~(1 << tid);
    }
  }

  /** Remembers a place that was read, with its version, and counts in a row what was read before and has not changed since. */
  private watch(addr: number): void {
    const { s, t } = this;
    const n = s[t + T.watchCount];
    const version = s[versionWord(addr)];
    let slot = 0;
    while (slot < n && s[t + T.watch + 2 * slot] !== addr) slot++;
    if (slot < n && s[t + T.watch + 2 * slot + 1] === version) {
      s[t + T.repeats]++;
      return;
    }
    s[t + T.repeats] = 0;
    if (slot === WATCH_MAX) slot = addr % WATCH_MAX;
    else if (slot === n) s[t + T.watchCount]++;
    s[t + T.watch + 2 * slot] = addr;
    s[t + T.watch + 2 * slot + 1] = version;
  }

  private firstWaiter(a: number): number {
    const { s, sched } = this;
    let first = -1;
    for (let tid = 0; tid < sched.threads; tid++) {
      const t = thread(tid);
      if (s[t + T.waiting] !== 1 || s[t + T.addr] !== a || s[t + T.status] !== STATUS.live) continue;
      if (first < 0 || s[t + T.waitSerial] < s[thread(first) + T.waitSerial]) first = tid;
    }
    return first;
  }

  /** The program has returned. */
  private finish(): void {
    const { s, t, sched } = this;
    // It has caught what was to unwind it.
    if (s[H.abort] !== 0) {
      this.unwound();
      return;
    }
    if (s[H.priming] !== 0) {
      // No step at all: it is chosen once, to run; or it has run already.
      s[t + T.firstOp] = OP.start;
      s[t + T.status] = STATUS.done;
      handOver(sched, -1);
      return;
    }
    if (s[t + T.status] === STATUS.fresh) this.noteStart();
    s[t + T.status] = STATUS.done;
    const next = choose(sched, this.mem);
    if (next >= 0) {
      handOver(sched, next);
      return;
    }
    if (s[H.outcome] !== OUTCOME.complete) s[H.abort] = 1;
    this.unwound();
  }

  private noteStart(): void {
    this.record = this.sched.log + (this.s[H.steps] - 1) * LOG_WORDS;
    this.note(0, ACCESS.local);
  }

  private fail(error: unknown): void {
    const { s, t, sched } = this;
    if (s[H.priming] !== 0 && s[H.abort] === 0) {
      // Before its first step: it is chosen once, to throw again.
      s[t + T.firstOp] = s[t + T.op] = OP.start;
      s[t + T.status] = STATUS.fresh;
      handOver(sched, -1);
      return;
    }
    if (s[t + T.status] === STATUS.fresh && s[H.abort] === 0) this.noteStart();
    s[t + T.status] = STATUS.done;
    if (s[H.abort] === 0) {
      s[H.abort] = 1;
      s[H.outcome] = OUTCOME.threw;
      s[H.outcomeArg] = this.tid;
      writeMessage(sched, error instanceof Error ? error.message : String(error));
    }
    this.unwound();
  }

  /** This thread is out: the next that has begun unwinds, and after the last the driver goes on. */
  private unwound(status: number = STATUS.done): void {
    const { s, t, sched } = this;
    s[t + T.status] = status;
    let next = -1;
    for (let tid = sched.threads - 1; tid >= 0; tid--) if (s[thread(tid) + T.status] === STATUS.live) next = tid;
    handOver(sched, next);
  }
}

const MESSAGE_CHARS = 1000;
function writeMessage({ s, message }: Sched, text: string): void {
  const n = Math.min(text.length, MESSAGE_CHARS);
  for (let i = 0; i < n; i++) s[message + i] = text.charCodeAt(i);
  s[H.messageLength] = n;
}
export function readMessage({ s, message }: Sched): string {
  let text = '';
  for (let i = 0; i < s[H.messageLength]; i++) text += String.fromCharCode(s[message + i]);
  return text;
}
