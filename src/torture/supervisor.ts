import type { Vpn } from '../memory/address.ts';
import { at } from '../memory/address.ts';
import { mmExited } from '../mm/exit.ts';
import { munmap } from '../mm/munmap.ts';
import { extend } from '../mm/truncate.ts';
import { deregisterMr } from '../odp/memory-region.ts';
import { forEachUmem } from '../odp/ucontext.ts';
import { auditCounters } from '../oracles/counter.ts';
import { checkDeadlock, createDeadlockWatch, type DeadlockWatch } from '../oracles/deadlock.ts';
import { auditPageLists } from '../oracles/hw-sw-disagree.ts';
import { auditInactive } from '../oracles/inactive-while-idle.ts';
import { auditLeaks } from '../oracles/leak.ts';
import { checkLostWakeup, createLostWakeupWatch, type LostWakeupWatch } from '../oracles/lost-wakeup.ts';
import { auditMappings } from '../oracles/stale-mapping.ts';
import { checkWaitStarvation, createWaitMeters } from '../oracles/starvation.ts';
import { rawAdd, rawLoad, rawNotify, rawStore, rawWait } from '../sync/atomics.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { WAIT } from '../sync/task.ts';
import { count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { GATE_OUTCOME_NAMES, gateArm, gateOutcome } from '../trace/gate.ts';
import { CONTROL, PARK_FINISHED, parkAll, parkFinished, release, stopping } from '../trace/park.ts';
import { POINT } from '../trace/points.ts';
import type { World } from '../world/world.ts';
import { mapArea, reviveMm, setUpMemory } from './areas.ts';
import { createVerbRunner, runVerb, type VerbRunner } from './litmus.ts';
import { killedThreads, openThread, type RoleCell, startBarrier, type ThreadExit, type ThreadTask } from './thread.ts';

export interface SupervisorExit extends ThreadExit {
  /** A deadlock was named: threads are stuck, and the pool has to be thrown away. */
  readonly deadlocked: boolean;
  /** All threads finished and the end-of-cell oracles ran. */
  readonly quiet: boolean;
  /** Litmus: how often each outcome of the forced order was seen. */
  readonly orders: Readonly<Record<string, number>>;
  /** Litmus: why the forced order was impossible, the first time that it was; empty when it never was. */
  readonly prevented: string;
}

const TICK_MS = 10;
const DEADLOCK_MS = 50;

interface Supervision {
  readonly cell: RoleCell;
  readonly watch: DeadlockWatch;
  readonly lost: LostWakeupWatch;
  readonly leaked: Set<number>;
  readonly inactive: Set<number>;
  readonly orders: Record<string, number>;
}

/** The supervisor's whole life in one cell: memory, watch, audits, and the oracles that need everybody at rest. */
export function runSupervisor(task: ThreadTask): SupervisorExit {
  const cell = openThread(task);
  const { actor, world } = cell;
  // It takes no part in the protocol: nobody waits for it to park, and no deadlock needs it.
  parkFinished(actor, actor.control, actor.parkWord);
  setUpMemory(actor, world);
  const s: Supervision = {
    cell,
    watch: createDeadlockWatch(world.threads),
    lost: createLostWakeupWatch(world.threads),
    leaked: new Set(),
    inactive: new Set(),
    orders: {},
  };
  const started = startBarrier(cell);
  const alive = started && (world.plan.litmus === null ? superviseLoad(s) : superviseLitmus(s));
  const quiet = alive && settle(s) && finalAudit(s);
  cell.observer.finished(actor);
  return { tid: task.tid, started, deadlocked: s.watch.reported, quiet, orders: s.orders, prevented: whyPrevented(s) };
}

/** The closed set of waits in words. */
function whyPrevented({ cell, watch }: Supervision): string {
  const { world } = cell;
  return watch.prevented
    .map(({ tid, kind, addr, arg }) => {
      const on = kind === WAIT.gate ? `step ${arg + 1} of the order` : lockClassName(world.mem, addr);
      return `${world.plan.threads[tid]?.name} waits for ${on}`;
    })
    .join(', ');
}

/** One look at everybody; false when it named a deadlock. */
function look(s: Supervision): boolean {
  checkLostWakeup(s.cell.actor, s.cell.world.oracles, s.lost);
  return !checkDeadlock(s.cell.actor, s.cell.world.oracles, s.watch);
}

/** Sleeps a tick, or less when the cell is stopped. */
function tick({ cell }: Supervision): void {
  const { mem, control } = cell.world;
  rawAdd(mem, at(control, CONTROL.tick), 1);
  rawWait(mem, at(control, CONTROL.stop), 0, TICK_MS);
}

function superviseLoad(s: Supervision): boolean {
  const { actor, world } = s.cell;
  const { mem, control, plan } = world;
  const meters = createWaitMeters(world.threads);
  let nextLook = 0;
  let nextAudit = performance.now() + plan.bounds.auditIntervalMs;
  while (!stopping(mem, control)) {
    tick(s);
    checkWaitStarvation(actor, world.oracles, meters);
    const now = performance.now();
    if (now >= nextLook) {
      if (!look(s)) return false;
      nextLook = now + DEADLOCK_MS;
    }
    if (now >= nextAudit) {
      audit(s);
      nextAudit = performance.now() + plan.bounds.auditIntervalMs;
    }
  }
  return true;
}

/** Parks everybody and looks at the model; skipped, and counted so, when not all park in time. */
function audit(s: Supervision): void {
  const { actor, world } = s.cell;
  const others = world.parkWords.filter((_, tid) => tid !== actor.tid);
  if (!parkAll(world.mem, world.control, others, world.plan.bounds.parkBoundMs)) {
    count(actor, COUNTER['audit.skipped']);
    return;
  }
  quiescentAudit(s);
  release(world.mem, world.control);
}

function quiescentAudit({ cell, leaked, inactive }: Supervision): void {
  auditMappings(cell.actor, cell.world.oracles);
  auditPageLists(cell.actor, cell.world.oracles);
  auditCounters(cell.actor, cell.world.oracles, leaked);
  auditInactive(cell.actor, cell.world.oracles, inactive);
  count(cell.actor, COUNTER['audit.done']);
}

const allFinished = ({ mem, parkWords }: World): boolean =>
  parkWords.every((word) => rawLoad(mem, word) === PARK_FINISHED);

/** Waits until every thread has finished; false when a deadlock is named meanwhile. The main thread says when it has waited enough. */
function settle(s: Supervision): boolean {
  const { world } = s.cell;
  while (!allFinished(world)) {
    if (!look(s)) return false;
    rawAdd(world.mem, at(world.control, CONTROL.tick), 1);
    rawWait(world.mem, at(world.control, CONTROL.sleep), 0, 20);
  }
  return true;
}

/** Everybody has finished: a last look, then all regions go, and nothing may be left; but a killed thread owes nobody anything. */
function finalAudit(s: Supervision): boolean {
  quiescentAudit(s);
  deregisterAll(s);
  if (killedThreads(s.cell.world).length === 0) auditLeaks(s.cell.actor, s.cell.world.oracles);
  return true;
}

function deregisterAll({ cell }: Supervision): void {
  const { actor, world } = cell;
  const keys: number[] = [];
  for (const ctx of world.contexts) {
    keys.length = 0;
    forEachUmem(world.mem, ctx, (_umem, _index, key) => keys.push(key));
    for (const key of keys) deregisterMr(actor, ctx, key);
  }
}

function superviseLitmus(s: Supervision): boolean {
  const { world } = s.cell;
  const { mem, control, plan } = world;
  const litmus = plan.litmus!;
  const runner = createVerbRunner(s.cell);
  const steps = litmus.order.map((step) => ({ tid: step.tid, point: POINT[step.point] }));
  const end = performance.now() + plan.durationMs;
  for (let i = 1; i <= litmus.iterations && !stopping(mem, control) && performance.now() < end; i++) {
    for (const verb of litmus.setup) runVerb(runner, verb);
    gateArm(mem, world.gate, steps);
    rawStore(mem, at(control, CONTROL.arrived), 0);
    rawStore(mem, at(control, CONTROL.iteration), i);
    rawNotify(mem, at(control, CONTROL.iteration), Number.POSITIVE_INFINITY);
    const round = awaitPrograms(s, litmus.programs.length);
    if (round === 'deadlocked') return false;
    if (round === 'stopped') break;
    const outcome = steps.length === 0 ? 'free' : GATE_OUTCOME_NAMES[gateOutcome(mem, world.gate)];
    s.orders[outcome] = (s.orders[outcome] ?? 0) + 1;
    // Every program waits at the barrier: quiescent without parking.
    quiescentAudit(s);
    resetLitmus(s, runner);
  }
  rawStore(mem, at(control, CONTROL.stop), 1);
  rawNotify(mem, at(control, CONTROL.iteration), Number.POSITIVE_INFINITY);
  return true;
}

/**
 * Waits until all programs are through, looking for deadlocks and impossible orders on the way. `stopped`: a program saw the stop before
 * it saw this iteration, so that not all will arrive; the others have finished theirs.
 */
function awaitPrograms(s: Supervision, programs: number): 'done' | 'stopped' | 'deadlocked' {
  const { world } = s.cell;
  const { mem, control } = world;
  const word = at(control, CONTROL.arrived);
  for (;;) {
    const arrived = rawLoad(mem, word);
    if (arrived >= programs) return 'done';
    if (stopping(mem, control) && allFinished(world)) return 'stopped';
    rawAdd(mem, at(control, CONTROL.tick), 1);
    // A stuck order is seen after a few looks, so they come quickly here.
    if (rawWait(mem, word, arrived, 5) === 'timed-out' && !look(s)) return 'deadlocked';
  }
}

/** The next iteration begins as the first did: no region, memory mapped and empty, files at full size. */
function resetLitmus(s: Supervision, runner: VerbRunner): void {
  const { actor, world } = s.cell;
  deregisterAll(s);
  for (let i = 0; i < runner.numbers.size; i++) world.mem[world.litmusKeys + i] = 0;
  for (const mm of world.mm.mms) {
    if (mmExited(actor, mm)) {
      reviveMm(actor, world, mm.id);
      continue;
    }
    // All of it, not only the areas: mremap may have moved some, and a child of a fork has none.
    munmap(actor, mm, 0 as Vpn, (mm.pages - 1) as Vpn);
    for (const area of world.plan.memory.areas)
      if (area.mm === mm.id) mapArea(actor, world, area, area.at, area.at + area.pages - 1);
  }
  for (const file of world.mm.files) extend(actor, world.mm, file, file.maxPages);
}
