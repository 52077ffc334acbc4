import { type Addr, at, type Memory } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { rawAdd, rawLoad, rawNotify, rawStore, rawWait } from '../sync/atomics.ts';
import { clearWait, publishWait, type Task, WAIT } from '../sync/task.ts';

/**
 * What runs a cell from outside the protocol: start, stop and quiescent points. None of it is scheduled, recorded or counted
 * as a step of the model.
 */
export const CONTROL = defineStruct('control', {
  /** Threads that have reached the start barrier. */
  ready: { words: 1, line: true },
  /** 0 before the start, then 1; -1: the start was given up. */
  go: { words: 1, line: true },
  /** When the barrier opened, a double in milliseconds since the epoch that came with the tasks: the zero of the cell's clock. */
  startedAt: { words: 2, line: true },
  /** 1: finish the running operation and return. */
  stop: { words: 1, line: true },
  /** Odd: everybody parks at the next quiescent point; each park or release adds 1. */
  parkEpoch: { words: 1, line: true },
  /** Rises with each arrival at a park point; the supervisor sleeps on it. */
  parked: { words: 1, line: true },
  /** Rises with each look of the supervisor: the reference tick against which others' time is judged. */
  tick: { words: 1, line: true },
  /** Litmus: number of the iteration that may run; threads wait for it to rise. */
  iteration: { words: 1, line: true },
  /** Litmus: threads that have finished the iteration. */
  arrived: { words: 1, line: true },
  /** A word that nobody writes: the place to sleep for a time. */
  sleep: { words: 1, line: true },
  /** Threads that the scenario has stopped at a point: see stall.ts. */
  stalls: { words: 1, line: true },
});

export const stopping = (mem: Memory, control: Addr): boolean => rawLoad(mem, at(control, CONTROL.stop)) !== 0;

/** True when the supervisor wants everybody at a quiescent point. */
export const parkRequested = (mem: Memory, control: Addr): boolean =>
  (rawLoad(mem, at(control, CONTROL.parkEpoch)) & 1) !== 0;

/** What each thread says of itself to the supervisor. */
export const PARK_TASK = defineStruct('park_task', {
  /** The epoch for which it is parked, or PARK_FINISHED. */
  parked: { words: 1, line: true },
  /** Rises at each quiescent point: a thread whose serial stands still makes no progress. */
  serial: { words: 1, line: true },
  /** A registration or removal under way: the range that it waits for; `kind` 0: none. */
  kind: 1,
  start: 1,
  last: 1,
  mm: 1,
  /** 1 while the scenario has stopped it at a point: see stall.ts. */
  stalled: 1,
});
export const WAITING_OP = { none: 0, register: 1, deregister: 2 } as const;

/** Says that a registration or removal of a range has begun, so that the supervisor can see it starve. */
export function opBegin(mem: Memory, parkWord: Addr, kind: number, mm: number, start: number, last: number): void {
  mem[parkWord + PARK_TASK.start] = start;
  mem[parkWord + PARK_TASK.last] = last;
  mem[parkWord + PARK_TASK.mm] = mm;
  mem[parkWord + PARK_TASK.serial] = (mem[parkWord + PARK_TASK.serial] + 1) | 0;
  mem[parkWord + PARK_TASK.kind] = kind;
}
export function opEnd(mem: Memory, parkWord: Addr): void {
  mem[parkWord + PARK_TASK.kind] = WAITING_OP.none;
}

/** In a thread's park word: it will never park again, because it has finished or is dead. */
export const PARK_FINISHED = -1;

/**
 * A quiescent point: the caller is between operations, or between two attempts of a fault, and holds nothing. Sleeps here while
 * the supervisor looks at the model. The thread says for *which* epoch it is parked: a count would take a late arrival of an
 * epoch that was given up for an arrival of the next one.
 */
export function parkPoint(task: Task, control: Addr, parkWord: Addr): void {
  const { mem } = task;
  const word = at(control, CONTROL.parkEpoch);
  mem[parkWord + PARK_TASK.serial] = (mem[parkWord + PARK_TASK.serial] + 1) | 0;
  let epoch = rawLoad(mem, word);
  while ((epoch & 1) !== 0) {
    publishWait(task, WAIT.park, control, 0, true);
    rawStore(mem, parkWord, epoch);
    rawAdd(mem, at(control, CONTROL.parked), 1);
    rawNotify(mem, at(control, CONTROL.parked), 1);
    while (rawLoad(mem, word) === epoch) rawWait(mem, word, epoch, 1000);
    clearWait(task);
    epoch = rawLoad(mem, word);
  }
}

/** Says that this thread will never park again. */
export function parkFinished(task: Task, control: Addr, parkWord: Addr): void {
  rawStore(task.mem, parkWord, PARK_FINISHED);
  rawAdd(task.mem, at(control, CONTROL.parked), 1);
  rawNotify(task.mem, at(control, CONTROL.parked), 1);
}

/**
 * Supervisor: asks the threads behind `parkWords` to park and waits at most `boundMs`. Returns true when everybody is parked or
 * finished, and `release` must follow; on false nobody stays parked.
 */
export function parkAll(mem: Memory, control: Addr, parkWords: readonly Addr[], boundMs: number): boolean {
  const epoch = rawAdd(mem, at(control, CONTROL.parkEpoch), 1) + 1;
  const end = performance.now() + boundMs;
  for (;;) {
    const arrivals = rawLoad(mem, at(control, CONTROL.parked));
    let missing = 0;
    for (const word of parkWords) {
      const at = rawLoad(mem, word);
      if (at !== epoch && at !== PARK_FINISHED) missing++;
    }
    if (missing === 0) return true;
    const left = end - performance.now();
    if (left <= 0) break;
    rawWait(mem, at(control, CONTROL.parked), arrivals, left);
  }
  release(mem, control);
  return false;
}

/** Supervisor: lets everybody go on. */
export function release(mem: Memory, control: Addr): void {
  rawAdd(mem, at(control, CONTROL.parkEpoch), 1);
  rawNotify(mem, at(control, CONTROL.parkEpoch), Number.POSITIVE_INFINITY);
}
