import { type Addr, at, type Memory } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { notify, rawCompareExchange, rawLoad, rawNotify, rawStore, wait } from '../sync/atomics.ts';
import { clearWait, publishWait, type Task, WAIT } from '../sync/task.ts';

/** How a forced order ended. */
export const GATE_OUTCOME = { running: 0, complete: 1, prevented: 2, retried: 3, ended: 4 } as const;
export type GateOutcome = (typeof GATE_OUTCOME)[keyof typeof GATE_OUTCOME];
export const GATE_OUTCOME_NAMES = [
  'running',
  'complete',
  'order-prevented',
  'retried-past-bound',
  'thread-ended',
] as const;

const MAX_STEPS = 64;
export const GATE = defineStruct('gate', {
  position: { words: 1, line: true },
  length: 1,
  outcome: 1,
  /** Step k: task id at steps + 2k, point at steps + 2k + 1. */
  steps: MAX_STEPS * 2,
});

/** A thread that waits at a gate looks again after this time, should a wake-up have been missed by a broken design. */
const SLICE_MS = 20;

export interface GateStep {
  readonly tid: number;
  readonly point: number;
}

/** Sets a forced order: the points of `steps` happen in this order, each on its thread. An empty list opens the gate. */
export function gateArm(mem: Memory, gate: Addr, steps: readonly GateStep[]): void {
  if (steps.length > MAX_STEPS) throw new RangeError(`a forced order has at most ${MAX_STEPS} steps`);
  steps.forEach((step, k) => {
    mem[gate + GATE.steps + 2 * k] = step.tid;
    mem[gate + GATE.steps + 2 * k + 1] = step.point;
  });
  mem[gate + GATE.length] = steps.length;
  mem[gate + GATE.outcome] = steps.length === 0 ? GATE_OUTCOME.complete : GATE_OUTCOME.running;
  // Last, and atomic: a thread that sees position 0 must see the steps.
  rawStore(mem, at(gate, GATE.position), 0);
}

/** Opens the gate for good: everybody who waits goes on. The first reason stays. */
export function gateOpen(mem: Memory, gate: Addr, outcome: GateOutcome): void {
  rawCompareExchange(mem, at(gate, GATE.outcome), GATE_OUTCOME.running, outcome);
  rawStore(mem, at(gate, GATE.position), mem[gate + GATE.length]);
  rawNotify(mem, at(gate, GATE.position), Number.POSITIVE_INFINITY);
}

export const gateOutcome = (mem: Memory, gate: Addr): GateOutcome =>
  rawLoad(mem, at(gate, GATE.outcome)) as GateOutcome;

/**
 * Task id for which a thread waits that arrived at step `mine`; -1 when its turn has come, whether or not it has run since. Read from
 * the gate itself, not from what the thread published when it fell asleep.
 */
export function gateBlockedOn(mem: Memory, gate: Addr, mine: number): number {
  const position = rawLoad(mem, at(gate, GATE.position));
  return position < mine ? mem[gate + GATE.steps + 2 * position] : -1;
}

/** Task id that must move next, or -1 when the order is complete or was given up. */
export function gateAwaits(mem: Memory, gate: Addr): number {
  const position = rawLoad(mem, at(gate, GATE.position));
  return position < mem[gate + GATE.length] ? mem[gate + GATE.steps + 2 * position] : -1;
}

/**
 * Called when `task` arrives at `point`: waits until every earlier step of the order has happened. Returns the step that this
 * arrival is, or -1 when the point is not part of what is left. The caller then calls `gatePass` with it.
 */
export function gateArrive(task: Task, gate: Addr, point: number): number {
  const { mem } = task;
  const word = at(gate, GATE.position);
  let position = rawLoad(mem, word);
  const length = mem[gate + GATE.length];
  let mine = -1;
  for (let k = position; k < length; k++) {
    if (mem[gate + GATE.steps + 2 * k] === task.tid && mem[gate + GATE.steps + 2 * k + 1] === point) {
      mine = k;
      break;
    }
  }
  if (mine < 0) return -1;
  if (position < mine) {
    // Not timed in the sense of the wait-for graph: the slice only guards against a lost wake-up, it never lets the thread on.
    publishWait(task, WAIT.gate, gate, mine, false);
    for (; position < mine; position = rawLoad(mem, word)) wait(task, word, position, SLICE_MS);
    clearWait(task);
  }
  return position === mine ? mine : -1;
}

/** The step has happened: lets the next one through. */
export function gatePass(task: Task, gate: Addr, step: number): void {
  const { mem } = task;
  if (step + 1 === mem[gate + GATE.length])
    rawCompareExchange(mem, at(gate, GATE.outcome), GATE_OUTCOME.running, GATE_OUTCOME.complete);
  // Compare, not store: the supervisor may have opened the gate meanwhile, and it must stay open.
  rawCompareExchange(mem, at(gate, GATE.position), step, step + 1);
  notify(task, at(gate, GATE.position), Number.POSITIVE_INFINITY);
}

/** `task` will emit no more points: when the order waits for it, the order cannot be completed and the gate opens. */
export function gateLeave(task: Task, gate: Addr): void {
  const { mem } = task;
  const position = rawLoad(mem, at(gate, GATE.position));
  const length = mem[gate + GATE.length];
  for (let k = position; k < length; k++)
    if (mem[gate + GATE.steps + 2 * k] === task.tid) {
      gateOpen(mem, gate, GATE_OUTCOME.ended);
      return;
    }
}
