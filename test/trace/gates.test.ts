import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { contextCount } from '../../src/strategies/context-count.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import { type Actor, MODE } from '../../src/trace/actor.ts';
import {
  GATE,
  GATE_OUTCOME,
  GATE_OUTCOME_NAMES,
  type GateStep,
  gateArm,
  gateAwaits,
  gateBlockedOn,
  gateLeave,
  gateOpen,
  gateOutcome,
} from '../../src/trace/gate.ts';
import { point } from '../../src/trace/point.ts';
import { POINT, type PointName } from '../../src/trace/points.ts';
import { randomBelow } from '../../src/trace/random.ts';
import { type Bed, createBed } from '../oracles/fixture.ts';
import { type Step, startThread, withThreads } from '../oracles/threads.ts';

const A: PointName = 'umem.inserted';
const B: PointName = 'section.started';
const C: PointName = 'fault.committed';

/** A bed, and its actors with their gates on. */
function gated(steps: readonly (readonly [number, PointName])[]): { bed: Bed; actors: Actor[] } {
  const bed = createBed(contextCount);
  const order: GateStep[] = steps.map(([tid, p]) => ({ tid, point: POINT[p] }));
  gateArm(bed.world.mem, bed.world.gate, order);
  return { bed, actors: bed.actors.map((a) => ({ ...a, perturb: null, mode: MODE.trace | MODE.gate })) };
}
const position = (bed: Bed): number => bed.world.mem[bed.world.gate + GATE.position]!;
const outcome = (bed: Bed): string => GATE_OUTCOME_NAMES[gateOutcome(bed.world.mem, bed.world.gate)]!;
const pass = (actor: Actor, p: PointName, c = 0): void => point(actor, POINT[p], 1, 2, c);

describe('a gate on one thread', () => {
  it('counts the steps of the order as they happen, and no other points', () => {
    const { bed, actors } = gated([
      [0, A],
      [1, B],
      [0, A],
    ]);
    const awaits = () => gateAwaits(bed.world.mem, bed.world.gate);
    pass(actors[2]!, A);
    pass(actors[0]!, C);
    expect([position(bed), outcome(bed), awaits()]).toEqual([0, 'running', 0]);
    pass(actors[0]!, A);
    expect([position(bed), awaits()]).toEqual([1, 1]);
    pass(actors[1]!, B);
    pass(actors[1]!, B);
    expect([position(bed), outcome(bed)]).toEqual([2, 'running']);
    pass(actors[0]!, A);
    expect([position(bed), outcome(bed), awaits()]).toEqual([3, 'complete', -1]);
    pass(actors[0]!, A);
    expect(position(bed)).toBe(3);
  });

  it('of an empty order is open', () => {
    const { bed, actors } = gated([]);
    pass(actors[0]!, A);
    expect([position(bed), outcome(bed)]).toEqual([0, 'complete']);
  });

  it('can be armed again', () => {
    const { bed, actors } = gated([[0, A]]);
    pass(actors[0]!, A);
    gateArm(bed.world.mem, bed.world.gate, [{ tid: 1, point: POINT[B] }]);
    expect(outcome(bed)).toBe('running');
    pass(actors[0]!, A);
    expect(position(bed)).toBe(0);
    pass(actors[1]!, B);
    expect(outcome(bed)).toBe('complete');
  });

  it('opens when a thread leaves that the order still waits for', () => {
    const { bed, actors } = gated([
      [0, A],
      [1, B],
      [0, C],
    ]);
    pass(actors[0]!, A);
    gateLeave(actors[2]!, bed.world.gate);
    expect(outcome(bed)).toBe('running');
    // Not its turn, but without it the order will never be complete.
    gateLeave(actors[0]!, bed.world.gate);
    expect([position(bed), outcome(bed)]).toEqual([3, 'thread-ended']);
    pass(actors[1]!, B);
    expect(outcome(bed)).toBe('thread-ended');
  });

  it('does not mind a thread that leaves after its last step', () => {
    const { bed, actors } = gated([
      [0, A],
      [1, B],
    ]);
    pass(actors[0]!, A);
    gateLeave(actors[0]!, bed.world.gate);
    pass(actors[1]!, B);
    gateLeave(actors[1]!, bed.world.gate);
    expect(outcome(bed)).toBe('complete');
  });

  it('opens when the awaited fault is refused past its bound, and only for the awaited one', () => {
    const { bed, actors } = gated([
      [0, C],
      [1, B],
    ]);
    for (let attempt = 1; attempt <= 40; attempt++) pass(actors[1]!, 'fault.retried', attempt);
    for (let attempt = 1; attempt < 8; attempt++) pass(actors[0]!, 'fault.retried', attempt);
    expect(outcome(bed)).toBe('running');
    pass(actors[0]!, 'fault.retried', 8);
    expect([position(bed), outcome(bed)]).toEqual([2, 'retried-past-bound']);
  });

  it('keeps the first reason for which it was opened', () => {
    const { bed } = gated([[0, A]]);
    gateOpen(bed.world.mem, bed.world.gate, GATE_OUTCOME.prevented);
    gateOpen(bed.world.mem, bed.world.gate, GATE_OUTCOME.ended);
    expect(outcome(bed)).toBe('order-prevented');
  });

  it('has room for 64 steps', () => {
    const steps = Array.from({ length: 64 }, () => [0, A] as const);
    const { bed, actors } = gated(steps);
    for (let i = 0; i < 64; i++) pass(actors[0]!, A);
    expect(outcome(bed)).toBe('complete');
    expect(() => gated([...steps, [0, A]])).toThrow(/64/);
  });
});

