import { ENTRY_VALID, keyIndex, MKEY, mkeyAddr } from '../../src/hca/device.ts';
import { entryAddr } from '../../src/hca/device-page-table.ts';
import { createDmaAccess, dmaAccess } from '../../src/hca/dma.ts';
import { type Addr, at, NULL_ADDR, type Vpn } from '../../src/memory/address.ts';
import { cpuAccess } from '../../src/mm/fault.ts';
import { tlbFinish } from '../../src/mm/gather.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { invalidateRangeEnd, invalidateRangeStart, SECTION_EVENT } from '../../src/mm/notifier.ts';
import type { Outcome } from '../../src/mm/outcome.ts';
import { zapPteRange } from '../../src/mm/page-table.ts';
import { handlePageFault } from '../../src/odp/fault-engine.ts';
import { deregisterMr, registerMr } from '../../src/odp/memory-region.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import type { Ucontext } from '../../src/odp/ucontext.ts';
import { umemAddr } from '../../src/odp/ucontext.ts';
import { ORACLE, ORACLE_NAMES, type OracleName } from '../../src/oracles/names.ts';
import type { JudgingObserver } from '../../src/oracles/observer.ts';
import { countOf, drainViolations, type RawViolation } from '../../src/oracles/report.ts';
import { DEFAULT_PERTURB } from '../../src/scenario/defaults.ts';
import type { CellPlan, Role } from '../../src/scenario/plan.ts';
import { rawStore } from '../../src/sync/atomics.ts';
import type { SyncHooks } from '../../src/sync/task.ts';
import { setUpMemory } from '../../src/torture/areas.ts';
import { type Actor, MODE } from '../../src/trace/actor.ts';
import { COUNTER, type CounterName } from '../../src/trace/counters.ts';
import type { DmaAccess } from '../../src/trace/observer.ts';
import { CONTROL } from '../../src/trace/park.ts';
import type { Perturb } from '../../src/trace/perturb.ts';
import { POINT, POINT_COUNT, type PointName, pointName } from '../../src/trace/points.ts';
import { RECORD } from '../../src/trace/ring.ts';
import { attachThread } from '../../src/world/actor.ts';
import { attachWorld, initWorld, layoutWorld, type World } from '../../src/world/world.ts';

/** Pages 0 .. 15 are anonymous, 16 .. 31 show a file of 16 pages. */
export const PAGES = 32;
export const FILE_AT = 16;

export interface BedOptions {
  readonly threads?: number;
  readonly roles?: readonly Role[];
  readonly keep?: number;
  readonly slots?: number;
  readonly window?: number;
  readonly ring?: number;
  readonly mrs?: number;
  readonly queue?: number;
  readonly starvationAttempts?: number;
  readonly starvationOpportunities?: number;
  readonly starvationTicks?: number;
  readonly lockDep?: boolean;
  /** `dynamic`: the notifier comes with the first region. */
  readonly notifier?: 'static' | 'dynamic';
  /** The design's parameters. */
  readonly params?: Readonly<Record<string, number>>;
}

/** The plan of a cell with `threads` threads of which the last is the supervisor. Workers get it, too. */
export function bedPlan(o: BedOptions = {}): CellPlan {
  const threads = o.threads ?? 5;
  const roles: readonly Role[] = o.roles ?? ['madvise', 'register', 'fault-engine', 'dma'];
  return {
    scenario: 'test',
    kind: 'load',
    strategy: 'given',
    notifier: o.notifier ?? 'static',
    lockDep: o.lockDep ?? false,
    era: 'v5.5',
    seed: 1,
    params: o.params ?? {},
    durationMs: 1000,
    memory: {
      mms: 1,
      pages: PAGES,
      frames: 64,
      files: [{ pages: 16 }],
      areas: [
        { mm: 0, at: 0, pages: FILE_AT, file: -1, offset: 0, writable: true },
        { mm: 0, at: FILE_AT, pages: 16, file: 0, offset: 0, writable: true },
      ],
      vmas: 16,
      pressure: null,
    },
    hca: { mrs: o.mrs ?? 6, mrPages: 8, queue: o.queue ?? 4, faultTimeoutMs: 0 },
    threads: Array.from({ length: threads }, (_, tid) => {
      const role = tid === threads - 1 ? 'supervisor' : roles[tid % roles.length]!;
      return { tid, role, name: `${role}-${tid}`, mm: 0, minPages: 1, maxPages: 4, pauseUs: 0 };
    }),
    perturb: null,
    trace: { on: true, ring: o.ring ?? 64, window: o.window ?? 8, keep: o.keep ?? 5, slots: o.slots ?? 16 },
    bounds: {
      auditIntervalMs: 100,
      parkBoundMs: 100,
      starvationAttempts: o.starvationAttempts ?? 8,
      starvationOpportunities: o.starvationOpportunities ?? 4,
      starvationTicks: o.starvationTicks ?? 6,
      hangMs: 5000,
    },
    litmus: null,
    evidence: {},
    expect: {},
  };
}

