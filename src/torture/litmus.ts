import { MKEY, mkeyAddr } from '../hca/device.ts';
import { createDmaAccess, dmaAccess } from '../hca/dma.ts';
import { at, type Vpn } from '../memory/address.ts';
import { collapse } from '../mm/collapse.ts';
import { punchHole } from '../mm/fallocate.ts';
import { cpuAccess } from '../mm/fault.ts';
import { fork } from '../mm/fork.ts';
import { madviseDontneed } from '../mm/madvise.ts';
import { migrateRange } from '../mm/migrate.ts';
import { mprotect } from '../mm/mprotect.ts';
import { mremap } from '../mm/mremap.ts';
import { munmap } from '../mm/munmap.ts';
import { oomReap } from '../mm/oom-reaper.ts';
import { OUTCOME, type Outcome } from '../mm/outcome.ts';
import { pagemapScan } from '../mm/pagemap-scan.ts';
import { reclaimRange } from '../mm/reclaim.ts';
import { extend, truncate } from '../mm/truncate.ts';
import { mmput } from '../mm/users.ts';
import { handlePageFault, prefetchMr } from '../odp/fault-engine.ts';
import { deregisterMr, registerMr } from '../odp/memory-region.ts';
import type { LitmusPlan, VerbPlan } from '../scenario/plan.ts';
import { VERBS } from '../scenario/plan.ts';
import { load, rawAdd, rawLoad, rawNotify, rawStore, rawWait, store } from '../sync/atomics.ts';
import { clearWait, publishWait, WAIT } from '../sync/task.ts';
import { gateLeave } from '../trace/gate.ts';
import type { DmaAccess } from '../trace/observer.ts';
import { CONTROL, stopping } from '../trace/park.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import type { ThreadCell } from '../world/actor.ts';
import { mapArea } from './areas.ts';
import { finishThread, openThread, startBarrier, type ThreadExit, type ThreadTask } from './thread.ts';

/** Number of each range that a litmus names: where its key is kept. Every thread computes the same. */
export function rangeNumbers(litmus: LitmusPlan): ReadonlyMap<string, number> {
  const names = new Set<string>();
  for (const verbs of [litmus.setup, ...litmus.programs]) for (const { target } of verbs) names.add(target);
  return new Map([...names].sort().map((name, i) => [name, i]));
}

/**
 * The ranges whose keys one program may read while another writes them. Only of these is the look at the key a step of a controlled
 * run; all others are a program's own affair.
 */
export function sharedRanges(litmus: LitmusPlan): ReadonlySet<string> {
  const users = new Map<string, Set<number>>();
  litmus.programs.forEach((verbs, tid) => {
    for (const { target } of verbs) users.set(target, (users.get(target) ?? new Set()).add(tid));
  });
  return new Set([...users].filter(([, tids]) => tids.size > 1).map(([name]) => name));
}

/** A thread that runs verbs. */
export interface VerbRunner {
  readonly cell: ThreadCell;
  readonly numbers: ReadonlyMap<string, number>;
  readonly shared: ReadonlySet<string>;
  readonly access: DmaAccess;
}
export const createVerbRunner = (cell: ThreadCell): VerbRunner => ({
  cell,
  numbers: rangeNumbers(cell.world.plan.litmus!),
  shared: sharedRanges(cell.world.plan.litmus!),
  access: createDmaAccess(),
});

/** Runs one verb and marks it in the trace. */
export function runVerb(runner: VerbRunner, verb: VerbPlan): void {
  const { actor } = runner.cell;
  const number = VERBS.indexOf(verb.verb);
  actor.op = (actor.op + 1) | 0;
  point(actor, POINT['verb.begin'], number, verb.start, verb.last);
  const outcome = perform(runner, verb);
  point(actor, POINT['verb.end'], number, outcome, 0);
}

function perform(runner: VerbRunner, verb: VerbPlan): Outcome {
  const { world, actor } = runner.cell;
  const mm = world.mm.mms[verb.mm]!;
  const start = verb.start as Vpn;
  const last = verb.last as Vpn;
  switch (verb.verb) {
    case 'madvise':
      return madviseDontneed(actor, mm, start, last);
    case 'munmap':
      return munmap(actor, mm, start, last);
    case 'mmap':
      return remap(runner, verb);
    case 'truncate':
      return truncate(actor, world.mm, world.mm.files[verb.file]!, verb.start);
    case 'extend':
      return extend(actor, world.mm, world.mm.files[verb.file]!, verb.start);
    case 'register':
    case 'deregister':
      return registration(runner, verb);
    case 'punch-hole':
      return punchHole(actor, world.mm, world.mm.files[verb.file]!, verb.start, verb.last);
    case 'mprotect':
      return mprotect(actor, mm, start, last, verb.to === 1);
    case 'mremap':
      return mremap(actor, mm, start, last, verb.to as Vpn);
    case 'fork':
      return fork(actor, mm, world.mm.mms[verb.to!]!, start, last);
    case 'reclaim':
      reclaimRange(actor, mm, start, last);
      return OUTCOME.ok;
    case 'migrate':
      migrateRange(actor, mm, start, last);
      return OUTCOME.ok;
    case 'oom-reap':
      return oomReap(actor, mm, start, last);
    case 'exit':
      mmput(actor, mm);
      return OUTCOME.ok;
    case 'collapse':
      return collapse(actor, mm, start, last);
    case 'pagemap-scan':
      return pagemapScan(actor, mm, start, last);
    case 'read':
    case 'write':
      return eachPage(verb, (vpn) => cpuAccess(actor, mm, vpn as Vpn, verb.verb === 'write'));
    default:
      return device(runner, verb);
  }
}

