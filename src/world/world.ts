import { type Hca, hcaInit, hcaRegions, hcaView, MAX_FRAMES, MAX_MKEYS } from '../hca/device.ts';
import { type Addr, at, type Memory } from '../memory/address.ts';
import { type ArenaLayout, layoutArena, type RegionRequest } from '../memory/arena.ts';
import { type MmOptions, type MmWorld, mmInit, mmRegions, mmViews } from '../mm/mm.ts';
import { MAX_THREADS } from '../mm/section.ts';
import { faultySteps } from '../odp/steps.ts';
import type { Strategy } from '../odp/strategy.ts';
import { odpSubscription } from '../odp/subscription.ts';
import { mrSlots, type OdpOptions, odpInit, odpRegions, odpViews, type Ucontext } from '../odp/ucontext.ts';
import { type OracleView, oracleRegions, oracleWords } from '../oracles/view.ts';
import { type CellPlan, ROLES } from '../scenario/plan.ts';
import { LOCK_DEP, lockDepInit } from '../sync/lock-dep.ts';
import { HELD_MAX, TASK } from '../sync/task.ts';
import { COUNTER_COUNT, HISTOGRAM_NAMES } from '../trace/counters.ts';
import { GATE } from '../trace/gate.ts';
import { HISTOGRAM_DOUBLES } from '../trace/histogram.ts';
import { INJECT_WORDS, injectInit } from '../trace/inject.ts';
import { LOCK_STAT_DOUBLES, LOCK_STAT_FULL_DOUBLES } from '../trace/lock-stat.ts';
import { CONTROL, PARK_TASK } from '../trace/park.ts';
import { RECORD, RING_HEAD } from '../trace/ring.ts';
import { strategyOf } from './strategy-of.ts';

/** Ranges and files that a litmus test may name. */
export const LITMUS_KEYS = 64;

/** One thread's view of a whole cell. Pure data and addresses; the threads of a cell have equal ones over the same memory. */
export interface World {
  readonly plan: CellPlan;
  readonly mem: Memory;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly strategy: Strategy;
  readonly mm: MmWorld;
  readonly hca: Hca;
  readonly contexts: readonly Ucontext[];
  readonly oracles: OracleView;
  readonly threads: number;
  readonly control: Addr;
  readonly gate: Addr;
  /** The graph of lock orders, 0 when they are not checked; and by thread the nodes of what it holds. */
  readonly lockDep: Addr | 0;
  readonly lockDepHeld: readonly Addr[];
  /** What is left of the failures to inject. */
  readonly inject: Addr;
  readonly parkWords: readonly Addr[];
  /** Keys registered by litmus programs, by the number of the range. */
  readonly litmusKeys: Addr;
  /** Doubles of thread i's counters, histograms and lock statistics start at these indices; `lockFull` is empty unless they are full. */
  readonly counters: readonly number[];
  readonly histograms: readonly number[];
  readonly contention: readonly number[];
  readonly lockFull: readonly number[];
  readonly taskAddr: (tid: number) => Addr;
  readonly ringHead: (tid: number) => Addr;
  readonly ring: (tid: number) => Addr;
}

/** The first of the regions that hold only figures. */
const STATISTICS = 'trace.head';

/** The smallest power of two that is not below `n`. */
const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(n, 1)));

interface Sizes {
  readonly strategy: Strategy;
  readonly mm: MmOptions;
  readonly odp: OdpOptions;
  readonly hca: Parameters<typeof hcaRegions>[0];
  readonly oracles: Parameters<typeof oracleRegions>[0];
  readonly ring: number;
}

