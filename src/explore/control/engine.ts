import type { Memory } from '../../memory/address.ts';
import { PICKERS } from '../policies/index.ts';
import { RaceLog } from '../races/race-log.ts';
import { createRaceBuffer } from '../races/race-words.ts';
import { awaitTurn, choose, handOver, resetSched } from './choose.ts';
import {
  H,
  lowestBit,
  OUTCOME,
  type Sched,
  type ScheduleOutcome,
  STATUS,
  schedView,
  schedWords,
  T,
  thread,
} from './sched.ts';

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
  /** Of the threads in `sleepInit`, those whose next step is known to read only, or to touch nothing. */
  readonly sleepReads?: number;
  readonly sleepLocals?: number;
  /** From this step on, a step of the prefix that is not possible ends the prefix there, and the schedule goes on. */
  readonly lenientFrom?: number;
  /** What the policy is told about this schedule: at most PARAMETER_WORDS. */
  readonly parameters?: Int32Array;
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
  /** Data races are looked for: every plain access of a thread is watched. */
  readonly races?: boolean;
}

/** The buffers that an engine shares with its threads. */
export interface EngineBuffers {
  readonly sched: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  /** The race detector's, when there is one. */
  readonly races?: SharedArrayBuffer;
}

/** A double at the end must be whole. */
const arenaWords = (words: number): number => Math.ceil(words / 2) * 2;

export const createBuffers = (options: EngineOptions, words: number): EngineBuffers => ({
  sched: new SharedArrayBuffer(schedWords(options.threads, options.maxSteps) * 4),
  arena: new SharedArrayBuffer(arenaWords(words) * 4),
  ...(options.races === true ? { races: createRaceBuffer(arenaWords(words), options.threads) } : {}),
});

/**
 * Runs schedules one after the other over the same threads and the same memory. It blocks the thread that it runs on while a
 * schedule runs, so that is a worker or a process of its own, never one that has to answer somebody.
 */
export class Engine {
  readonly sched: Sched;
  readonly mem: Memory;
  /** Null when no races are looked for. */
  readonly races: RaceLog | null;
  private readonly hangMs: number;
  private readonly initial: Int32Array;
  private primed = false;
  /** Threads whose first step is not always the same, as bits. */
  private eager = 0;

  /** `setup` writes the arena's starting state, to which each schedule resets the first `resetWords`. */
  constructor(buffers: EngineBuffers, options: EngineOptions, setup: (mem: Memory) => void, resetWords?: number) {
    this.sched = schedView(buffers.sched, options.threads, options.maxSteps);
    this.mem = new Int32Array(buffers.arena);
    this.races = buffers.races === undefined ? null : new RaceLog(buffers.races, this.mem.length, options.threads);
    this.hangMs = options.hangMs;
    const { s } = this.sched;
    s[H.threads] = options.threads;
    s[H.maxSteps] = options.maxSteps;
    s[H.timeouts] = options.timeouts;
    this.initial = new Int32Array(this.mem.subarray(0, resetWords).length);
    this.restart(setup);
  }

  /** Begins again from another starting state: the same threads, for a program that reads from memory what it does. */
  restart(setup: (mem: Memory) => void): void {
    const { s, threads } = this.sched;
    for (let tid = 0; tid < threads; tid++) {
      s[thread(tid) + T.firstOp] = -1;
      s[thread(tid) + T.eager] = 0;
    }
    this.eager = 0;
    this.primed = false;
    this.mem.fill(0);
    setup(this.mem);
    this.initial.set(this.mem.subarray(0, this.initial.length));
  }

  /** Runs one schedule to its end. The log in `sched` and the arena stay as they are until the next. */
  run(request: ScheduleRequest): ScheduleOutcome {
    const { s } = this.sched;
    if (!this.primed) this.prime();
    if (s[H.outcome] === OUTCOME.hung) return OUTCOME.hung;
    const eager = this.eager;
    const outcome = this.attempt(request);
    // A thread whose first step is not the same as ever is now known: once more, with that thread asked.
    return outcome === OUTCOME.diverged && this.findEager() !== eager ? this.run(request) : outcome;
  }

  private attempt(request: ScheduleRequest): ScheduleOutcome {
    const { s, prefix } = this.sched;
    this.reset();
    for (let m = this.eager; m !== 0; m &= m - 1) this.firstStepOf(lowestBit(m));
    s[H.policy] = request.policy;
    s[H.random] = request.seed;
    s[H.sleepFrom] = request.sleepFrom ?? -1;
    s[H.sleepInit] = request.sleepInit ?? 0;
    s[H.sleepReads] = request.sleepReads ?? 0;
    s[H.sleepLocals] = request.sleepLocals ?? 0;
    s[H.lenientFrom] = request.lenientFrom ?? -1;
    s[H.recording] = request.recording === true ? 1 : 0;
    s[H.prefixLength] = request.prefix.length;
    s.set(request.prefix, prefix);
    if (request.parameters !== undefined) s.set(request.parameters, H.parameters);
    PICKERS[request.policy].start?.(this.sched);
    const first = choose(this.sched, this.mem);
    if (first >= 0) this.handOver(first);
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
    this.races?.reset();
    resetSched(this.sched);
  }

  private handOver(tid: number): void {
    handOver(this.sched, tid);
    if (!awaitTurn(this.sched, -1, this.hangMs)) this.sched.s[H.outcome] = OUTCOME.hung;
  }

  /**
   * Finds out each thread's first step, which is the same in every schedule: nothing that it could depend on has happened before it.
   * From then on a thread need not be woken to ask.
   */
  private prime(): void {
    const { s, threads } = this.sched;
    this.primed = true;
    this.reset();
    for (let tid = 0; tid < threads; tid++) {
      this.firstStepOf(tid);
      if (s[H.outcome] !== OUTCOME.running) return;
    }
    s[H.abort] = 1;
    const begun = Array.from({ length: threads }, (_, tid) => tid).find(
      (tid) => s[thread(tid) + T.status] === STATUS.live,
    );
    if (begun !== undefined) this.handOver(begun);
    this.races?.discard();
  }

  /** Lets a thread run up to its first step. */
  private firstStepOf(tid: number): void {
    const { s } = this.sched;
    s[H.priming] = 1;
    this.handOver(tid);
    s[H.priming] = 0;
  }

  private findEager(): number {
    const { s, threads } = this.sched;
    this.eager = 0;
    for (let tid = 0; tid < threads; tid++) if (s[thread(tid) + T.eager] !== 0) this.eager |= 1 << tid;
    return this.eager;
  }
}
