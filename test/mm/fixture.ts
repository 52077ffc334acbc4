import { type Addr, at, type Memory, type Vpn } from '../../src/memory/address.ts';
import { createArena, layoutArena, type RegionRequest } from '../../src/memory/arena.ts';
import { type Mm, type MmOptions, type MmWorld, mmInit, mmRegions, mmViews } from '../../src/mm/mm.ts';
import type { SyncHooks } from '../../src/sync/task.ts';
import { TASK } from '../../src/sync/task.ts';
import { type Actor, createActor } from '../../src/trace/actor.ts';
import { COUNTER, COUNTER_COUNT, type CounterName, HISTOGRAM_NAMES } from '../../src/trace/counters.ts';
import { GATE } from '../../src/trace/gate.ts';
import { HISTOGRAM_DOUBLES } from '../../src/trace/histogram.ts';
import { LOCK_STAT_DOUBLES } from '../../src/trace/lock-stat.ts';
import { NULL_OBSERVER, type Observer } from '../../src/trace/observer.ts';
import { CONTROL } from '../../src/trace/park.ts';
import { type PointName, pointName } from '../../src/trace/points.ts';
import { RECORD, RING_HEAD } from '../../src/trace/ring.ts';

const RING_RECORDS = 1024;

export interface WorldOptions extends Partial<MmOptions> {
  readonly observer?: Observer;
  readonly mode?: number;
  readonly seed?: number;
}

export interface World {
  readonly mem: Memory;
  readonly options: MmOptions;
  readonly world: MmWorld;
  readonly mm: Mm;
  readonly actors: readonly Actor[];
  readonly actor: Actor;
}

export const mmOptions = (options: WorldOptions = {}): MmOptions => ({
  mms: options.mms ?? 1,
  pagesPerMm: options.pagesPerMm ?? 64,
  files: options.files ?? [{ pages: 32 }],
  frames: options.frames ?? 128,
  vmas: options.vmas ?? 16,
  threads: options.threads ?? 1,
  ...(options.ptesPerTable === undefined ? {} : { ptesPerTable: options.ptesPerTable }),
  ...(options.extraSectionWords === undefined ? {} : { extraSectionWords: options.extraSectionWords }),
});

function testRegions(options: MmOptions): RegionRequest[] {
  const { threads } = options;
  return [
    ...mmRegions(options),
    { name: 'test.task', words: TASK.$words, count: threads, line: true },
    { name: 'test.ringHead', words: RING_HEAD.$words, count: threads, line: true },
    { name: 'test.ring', words: RECORD.$words * RING_RECORDS, count: threads, line: true },
    { name: 'test.counters', words: 2 * COUNTER_COUNT, count: threads, line: true },
    { name: 'test.contention', words: 2 * LOCK_STAT_DOUBLES, count: threads, line: true },
    { name: 'test.histograms', words: 2 * HISTOGRAM_DOUBLES * HISTOGRAM_NAMES.length, count: threads, line: true },
    { name: 'test.gate', words: GATE.$words, count: 1, line: true },
    { name: 'test.control', words: CONTROL.$words, count: 1, line: true },
    { name: 'test.park', words: 16, count: threads, line: true },
    { name: 'test.shared', words: 16, count: 4, line: true },
  ];
}

/** A small world in a new arena, with one actor for each thread; all of them run on the calling thread. */
export function createWorld(options: WorldOptions = {}, hooks: SyncHooks | null = null): World {
  const plan = mmOptions(options);
  const mem = createArena(layoutArena(testRegions(plan)));
  const made = attachWorld(mem, plan, options, hooks);
  mmInit(mem, made.world);
  return made;
}

/** The views of a world that exists: for worker threads. */
export function attachWorld(
  mem: Memory,
  plan: MmOptions,
  options: WorldOptions = {},
  hooks: SyncHooks | null = null,
): World {
  const layout = layoutArena(testRegions(plan));
  const world = mmViews(layout, plan);
  const of = (name: string, tid: number): Addr => at(layout.regions[name].base, tid * layout.regions[name].stride);
  const f64 = new Float64Array(mem.buffer);
  const actors = Array.from({ length: plan.threads }, (_, tid) =>
    createActor({
      mem,
      f64,
      tid,
      addr: of('test.task', tid),
      counters: of('test.counters', tid) >>> 1,
      histograms: of('test.histograms', tid) >>> 1,
      contention: of('test.contention', tid) >>> 1,
      ringHead: of('test.ringHead', tid),
      ring: of('test.ring', tid),
      ringMask: RING_RECORDS - 1,
      gate: of('test.gate', 0),
      control: of('test.control', 0),
      parkWord: of('test.park', tid),
      perturb: null,
      observer: options.observer ?? NULL_OBSERVER,
      mode: options.mode ?? 0,
      seed: (options.seed ?? 1) + tid,
      hooks,
    }),
  );
  return { mem, options: plan, world, mm: world.mms[0], actors, actor: actors[0] };
}

/** A line of shared words for the tests' own use. */
export function sharedWord(options: MmOptions, line: number): Addr {
  const region = layoutArena(testRegions(options)).regions['test.shared'];
  return at(region.base, line * region.stride);
}

export interface Step {
  readonly name: PointName;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** The trace of an actor since `from`, which is what `mem[actor.ringHead]` was. */
export function steps(actor: Actor, from = 0): Step[] {
  const { mem } = actor;
  const out: Step[] = [];
  for (let seq = from; seq < mem[actor.ringHead]; seq++) {
    const r = actor.ring + (seq & actor.ringMask) * RECORD.$words;
    out.push({
      name: pointName(mem[r + RECORD.point]),
      a: mem[r + RECORD.a],
      b: mem[r + RECORD.b],
      c: mem[r + RECORD.c],
    });
  }
  return out;
}

/** Runs `body` with the trace on and returns the points that it passed. */
export function traced(actor: Actor, body: () => void): Step[] {
  const { mode } = actor;
  const from = actor.mem[actor.ringHead];
  actor.mode = 1;
  body();
  actor.mode = mode;
  return steps(actor, from);
}

export const names = (list: readonly Step[]): PointName[] => list.map((s) => s.name);
export const counter = (actor: Actor, name: CounterName): number => actor.f64[actor.counters + COUNTER[name]];
export const vpn = (n: number): Vpn => n as Vpn;

/** An observer that keeps all that it is told, as lines. */
export function recordingObserver(): Observer & { readonly log: string[] } {
  const log: string[] = [];
  return {
    ...NULL_OBSERVER,
    log,
    frameReused(_actor, pfn, intact) {
      if (!intact) log.push(`frame ${pfn} was written while free`);
    },
    cpuAccessed(_actor, page, pfn, expected, found) {
      log.push(`page ${page} frame ${pfn}: ${found} instead of ${expected}`);
    },
    sectionStarted(_actor, mm, start, last) {
      log.push(`started ${mm} ${start}-${last}`);
    },
    sectionEnding(_actor, mm, start, last) {
      log.push(`ending ${mm} ${start}-${last}`);
    },
    notifierCalled(_actor, subscription, _cookie, call) {
      log.push(`${['start', 'eagain', 'end'][call]} ${subscription}`);
    },
  };
}