/** On one thread nobody could ever release a lock that somebody holds: sleeping for it would hang the test run. */
const NEVER_BLOCK: SyncHooks = {
  contended(task, lock) {
    throw new Error(`thread ${task.tid} would block on the lock at ${lock}`);
  },
  acquired() {},
};

/** A cell's model with all its threads as actors on the calling thread, so that a test can interleave them as it likes. */
export interface Bed {
  readonly plan: CellPlan;
  readonly world: World;
  readonly ctx: Ucontext;
  readonly actors: readonly Actor[];
  readonly observers: readonly JudgingObserver[];
  readonly supervisor: Actor;
  /** Runs `action` when thread `tid` is next at the point, before the point is recorded. Returns a function that takes it back. */
  at(tid: number, point: PointName, action: () => void): () => void;
}

export function createBed(strategy: Strategy, options: BedOptions = {}): Bed {
  const plan = bedPlan(options);
  const world = attachWorld(plan, new SharedArrayBuffer(layoutWorld(plan, strategy).words * 4), strategy);
  initWorld(world);
  const due: Due[] = [];
  const observers: JudgingObserver[] = [];
  const actors = plan.threads.map(({ tid }) => {
    const { actor, observer } = attachThread(world, tid, 0);
    observers.push(observer);
    return { ...actor, hooks: NEVER_BLOCK, mode: MODE.trace | MODE.perturb, perturb: stepper(tid, due) };
  });
  const supervisor = actors[actors.length - 1]!;
  setUpMemory(supervisor, world);
  return {
    plan,
    world,
    ctx: world.contexts[0]!,
    actors,
    observers,
    supervisor,
    at(tid, name, action) {
      const entry = { tid, point: POINT[name], action };
      due.push(entry);
      return () => {
        const i = due.indexOf(entry);
        if (i >= 0) due.splice(i, 1);
      };
    },
  };
}

interface Due {
  readonly tid: number;
  readonly point: number;
  readonly action: () => void;
}

/** A perturbation that never delays: where a real one looks whether the point is a site, it runs what is due there. */
function stepper(tid: number, due: Due[]): Perturb {
  const active = new Proxy(new Uint8Array(POINT_COUNT), {
    get(_target, property) {
      const i = due.findIndex((d) => d.tid === tid && d.point === Number(property));
      if (i >= 0) due.splice(i, 1)[0]!.action();
      return 0;
    },
  });
  return { options: DEFAULT_PERTURB, active, fireBelow: 0, sleepWord: 0 as Addr };
}

export const register = (bed: Bed, tid: number, start: number, pages: number): number =>
  registerMr(bed.actors[tid]!, bed.ctx, 'v5.5', start as Vpn, pages);
export const deregister = (bed: Bed, tid: number, key: number): Outcome => deregisterMr(bed.actors[tid]!, bed.ctx, key);

/** A page fault that gives up after its first refusal: `eagain` then. */
export function faultOnce(bed: Bed, tid: number, key: number, page: number, write = true): Outcome {
  return faultTimes(bed, tid, key, page, 1, write);
}

/** A page fault that gives up after `attempts` refusals. */
export function faultTimes(bed: Bed, tid: number, key: number, page: number, attempts: number, write = true): Outcome {
  const { mem, control } = bed.world;
  const stop = (value: number) => rawStore(mem, at(control, CONTROL.stop), value);
  let left = attempts;
  let cancel = (): void => {};
  const refused = (): void => {
    if (--left === 0) stop(1);
    else cancel = bed.at(tid, 'fault.retried', refused);
  };
  cancel = bed.at(tid, 'fault.retried', refused);
  const outcome = handlePageFault(bed.actors[tid]!, bed.ctx, key, page, write, 0);
  cancel();
  stop(0);
  return outcome;
}

