import { type Hca, MKEY, mkeyAddr } from '../hca/device.ts';
import { type Addr, at, type Memory } from '../memory/address.ts';
import type { ArenaLayout, RegionRequest } from '../memory/arena.ts';
import {
  type DepotLock,
  type Slab,
  slabAllocated,
  slabInit,
  slabRegions,
  slabSizeFor,
  slabView,
} from '../memory/slab.ts';
import { alignUp, defineStruct } from '../memory/struct.ts';
import type { Mm } from '../mm/mm.ts';
import { LOCK_CLASS } from '../sync/lock-class.ts';
import { MUTEX, mutexInit } from '../sync/mutex.ts';
import { RW_SEMAPHORE, rwsemInit } from '../sync/rw-semaphore.ts';
import { intervalTreeInit } from './interval-tree.ts';
import { CORRECT_ODP_STEPS, faultySteps, type OdpSteps } from './steps.ts';
import type { Strategy } from './strategy.ts';
import { UMEM } from './umem.ts';

/** What one process has open at the adapter (ib_ucontext): the tree of its umems. A strategy's own words follow at `UCONTEXT.$words`. */
export const UCONTEXT = defineStruct('ucontext', {
  umemRwsem: { words: RW_SEMAPHORE.$words, line: true },
  tree: { words: 1, line: true },
  /** Registered umems; written under umemRwsem W or whatever guards the tree. */
  count: 1,
  /** per_mm's mutex: one subscription or its end at a time. Taken by no callback. */
  perMm: { words: MUTEX.$words, line: true },
  /** Regions registered or being registered; under `perMm`, and kept only where the notifier comes and goes. */
  regions: 1,
  /** Odd while the notifier is subscribed and may call the design; its words are its own only then. */
  life: { words: 1, line: true },
  /** 1 once the process has gone away (release). */
  released: 1,
});

/** Zaps whose command waits for a work item: under a known bug only. One queue for each thread. */
const PENDING_MAX = 8;
export const PENDING = defineStruct('pending_zaps', { count: { words: 1, line: true }, zaps: PENDING_MAX * 3 });
export const PENDING_CAPACITY = PENDING_MAX;

export interface Ucontext {
  readonly mm: Mm;
  readonly hca: Hca;
  readonly strategy: Strategy;
  readonly addr: Addr;
  /** umem_rwsem: guards the tree in the designs that do not freeze it. */
  readonly umemRwsem: Addr;
  readonly tree: Addr;
  /** The strategy's own words. */
  readonly ext: Addr;
  /** Umems of all ucontexts: slot i is the adapter's key index i. */
  readonly umems: Addr;
  readonly umemStride: number;
  readonly slab: Slab;
  readonly depotLock: DepotLock;
  /** The driver's own list of what is mapped, a word for each page of each umem: see pages.ts. */
  readonly pages: Addr;
  /** Key cache's lock, of all ucontexts. */
  readonly mkeyCache: Addr;
  readonly pending: Addr;
  readonly pendingStride: number;
  /** The notifier comes with the first region and goes with the last. */
  readonly dynamic: boolean;
  /** How the driver goes about it: all as it should, but for a variant. */
  readonly steps: OdpSteps;
  /** The same when it is otherwise somewhere; null: no step is, and nobody has to look. */
  readonly faulty: OdpSteps | null;
  /** The strategy's parameters, all of them. */
  readonly params: Readonly<Record<string, number>>;
}

export interface OdpOptions {
  readonly mrs: number;
  readonly mms: number;
  readonly threads: number;
  readonly words: Strategy['words'];
  /** Largest region, pages. */
  readonly mrPages: number;
  /** Default: static, subscribed before the threads start and for as long as the cell lives. */
  readonly notifier?: 'static' | 'dynamic';
  /** Values for the strategy's parameters; those left out have their defaults. */
  readonly params?: Readonly<Record<string, number>>;
}

const MAGAZINE = 4;
/** Key slots that the slab needs for `mrs` regions at the same time; slot 0 is never used. */
export const mrSlots = (o: OdpOptions): number => slabSizeFor(o.mrs, o.threads, MAGAZINE) + 1;

const ucontextWords = (o: OdpOptions): number => alignUp(UCONTEXT.$words + o.words.ucontext, 16);
const umemWords = (o: OdpOptions): number => alignUp(UMEM.$words + o.words.umem, 16);

