import { type Addr, at, type Memory, NULL_PFN } from '../../memory/address.ts';
import { createObserver, type JudgingObserver } from '../../oracles/observer.ts';
import type { OracleView } from '../../oracles/view.ts';
import type { CellPlan } from '../../scenario/plan.ts';
import { rawStore } from '../../sync/atomics.ts';
import { createVerbRunner, runVerb } from '../../torture/litmus.ts';
import { loadStrategyOf } from '../../torture/strategy-file.ts';
import { MODE } from '../../trace/actor.ts';
import { injectReset } from '../../trace/inject.ts';
import { CONTROL } from '../../trace/park.ts';
import { mixSeed } from '../../trace/random.ts';
import { attachThread } from '../../world/actor.ts';
import { attachWorld } from '../../world/world.ts';
import type { Stepper } from '../control/stepper.ts';
import { exploringPlan, litmusLayout } from './litmus-plan.ts';
import { guardProgram } from './program-guard.ts';
import type { SubjectThread } from './subject.ts';

/** The same with the strategy that it needs: a user's own is loaded here, when the thread is under control, and its hooks are guarded. */
export async function openLitmusThread(
  plan: CellPlan,
  mem: Memory,
  tid: number,
  stepper: Stepper,
): Promise<SubjectThread> {
  if (plan.strategyFile === undefined) return litmusThread(plan, mem, tid, stepper);
  // Before the file is loaded: what it takes from `Atomics` and the like is guarded then.
  const guard = guardProgram(mem, 'theirs');
  await loadStrategyOf(plan, (body, name) => guard.run(body, name));
  const thread = litmusThread(plan, mem, tid, stepper);
  return {
    prepare() {
      // What a hook throws is told with its place.
      Error.stackTraceLimit = PLACE_FRAMES;
      return thread.prepare();
    },
  };
}

const PLACE_FRAMES = 20;

/**
 * One program thread of a litmus: in each schedule it runs its verbs once, by the same functions as on free threads. What it keeps
 * outside of the arena starts anew each time, so that a schedule depends on nothing but its choices.
 */
export function litmusThread(given: CellPlan, mem: Memory, tid: number, stepper: Stepper): SubjectThread {
  const plan = exploringPlan(given);
  // What the oracles look at is not the program's: they have the arena itself, and `mem` may be watched for data races.
  const world = { ...attachWorld(plan, mem.buffer), mem };
  const stop = at(litmusLayout(plan).controlOf(tid) as Addr, CONTROL.stop);
  const observer = explorersObserver(world.oracles, stop);
  const control = at(stop, -CONTROL.stop);
  const cell = attachThread(world, tid, 0, { observer, control, labels: stepper });
  const { actor } = cell;
  const runner = createVerbRunner(cell);
  const program = plan.litmus!.programs[tid]!;
  const run = (): void => {
    for (const verb of program) runVerb(runner, verb);
    observer.finished(actor);
  };
  return {
    prepare() {
      observer.reset();
      rawStore(mem, stop, 0);
      actor.mode = stepper.recording ? MODE.label : 0;
      actor.rng = mixSeed(plan.seed, tid);
      if (actor.lockDep !== null) {
        actor.lockDep.subclass = 0;
        actor.lockDep.nest = 0;
      }
      if (actor.inject !== null) injectReset(actor.inject);
      actor.op = 0;
      actor.gupPfn = NULL_PFN;
      actor.gupGeneration = 0;
      actor.gupIdentity = 0;
      return run;
    },
  };
}

/**
 * The oracles of a thread, with an end to a fault that is refused for ever. `stop` is this thread's own word: what another thread
 * does must not depend on it.
 */
function explorersObserver(view: OracleView, stop: Addr): JudgingObserver {
  const judging = createObserver(view);
  return {
    ...judging,
    faultRefused(actor, umem, vpn, attempt, opportunities) {
      judging.faultRefused(actor, umem, vpn, attempt, opportunities);
      if (attempt >= view.bounds.starvationAttempts) rawStore(view.mem, stop, 1);
    },
  };
}