/** Sizes of everything, from the plan. Throws `RangeError` that names what does not fit. */
function sizes(plan: CellPlan, given?: Strategy): Sizes {
  const strategy = given ?? strategyOf(plan);
  if (strategy === undefined) throw new RangeError(`no strategy '${plan.strategy}'`);
  const threads = plan.threads.length;
  if (threads > MAX_THREADS) throw new RangeError(`${threads} threads, at most ${MAX_THREADS}`);
  const { memory, hca } = plan;
  const odp: OdpOptions = {
    mrs: hca.mrs,
    mrPages: hca.mrPages,
    mms: memory.mms,
    threads,
    words: strategy.words,
    params: plan.params,
    notifier: plan.notifier ?? 'static',
  };
  const mkeys = mrSlots(odp);
  if (mkeys > MAX_MKEYS) throw new RangeError(`${hca.mrs} memory regions, at most ${MAX_MKEYS}`);
  if (memory.frames + threads * 16 >= MAX_FRAMES)
    throw new RangeError(`${memory.frames} frames, at most ${MAX_FRAMES - threads * 16 - 1}`);
  return {
    strategy,
    mm: {
      mms: memory.mms,
      pagesPerMm: memory.pages,
      files: memory.files,
      frames: memory.frames,
      vmas: memory.vmas,
      threads,
      extraSectionWords: strategy.words.section,
      era: plan.era,
      ...(strategy.mmSteps === undefined ? {} : { steps: strategy.mmSteps }),
      pressure: memory.pressure,
      mayExit: mayExit(plan),
    },
    odp,
    hca: {
      mkeys,
      mkeyPages: hca.mrPages,
      mms: memory.mms,
      pagesPerMm: memory.pages,
      threads,
      // A power of two, so that head and tail may wrap.
      queue: powerOfTwo(hca.queue),
      flushes: strategy.odpSteps?.zapFlushes ?? true,
      statesAreSteps: faultySteps(strategy.odpSteps) !== null,
    },
    oracles: { threads, slots: plan.trace.slots, window: plan.trace.window, entries: mkeys * hca.mrPages },
    ring: powerOfTwo(plan.trace.ring),
  };
}

/** Whether a process of the cell exits: references to its mm are counted only then. */
function mayExit({ threads, litmus }: CellPlan): boolean {
  if (litmus === null) return threads.some(({ role }) => role === 'exit');
  return [litmus.setup, ...litmus.programs].some((verbs) => verbs.some(({ verb }) => verb === 'exit'));
}

function regionsOf(plan: CellPlan, s: Sizes): RegionRequest[] {
  const threads = plan.threads.length;
  const model: RegionRequest[] = [
    { name: 'control', words: CONTROL.$words, count: 1, line: true },
    { name: 'gate', words: GATE.$words, count: 1, line: true },
    { name: 'park', words: PARK_TASK.$words, count: threads, line: true },
    { name: 'task', words: TASK.$words, count: threads, line: true },
    { name: 'litmus.keys', words: 1, count: LITMUS_KEYS },
    ...mmRegions(s.mm),
    ...hcaRegions(s.hca),
    ...odpRegions(s.odp),
    ...oracleRegions(s.oracles),
    // The graph begins empty in every schedule: what is found depends on nothing but its choices.
    ...(plan.lockDep === true
      ? [
          { name: 'lockdep', words: LOCK_DEP.$words, count: 1, line: true },
          { name: 'lockdep.held', words: HELD_MAX, count: threads, line: true },
        ]
      : []),
  ];
  return [
    ...model,
    // Figures, from here to the end: nothing in the model depends on them.
    { name: STATISTICS, words: RING_HEAD.$words, count: threads, line: true },
    { name: 'trace.ring', words: s.ring * RECORD.$words, count: threads, line: true },
    { name: 'trace.counters', words: COUNTER_COUNT * 2, count: threads, line: true },
    { name: 'trace.histograms', words: HISTOGRAM_NAMES.length * HISTOGRAM_DOUBLES * 2, count: threads, line: true },
    { name: 'trace.contention', words: LOCK_STAT_DOUBLES * 2, count: threads, line: true },
    // Behind the model's words: a controlled run injects by fail-nth alone, which has no shared words.
    { name: 'trace.inject', words: INJECT_WORDS, count: 1, line: true },
    ...(plan.lockStat === 'full'
      ? [{ name: 'lockstat.full', words: LOCK_STAT_FULL_DOUBLES * 2, count: threads, line: true }]
      : []),
  ];
}

