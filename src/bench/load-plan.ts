import { MAX_FRAMES } from '../hca/device.ts';
import type { CellPlan, ThreadPlan } from '../scenario/plan.ts';
import { strategyOf } from '../world/strategy-of.ts';

/** What a thread of a cell does all the time; see load-thread.ts. */
export type LoadRole = 'invalidate' | 'fault' | 'register' | 'refault';

/** Who is told what the model does: nobody; the oracles of a torture cell; these, with every point recorded. */
export type Observing = 'none' | 'oracles' | 'traced';

/** A design, a known bug or a user's own strategy, whose file each thread loads. */
export type BenchStrategy = Pick<CellPlan, 'strategy' | 'strategyFile'>;

/** One world and its threads. */
export interface LoadConfig extends BenchStrategy {
  readonly roles: readonly LoadRole[];
  /** Address spaces; the threads take turns on them. */
  readonly mms: number;
  /** Regions in the tree of each address space, the one of the faulting threads with them. */
  readonly umems: number;
  /** Per cent of the invalidations that meet the pages on which faults are served. */
  readonly overlap: number;
  readonly vmas: number;
  readonly observing: Observing;
  /** It is counted which locks the threads share and how often these move between them; absent: only waits are. */
  readonly counting?: true;
  readonly seed: number;
}

export interface LoadJob {
  readonly plan: CellPlan;
  readonly config: LoadConfig;
  readonly buffer: SharedArrayBuffer;
  /** Where locks are counted: see `LockTakes`. */
  readonly takes?: SharedArrayBuffer;
}

/** Pages of a region on which faults are served. */
export const HOT_PAGES = 16;
/** First of as many pages beside it that nobody has registered. */
export const COLD_AT = HOT_PAGES;
/** First page of a thread's own region: the threads of an address space have their regions side by side. */
export const hotAt = ({ mms }: LoadConfig, tid: number): number => Math.floor(tid / mms) * HOT_PAGES;
/** Behind all of these: a page for each other region. */
export const backgroundAt = ({ roles }: LoadConfig): number => HOT_PAGES * Math.max(2, roles.length);
/** Pages of a range that is given back, and of one that is registered. */
export const RANGE_PAGES = 4;
/** A fault that is refused gives up after this time, and counts as starved; milliseconds. */
export const FAULT_TIMEOUT_MS = 20;
const SPARE_FRAMES = 256;
/** Regions that come and go at the same time. */
const SPARE_REGIONS = 8;

/** Every area but the first is one page with a hole before it, so that no two are merged. */
export function loadPlan(config: LoadConfig): CellPlan {
  const { strategy, strategyFile, roles, mms, umems, vmas, observing, seed, counting } = config;
  const design = strategyOf(config);
  if (design === undefined) throw new RangeError(`no strategy '${strategy}'`);
  const first = backgroundAt(config) + umems;
  const pages = first + 2 * vmas;
  const areas = Array.from({ length: mms }, (_, mm) => [
    { mm, at: 0, pages: first, file: -1, offset: 0, writable: true },
    ...Array.from({ length: vmas - 1 }, (_, i) => ({
      mm,
      at: first + 1 + 2 * i,
      pages: 1,
      file: -1,
      offset: 0,
      writable: true,
    })),
  ]).flat();
  const params = Object.fromEntries(Object.entries(design.params).map(([name, info]) => [name, info.default]));
  return {
    scenario: 'bench',
    kind: 'load',
    strategy,
    ...(strategyFile === undefined ? {} : { strategyFile }),
    era: 'v5.5',
    seed,
    params,
    durationMs: 1000,
    memory: {
      mms,
      pages,
      frames: framesFor(config, design.pins === true),
      files: [],
      areas,
      vmas: mms * vmas + 8,
      pressure: null,
    },
    hca: {
      mrs: mms * umems + roles.length + SPARE_REGIONS,
      mrPages: HOT_PAGES,
      queue: 64,
      faultTimeoutMs: FAULT_TIMEOUT_MS,
    },
    threads: roles.map(threadPlan(mms)),
    perturb: null,
    trace: { on: observing === 'traced', ring: 256, window: 8, keep: 1, slots: 1 },
    bounds: {
      auditIntervalMs: 1000,
      parkBoundMs: 100,
      // No oracle is to speak of starvation here: it is counted.
      starvationAttempts: 1e9,
      starvationOpportunities: 1e9,
      starvationTicks: 1e9,
      hangMs: 5000,
    },
    litmus: null,
    evidence: {},
    expect: {},
    // Counted are acquisitions; `full` for its room, see lock-takes.ts.
    ...(counting === undefined ? {} : { lockStat: 'full' as const }),
  };
}

const framesFor = ({ mms, umems, roles }: LoadConfig, pins: boolean): number =>
  SPARE_FRAMES + mms * HOT_PAGES * (roles.length + 2) + (pins ? mms * umems : 0);

/** Why a design has no such cell; null: it has. */
export function unfit(config: LoadConfig): string | null {
  const { strategy, roles } = config;
  if (strategyOf(config)?.pins !== true) return null;
  if (roles.some((role) => role === 'fault' || role === 'refault')) return `${strategy} has no page faults`;
  if (framesFor(config, true) + roles.length * 16 < MAX_FRAMES) return null;
  return `${strategy} pins a frame for each page, and there are ${MAX_FRAMES}`;
}

const threadPlan =
  (mms: number) =>
  (role: LoadRole, tid: number): ThreadPlan => ({
    tid,
    role: 'program',
    name: `${role}-${tid}`,
    mm: tid % mms,
    minPages: 1,
    maxPages: RANGE_PAGES,
    pauseUs: 0,
  });