describe('a gate on real threads', () => {
  it('forces any order of their points', async () => {
    const rng = { rng: 20240229 };
    for (let round = 0; round < 3; round++) {
      const bed = createBed(contextCount);
      // Each thread passes A as often as it stands in the order; the order itself is drawn.
      const order = Array.from({ length: 30 }, () => randomBelow(rng, 3));
      gateArm(
        bed.world.mem,
        bed.world.gate,
        order.map((tid) => ({ tid, point: POINT[A] })),
      );
      const threads = [0, 1, 2].map((tid) => {
        const mine = order.flatMap((t, step): Step[] => (t === tid ? [['point', POINT[A], step]] : []));
        return startThread(bed, tid, mine);
      });
      await withThreads(threads, async () => {
        await Promise.all(threads.map((t) => t.ended));
        expect(outcome(bed), `round ${round}`).toBe('complete');
        expect(position(bed)).toBe(30);
      });
    }
  });

  it('holds a thread until its turn, and says for whom it waits', async () => {
    const { bed, actors } = gated([
      [1, A],
      [2, B],
      [0, C],
    ]);
    const thread = startThread(bed, 0, [['point', POINT[C]]]);
    await withThreads([thread], async () => {
      const { mem, taskAddr } = bed.world;
      await thread.sleepsIn(WAIT.gate);
      const step = mem[taskAddr(0) + TASK.waitArg]!;
      expect(step).toBe(2);
      expect(gateBlockedOn(mem, bed.world.gate, step)).toBe(1);
      pass(actors[1]!, A);
      expect(gateBlockedOn(mem, bed.world.gate, step)).toBe(2);
      await sleep(5);
      expect(thread.done()).toBe(0);
      pass(actors[2]!, B);
      await thread.ended;
      expect(gateBlockedOn(mem, bed.world.gate, step)).toBe(-1);
      expect(outcome(bed)).toBe('complete');
    });
  });

  it('lets everybody go when it is opened, and stays open', async () => {
    const { bed } = gated([
      [3, A],
      [0, B],
      [1, B],
    ]);
    const steps: Step[] = [['point', POINT[B]], ['point', POINT[B]], ['leave']];
    const threads = [0, 1].map((tid) => startThread(bed, tid, steps));
    await withThreads(threads, async () => {
      for (const t of threads) await t.sleepsIn(WAIT.gate);
      gateOpen(bed.world.mem, bed.world.gate, GATE_OUTCOME.prevented);
      await Promise.all(threads.map((t) => t.ended));
      expect([position(bed), outcome(bed)]).toEqual([3, 'order-prevented']);
    });
  });
});
