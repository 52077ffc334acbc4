import type { Memory } from '../memory/address.ts';
import { awaitTurn, choose, handOver, resetSched } from './choose.ts';
import { PICKERS } from './policies/index.ts';
import { H, OUTCOME, type Sched, type ScheduleOutcome, STATUS, schedView, schedWords, T, thread } from './sched.ts';

/** How one schedule is to be run. */
export interface ScheduleRequest {
  /** Tids of the first steps; what follows is up to the policy. */
  readonly prefix: ArrayLike<number>;
  /** Index into PICKERS. */
  readonly policy: number;
  /** 32 bits, not 0. */
  readonly seed: number;
  /** At step `sleepFrom` the sleep set becomes `sleepInit`: see sched.ts. */
  readonly sleepFrom?: number;
  readonly sleepInit?: number;
  /** Labels are recorded: for timelines, not for searches. */
  readonly recording?: boolean;
}

/** What an engine needs from whoever has started its threads. */
export interface EngineOptions {
  readonly threads: number;
  readonly maxSteps: number;
  /** Time-outs that a schedule may take although somebody else could run. */
  readonly timeouts: number;
  /** One step may take this long before its thread is taken to block where the scheduler cannot see it, milliseconds. */
  readonly hangMs: number;
}

/** The buffers that an engine shares with its threads. */
export interface EngineBuffers {
  readonly sched: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
}

export const createBuffers = (options: EngineOptions, words: number): EngineBuffers => ({
  sched: new SharedArrayBuffer(schedWords(options.threads, options.maxSteps) * 4),
  // A double at the end must be whole.
  arena: new SharedArrayBuffer(Math.ceil(words / 2) * 8),
});

/** The first turn of a thread: it may still be loading its modules. */
const FIRST_TURN_MS = 60_000;

/**
 * Runs schedules one after the other over the same threads and the same memory. It blocks the thread that it runs on while a
 * schedule runs, so that is a worker or a process of its own, never one that has to answer somebody.
 */
export class Engine {
  readonly sched: Sched;
  readonly mem: Memory;
  private readonly hangMs: number;
  private readonly initial: Int32Array;
  private primed = false;

  /** `setup` writes the arena's starting state. */
  constructor(buffers: EngineBuffers, options: EngineOptions, setup: (mem: Memory) => void) {
    this.sched = schedView(buffers.sched, options.threads, options.maxSteps);
    this.mem = new Int32Array(buffers.arena);
    this.hangMs = options.hangMs;
    const { s } = this.sched;
    s[H.threads] = options.threads;
    s[H.maxSteps] = options.maxSteps;
    s[H.timeouts] = options.timeouts;
    for (let tid = 0; tid < options.threads; tid++) s[thread(tid) + T.firstOp] = -1;
    setup(this.mem);
    this.initial = Int32Array.from(this.mem);
  }

  /** Runs one schedule to its end. The log in `sched` and the arena stay as they are until the next. */
  run(request: ScheduleRequest): ScheduleOutcome {
    const { s, prefix } = this.sched;
    if (!this.primed) this.prime();
    if (s[H.outcome] === OUTCOME.hung) return OUTCOME.hung;
    this.reset();
    s[H.policy] = request.policy;
    s[H.random] = request.seed;
    s[H.sleepFrom] = request.sleepFrom ?? -1;
    s[H.sleepInit] = request.sleepInit ?? 0;
    s[H.recording] = request.recording === true ? 1 : 0;
    s[H.prefixLength] = request.prefix.length;
    s.set(request.prefix, prefix);
    PICKERS[request.policy].start?.(this.sched);
    const first = choose(this.sched, this.mem);
    if (first >= 0) this.handOver(first, this.hangMs);
    return s[H.outcome] as ScheduleOutcome;
  }

  /** Ends the threads' loops. */
  stop(): void {
    const { s } = this.sched;
    Atomics.store(s, H.stop, 1);
    for (let tid = 0; tid < this.sched.threads; tid++) handOver(this.sched, tid);
  }

  private reset(): void {
    this.mem.set(this.initial);
    resetSched(this.sched);
  }

  private handOver(tid: number, ms: number): void {
    handOver(this.sched, tid);
    if (!awaitTurn(this.sched, -1, ms)) this.sched.s[H.outcome] = OUTCOME.hung;
  }

  /**
   * Finds out each thread's first step, which is the same in every schedule: nothing that it could depend on has happened before it.
   * From then on a thread need not be woken to ask.
   */
  private prime(): void {
    const { s, threads } = this.sched;
    this.primed = true;
    this.reset();
    s[H.priming] = 1;
    for (let tid = 0; tid < threads; tid++) {
      this.handOver(tid, FIRST_TURN_MS);
      if (s[H.outcome] !== OUTCOME.running) return;
    }
    s[H.abort] = 1;
    const begun = Array.from({ length: threads }, (_, tid) => tid).find(
      (tid) => s[thread(tid) + T.status] === STATUS.live,
    );
    if (begun !== undefined) this.handOver(begun, this.hangMs);
    s[H.priming] = 0;
  }
}
