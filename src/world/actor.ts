import { type Addr, at } from '../memory/address.ts';
import { createLockSink } from '../oracles/lock-order.ts';
import { createObserver, type JudgingObserver } from '../oracles/observer.ts';
import { createLockDep } from '../sync/lock-dep.ts';
import { DEFAULT_SPINS } from '../sync/task.ts';
import { type Actor, createActor, type Labels, MODE } from '../trace/actor.ts';
import { createInject } from '../trace/inject.ts';
import { TRACE_HOOKS } from '../trace/lock-hooks.ts';
import { createFullLockStat, type StatThreads, statRows } from '../trace/lock-stat.ts';
import { CONTROL } from '../trace/park.ts';
import { createPerturb } from '../trace/perturb.ts';
import { mixSeed } from '../trace/random.ts';
import { RING_HEAD } from '../trace/ring.ts';
import { createStall } from '../trace/stall.ts';
import type { World } from './world.ts';

/** What one thread of a cell works with. */
export interface ThreadCell {
  readonly world: World;
  readonly actor: Actor;
  readonly observer: JudgingObserver;
}

/** What an explored thread has of its own. */
export interface ThreadOptions {
  readonly observer?: JudgingObserver;
  /** CONTROL words that only this thread looks at. */
  readonly control?: Addr;
  readonly labels?: Labels | null;
}

const statThreads = ({ oracles, ringHead, ring }: World): StatThreads => ({
  roles: oracles.roles,
  ringHead,
  ring,
  ringMask: oracles.ringMask,
});

/**
 * Makes thread `tid`'s actor. `epochMs` is the zero of its clock, as `hrtimeMs` tells it. The random stream depends only on
 * the cell's seed and the tid.
 */
export function attachThread(
  world: World,
  tid: number,
  epochMs: number,
  { observer = createObserver(world.oracles), control = world.control, labels = null }: ThreadOptions = {},
): ThreadCell {
  const { plan } = world;
  const thread = plan.threads[tid];
  // It makes and takes away what the others work on: nothing fails or stands still in it.
  const supervisor = thread === undefined || thread.role === 'supervisor';
  const stalls = plan.stall !== undefined && !supervisor;
  const perturbed = plan.perturb !== null && !supervisor;
  const gated = plan.litmus !== null && plan.litmus.order.length > 0 && !supervisor;
  const mode =
    (plan.trace.on ? MODE.trace : 0) |
    (perturbed ? MODE.perturb : 0) |
    (gated ? MODE.gate : 0) |
    (stalls ? MODE.stall : 0);
  const actor = createActor({
    mem: world.mem,
    tid,
    addr: world.taskAddr(tid),
    hooks: mode === 0 && plan.lockStat === undefined ? null : TRACE_HOOKS,
    lockDep:
      world.lockDep === 0
        ? null
        : createLockDep({
            // The arena itself: `world.mem` may be watched for data races.
            mem: world.oracles.mem,
            graph: world.lockDep,
            held: world.lockDepHeld[tid]!,
            sink: createLockSink(world.oracles),
          }),
    spins: plan.lockSpins ?? DEFAULT_SPINS,
    f64: world.f64,
    counters: world.counters[tid]!,
    histograms: world.histograms[tid]!,
    contention: world.contention[tid]!,
    ...(plan.lockStat === undefined
      ? {}
      : {
          lockStat: {
            f64: world.f64,
            rows: statRows(world.contention[tid]!),
            me: tid + 1,
          },
        }),
    ...(world.lockFull.length === 0 ? {} : { lockHold: createFullLockStat(world.lockFull[tid]!, statThreads(world)) }),
    ringHead: world.ringHead(tid),
    ring: world.ring(tid),
    ringMask: world.oracles.ringMask,
    gate: world.gate,
    control,
    parkWord: world.parkWords[tid]!,
    perturb: perturbed ? createPerturb(plan.perturb!, plan.seed, at(world.control, CONTROL.sleep)) : null,
    stall: stalls ? createStall(plan.stall!, plan.seed, tid) : null,
    inject: supervisor ? null : createInject(plan.inject, plan.seed, tid, [thread.role, thread.name], world.inject),
    observer,
    labels,
    mode,
    seed: mixSeed(plan.seed, tid),
  });
  world.f64[(actor.ringHead + RING_HEAD.epoch) >>> 1] = epochMs;
  return { world, actor, observer };
}