/** The last outcome that was not ok. */
function eachPage(verb: VerbPlan, action: (vpn: number) => Outcome): Outcome {
  let worst: Outcome = OUTCOME.ok;
  for (let vpn = verb.start; vpn <= verb.last; vpn++) {
    const outcome = action(vpn);
    if (outcome !== OUTCOME.ok) worst = outcome;
  }
  return worst;
}

function remap({ cell }: VerbRunner, verb: VerbPlan): Outcome {
  const { world, actor } = cell;
  return eachPage(verb, (vpn) => {
    const area = world.plan.memory.areas.find((a) => a.mm === verb.mm && vpn >= a.at && vpn < a.at + a.pages);
    return area === undefined ? OUTCOME.einval : mapArea(actor, world, area, vpn, vpn);
  });
}

const keyAddr = (runner: VerbRunner, verb: VerbPlan) =>
  at(runner.cell.world.litmusKeys, runner.numbers.get(verb.target)!);

function keyOf(runner: VerbRunner, verb: VerbPlan): number {
  const { actor } = runner.cell;
  const word = keyAddr(runner, verb);
  return runner.shared.has(verb.target) ? load(actor, word) : rawLoad(actor.mem, word);
}

function setKey(runner: VerbRunner, verb: VerbPlan, key: number): void {
  const { actor } = runner.cell;
  const word = keyAddr(runner, verb);
  if (runner.shared.has(verb.target)) store(actor, word, key);
  else rawStore(actor.mem, word, key);
}

function registration(runner: VerbRunner, verb: VerbPlan): Outcome {
  const { world, actor } = runner.cell;
  const ctx = world.contexts[verb.mm]!;
  if (verb.verb === 'register') {
    const key = registerMr(actor, ctx, world.plan.era, verb.start as Vpn, verb.last - verb.start + 1);
    setKey(runner, verb, key);
    return key === 0 ? OUTCOME.enomem : OUTCOME.ok;
  }
  const key = keyOf(runner, verb);
  setKey(runner, verb, 0);
  return key === 0 ? OUTCOME.einval : deregisterMr(actor, ctx, key);
}

/**
 * A key that the adapter has before the registration has returned it, or 0: a peer may guess it. Only under the known bug that publishes
 * keys early is there anything to be found, so that nobody else's schedules get longer.
 */
function earlyKey({ cell }: VerbRunner, verb: VerbPlan): number {
  const { world, actor } = cell;
  const { hca } = world;
  if (world.contexts[verb.mm]!.steps.publish !== 'key-first') return 0;
  for (let index = 1; index < hca.mkeys; index++) {
    const mkey = mkeyAddr(hca, index);
    const key = load(actor, at(mkey, MKEY.key));
    if (key !== 0 && world.mem[mkey + MKEY.start] === verb.start) return key;
  }
  return 0;
}

/** Verbs of the adapter; on a range that is not registered they do nothing and end with EINVAL. */
function device(runner: VerbRunner, verb: VerbPlan): Outcome {
  const { world, actor } = runner.cell;
  const ctx = world.contexts[verb.mm]!;
  const key = keyOf(runner, verb) || earlyKey(runner, verb);
  if (key === 0) return OUTCOME.einval;
  const timeoutMs = world.plan.hca.faultTimeoutMs;
  const pages = verb.last - verb.start + 1;
  if (verb.verb === 'prefetch') return prefetchMr(actor, ctx, key, 0, pages - 1, true, timeoutMs);
  return eachPage(verb, (vpn) => {
    const page = vpn - verb.start;
    if (verb.verb === 'fault') return handlePageFault(actor, ctx, key, page, true, timeoutMs);
    return dmaAccess(actor, world.hca, key, page, verb.verb === 'dma-write', runner.access);
  });
}

/** The role `program`: runs its program once in each iteration, from barrier to barrier. */
export function runProgram(task: ThreadTask): ThreadExit {
  const cell = openThread(task);
  const { world, actor } = cell;
  const { mem, control } = world;
  const runner = createVerbRunner(cell);
  const program = world.plan.litmus!.programs[task.tid]!;
  const started = startBarrier(cell);
  for (let iteration = 1; started; iteration++) {
    if (!awaitIteration(cell, iteration)) break;
    for (const verb of program) runVerb(runner, verb);
    gateLeave(actor, world.gate);
    rawAdd(mem, at(control, CONTROL.arrived), 1);
    rawNotify(mem, at(control, CONTROL.arrived), 1);
  }
  // A cell that stops between two iterations: another program may be in the next one, and wait at a gate for this one.
  gateLeave(actor, world.gate);
  finishThread(cell);
  return { tid: task.tid, started };
}

/** Waits at the barrier for iteration `n`; false when the cell stops. */
function awaitIteration({ world, actor }: ThreadCell, n: number): boolean {
  const { mem, control } = world;
  const word = at(control, CONTROL.iteration);
  publishWait(actor, WAIT.park, control, 0, true);
  for (;;) {
    const current = rawLoad(mem, word);
    if (current >= n || stopping(mem, control)) break;
    rawWait(mem, word, current, 100);
  }
  clearWait(actor);
  return !stopping(mem, control);
}