/**
 * Where everything lies: a pure function of the plan, so that every thread finds the same addresses. `strategy` stands in for the
 * one that the plan names: a design that is in no registry.
 */
export function layoutWorld(plan: CellPlan, strategy?: Strategy): ArenaLayout {
  return layoutArena(regionsOf(plan, sizes(plan, strategy)));
}

/** Words of an arena that the model depends on; what lies behind them are figures. */
export const modelWords = (layout: ArenaLayout): number => layout.regions[STATISTICS]!.base;

/** A thread's views over an arena that was laid out for `plan` (and `strategy`, the same in every thread). */
export function attachWorld(plan: CellPlan, buffer: SharedArrayBuffer, strategy?: Strategy): World {
  const s = sizes(plan, strategy);
  const layout = layoutArena(regionsOf(plan, s)) as ArenaLayout;
  if (layout.words * 4 > buffer.byteLength) throw new RangeError('the arena is smaller than its plan');
  const mem: Memory = new Int32Array(buffer);
  const f64 = new Float64Array(buffer);
  const { regions } = layout;
  const region = (name: string, i: number): Addr => at(regions[name]!.base, i * regions[name]!.stride);
  const threads = plan.threads.length;
  const byTid = <T>(make: (tid: number) => T): T[] => Array.from({ length: threads }, (_, tid) => make(tid));
  const mm = mmViews(layout, s.mm);
  const hca = hcaView(layout as Parameters<typeof hcaView>[0], s.hca, mm.frames);
  const contexts = odpViews(layout, s.odp, mm.mms, hca, s.strategy, mm.depotLock);
  for (const ctx of contexts) ctx.mm.subscriptions.push(odpSubscription(ctx, 0));
  const parkWords = byTid((tid) => region('park', tid));
  const control = region('control', 0);
  const gate = region('gate', 0);
  const oracles: OracleView = {
    mem,
    f64,
    mm,
    hca,
    contexts,
    threads,
    roles: plan.threads.map((t) => ROLES.indexOf(t.role)),
    tasks: region('task', 0),
    taskStride: regions.task!.stride,
    ringHeads: region('trace.head', 0),
    ringHeadStride: regions['trace.head']!.stride,
    rings: region('trace.ring', 0),
    ringStride: regions['trace.ring']!.stride,
    ringMask: s.ring - 1,
    parkWords,
    control,
    gate,
    bounds: plan.bounds,
    keep: plan.trace.keep,
    ...oracleWords(layout, s.oracles),
  };
  return {
    plan,
    mem,
    f64,
    strategy: s.strategy,
    mm,
    hca,
    contexts,
    oracles,
    threads,
    control,
    gate,
    lockDep: plan.lockDep === true ? region('lockdep', 0) : 0,
    lockDepHeld: plan.lockDep === true ? byTid((tid) => region('lockdep.held', tid)) : [],
    inject: region('trace.inject', 0),
    parkWords,
    litmusKeys: region('litmus.keys', 0),
    counters: byTid((tid) => region('trace.counters', tid) >>> 1),
    histograms: byTid((tid) => region('trace.histograms', tid) >>> 1),
    contention: byTid((tid) => region('trace.contention', tid) >>> 1),
    lockFull: plan.lockStat === 'full' ? byTid((tid) => region('lockstat.full', tid) >>> 1) : [],
    taskAddr: (tid) => region('task', tid),
    ringHead: (tid) => region('trace.head', tid),
    ring: (tid) => region('trace.ring', tid),
  };
}

/** Prepares a zeroed arena: locks, free lists, strategy. Once for each cell, on one thread, before any other attaches. */
export function initWorld(world: World): void {
  if (world.lockDep !== 0) lockDepInit(world.mem, world.lockDep);
  injectInit(world.mem, world.inject, world.plan.inject);
  mmInit(world.mem, world.mm);
  hcaInit(world.mem, world.hca);
  odpInit(world.mem, world.contexts);
}