export const odpRegions = (o: OdpOptions): RegionRequest[] => [
  { name: 'odp.ucontext', words: ucontextWords(o), count: o.mms, line: true },
  { name: 'odp.umem', words: umemWords(o), count: mrSlots(o), line: true },
  { name: 'odp.pages', words: o.mrPages, count: mrSlots(o) },
  { name: 'odp.cache', words: MUTEX.$words, count: 1, line: true },
  { name: 'odp.pending', words: PENDING.$words, count: o.threads, line: true },
  ...slabRegions('odp.slab', mrSlots(o) - 1, o.threads, MAGAZINE),
];

/** One ucontext for each mm. */
export function odpViews(
  layout: ArenaLayout,
  o: OdpOptions,
  mms: readonly Mm[],
  hca: Hca,
  strategy: Strategy,
  depotLock: DepotLock,
): Ucontext[] {
  const { regions } = layout;
  const params: Record<string, number> = {};
  for (const [name, spec] of Object.entries(strategy.params)) params[name] = o.params?.[name] ?? spec.default;
  const faulty = faultySteps(strategy.odpSteps);
  const slab = slabView(regions, 'odp.slab', mrSlots(o) - 1, o.threads, MAGAZINE);
  return mms.map((mm, i) => {
    const addr = at(regions['odp.ucontext']!.base, i * regions['odp.ucontext']!.stride);
    return {
      mm,
      hca,
      strategy,
      addr,
      umemRwsem: at(addr, UCONTEXT.umemRwsem),
      tree: at(addr, UCONTEXT.tree),
      ext: at(addr, UCONTEXT.$words),
      umems: regions['odp.umem']!.base,
      umemStride: regions['odp.umem']!.stride,
      slab,
      depotLock,
      pages: regions['odp.pages']!.base,
      mkeyCache: regions['odp.cache']!.base,
      pending: regions['odp.pending']!.base,
      pendingStride: regions['odp.pending']!.stride,
      dynamic: o.notifier === 'dynamic',
      steps: faulty ?? CORRECT_ODP_STEPS,
      faulty,
      params,
    };
  });
}

/** Once for each arena, before the threads start. */
export function odpInit(mem: Memory, contexts: readonly Ucontext[]): void {
  contexts.forEach((ctx, i) => {
    if (i === 0) {
      slabInit(mem, ctx.slab);
      mutexInit(mem, ctx.mkeyCache, LOCK_CLASS.mkey_cache);
    }
    rwsemInit(mem, ctx.umemRwsem, LOCK_CLASS.umem_rwsem);
    intervalTreeInit(mem, ctx.tree);
    mutexInit(mem, at(ctx.addr, UCONTEXT.perMm), LOCK_CLASS.per_mm);
    ctx.strategy.init(mem, ctx);
    mem[ctx.addr + UCONTEXT.life] = ctx.dynamic ? 0 : 1;
  });
}

/**
 * The design's own words mean something: its notifier is subscribed, and the process has not exited. Once it is off the list at exit, the
 * ends of the sections that were running are not told any more, so that counts stay as they were. For audits of a quiet system.
 */
export const isSubscribed = (mem: Memory, ctx: Ucontext): boolean =>
  (mem[ctx.addr + UCONTEXT.life] & 1) !== 0 && mem[ctx.addr + UCONTEXT.released] === 0;

export const umemAddr = (ctx: Ucontext, index: number): Addr => at(ctx.umems, index * ctx.umemStride);

/** True when no umem of this process is left, also none that is being taken down. */
export function ucontextIdle(mem: Memory, ctx: Ucontext): boolean {
  for (let index = 1; index < ctx.hca.mkeys; index++)
    if (slabAllocated(mem, ctx.slab, index) && mem[umemAddr(ctx, index) + UMEM.mm] === ctx.mm.id) return false;
  return true;
}

/**
 * Calls `visit` with each umem of this process that has a key. Not for hot paths; exact when all threads are quiet. The key is the
 * adapter's: that in a umem that somebody frees meanwhile is poison.
 */
export function forEachUmem(mem: Memory, ctx: Ucontext, visit: (umem: Addr, index: number, key: number) => void): void {
  for (let index = 1; index < ctx.hca.mkeys; index++) {
    if (!slabAllocated(mem, ctx.slab, index)) continue;
    const key = mem[mkeyAddr(ctx.hca, index) + MKEY.key];
    if (key !== 0 && mem[umemAddr(ctx, index) + UMEM.mm] === ctx.mm.id) visit(umemAddr(ctx, index), index, key);
  }
}