export const touch = (bed: Bed, tid: number, page: number, write = true): Outcome =>
  cpuAccess(bed.actors[tid]!, bed.world.mm.mms[0]!, page as Vpn, write);
export const madvise = (bed: Bed, tid: number, start: number, last: number): Outcome =>
  madviseDontneed(bed.actors[tid]!, bed.world.mm.mms[0]!, start as Vpn, last as Vpn);
export const dma = (
  bed: Bed,
  tid: number,
  key: number,
  page: number,
  write = false,
  to: DmaAccess = createDmaAccess(),
): Outcome => dmaAccess(bed.actors[tid]!, bed.world.hca, key, page, write, to);

/** One section, step by step; as in truncate, no mmap_lock is held. */
export const sectionStart = (bed: Bed, tid: number, start: number, last: number, blockable = true): Outcome =>
  invalidateRangeStart(
    bed.actors[tid]!,
    bed.world.mm.mms[0]!,
    start as Vpn,
    last as Vpn,
    SECTION_EVENT.clear,
    blockable,
  );
export const sectionClear = (bed: Bed, tid: number, start: number, last: number): number =>
  zapPteRange(bed.actors[tid]!, bed.world.mm.mms[0]!, start as Vpn, last as Vpn);
export function sectionEnd(bed: Bed, tid: number): void {
  invalidateRangeEnd(bed.actors[tid]!, bed.world.mm.mms[0]!);
  tlbFinish(bed.actors[tid]!, bed.world.mm);
}

/** Valid device entry of a key's page, or 0. */
export function entryOf(bed: Bed, key: number, page: number): number {
  const entry = bed.world.mem[entryAddr(bed.world.hca, keyIndex(key), page)]!;
  return (entry & ENTRY_VALID) === 0 ? 0 : entry;
}
export const keyWord = (bed: Bed, key: number): Addr => at(mkeyAddr(bed.world.hca, keyIndex(key)), MKEY.key);
export const umemOf = (bed: Bed, key: number): Addr => umemAddr(bed.ctx, keyIndex(key));

export const countedBy = (bed: Bed, oracle: OracleName): number => countOf(bed.world.oracles, ORACLE[oracle]).count;
/** Every oracle that has fired, with its count. */
export const fired = (bed: Bed): Partial<Record<OracleName, number>> =>
  Object.fromEntries(ORACLE_NAMES.map((name) => [name, countedBy(bed, name)]).filter(([, n]) => n !== 0));
/** The records that were kept of one oracle. Takes all that there are. */
export const recordsOf = (bed: Bed, oracle: OracleName): RawViolation[] =>
  drainViolations(bed.world.oracles).filter((v) => v.fields.oracle === ORACLE[oracle]);
/** Sum of a counter over all threads. */
export const counter = (bed: Bed, name: CounterName): number =>
  bed.world.counters.reduce((sum, base) => sum + bed.world.f64[base + COUNTER[name]]!, 0);

export interface Passed {
  readonly point: PointName;
  readonly args: readonly [number, number, number];
}

/** Runs `body` and returns the points that thread `tid` passed meanwhile; no more than its ring holds. */
export function passedBy(bed: Bed, tid: number, body: () => void): Passed[] {
  const { mem } = bed.world;
  const { ringHead, ring, ringMask } = bed.actors[tid]!;
  const from = mem[ringHead]!;
  body();
  const out: Passed[] = [];
  for (let seq = from; seq < mem[ringHead]!; seq++) {
    const r = ring + (seq & ringMask) * RECORD.$words;
    if (mem[r + RECORD.seq] !== seq) throw new Error('the ring is too short for this test');
    out.push({
      point: pointName(mem[r + RECORD.point]!),
      args: [mem[r + RECORD.a]!, mem[r + RECORD.b]!, mem[r + RECORD.c]!],
    });
  }
  return out;
}
export const pointsOf = (passed: readonly Passed[]): PointName[] => passed.map((p) => p.point);

/** What the design's own audit finds, as name and value. */
export function auditOf(bed: Bed, key = 0): Readonly<Record<string, number>> {
  const out: Record<string, number> = {};
  const umem = key === 0 ? NULL_ADDR : umemOf(bed, key);
  bed.ctx.strategy.audit(bed.supervisor, bed.ctx, umem, (_umem, name, value) => {
    out[name] = value;
  });
  return out;
}
