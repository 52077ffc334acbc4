import type { Actor } from './actor.ts';
import * as actorModule from './actor.ts';
import * as countersModule from './counters.ts';
import * as gateModule from './gate.ts';
import * as perturbModule from './perturb.ts';
import * as pointsModule from './points.ts';
import * as ringModule from './ring.ts';
import * as stallModule from './stall.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { count, MODE } = actorModule;
const { COUNTER } = countersModule;
const { GATE_OUTCOME, gateArrive, gateAwaits, gateOpen, gatePass } = gateModule;
const { perturbAt } = perturbModule;
const { POINT } = pointsModule;
const { ringWrite } = ringModule;
const { stallAt } = stallModule;

/**
 * Marks a named step of the protocol: see POINT_TABLE for the arguments. With everything off it costs one load and a branch.
 * Order matters: a delay comes before the gate (so that it may not fall between a forced step and the next), the record
 * after the gate (so that time stamps agree with the forced order).
 */
export function point(actor: Actor, p: number, a: number, b: number, c: number): void {
  if (actor.mode !== 0) pointOn(actor, p, a, b, c);
}

function pointOn(actor: Actor, p: number, a: number, b: number, c: number): void {
  const { mode } = actor;
  if ((mode & MODE.perturb) !== 0 && perturbAt(actor.mem, actor.perturb!, actor, p))
    count(actor, COUNTER['perturb.delays']);
  if ((mode & MODE.stall) !== 0 && stallAt(actor, actor.stall!, actor.control, actor.parkWord, p))
    count(actor, COUNTER['thread.stalled']);
  const step = (mode & MODE.gate) !== 0 ? gateArrive(actor, actor.gate, p) : -1;
  if ((mode & MODE.trace) !== 0) {
    ringWrite(actor.mem, actor.f64, actor.ringHead, actor.ring, actor.ringMask, p, a, b, c, actor.op);
  }
  if ((mode & MODE.label) !== 0) actor.labels!.label(p, a, b, c);
  if (step >= 0) gatePass(actor, actor.gate, step);
  else if (p === POINT['fault.retried'] && c >= RETRY_BOUND && (mode & MODE.gate) !== 0) giveUpOrder(actor);
}

/** A forced order that waits for a fault which is only refused again and again will not be completed: the gate opens. */
const RETRY_BOUND = 8;
function giveUpOrder(actor: Actor): void {
  if (gateAwaits(actor.mem, actor.gate) === actor.tid) gateOpen(actor.mem, actor.gate, GATE_OUTCOME.retried);
}
