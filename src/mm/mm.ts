import { type Addr, at, LINE_WORDS, type Memory } from '../memory/address.ts';
import type { ArenaLayout, Region, RegionRequest } from '../memory/arena.ts';
import { type DepotLock, type Slab, slabInit, slabRegions, slabSizeFor, slabView } from '../memory/slab.ts';
import { alignUp, defineStruct } from '../memory/struct.ts';
import { LOCK_CLASS } from '../sync/lock-class.ts';
import { MUTEX, mutexInit } from '../sync/mutex.ts';
import { RW_SEMAPHORE, rwsemInit } from '../sync/rw-semaphore.ts';
import { spinLockInit } from '../sync/spin-lock.ts';
import { srcuInit, srcuWords } from '../sync/srcu.ts';
import { RAW_DEPOT_LOCK } from './depot-lock.ts';
import { DEFAULT_ERA, ERA_RULES, type Era, type EraRules } from './era.ts';
import { FILE, type File, fileInit, fileView } from './file.ts';
import { FRAME, type FramePool, framesInit, MAX_FILE_PAGES, MAX_FILES } from './frame.ts';
import type { Subscription } from './notifier.ts';
import { RMAP, rmapInit } from './rmap-root.ts';
import { MAX_SECTIONS, MAX_THREADS, MM_TASK, SECTION } from './section.ts';
import { CORRECT_MM_STEPS, type MmSteps } from './steps.ts';
import { ANON_IDENTITIES, VMA } from './vma.ts';

export { MM_TASK } from './section.ts';

/** Subscriptions to one mm's notifier. */
export const MAX_SUBSCRIPTIONS = 8;

/** mm_struct. Page tables and locks of them lie in regions of their own: their sizes are the scenario's. */
export const MM = defineStruct('mm', {
  mmapLock: { words: RW_SEMAPHORE.$words, line: true },
  /** Stamp of the next anonymous page to be mapped; written under `mmapLock` W. */
  anonNext: { words: 1, line: true },
  /** Stamps of pages that a copy on write has made: atomic, as faults take them. */
  cowNext: { words: 1, line: true },
  /** mm_users: 1 of the process, and those of who handles a fault for it or registers; at 0 the mm goes away. */
  users: { words: 1, line: true },
  /** 1 once exit_mmap is through; back to 0 when the address space is used for another process. */
  exited: 1,
  /** The root anon_vma: its rwsem, and its VMAs behind it. */
  anonVmaLock: { words: RMAP.$words, line: true },
  /** Odd while subscription i is to be called; rises with each subscription and each end of one. */
  subscribed: { words: MAX_SUBSCRIPTIONS, line: true },
});

/** A thread's view of one address space. */
export interface Mm {
  readonly id: number;
  readonly addr: Addr;
  /** Virtual pages 0 .. pages - 1. */
  readonly pages: number;
  readonly mmapLock: Addr;
  /** One word per page, written under its page-table lock: see page-table.ts. */
  readonly pte: Addr;
  /** One word per page, written together with `pte`: the stamp that the frame's payload must carry. */
  readonly identityOf: Addr;
  /** Page-table lock i, each on its own line, covers pages i << ptlShift and up. */
  readonly ptl: Addr;
  readonly ptlShift: number;
  /** One word per page, written under `mmapLock` W: the VMA's address, or 0. It replaces the maple tree. */
  readonly vmaOf: Addr;
  /** Reverse map of its anonymous memory: see rmap-root.ts. */
  readonly anonVma: Addr;
  readonly frames: FramePool;
  readonly world: MmWorld;
  readonly srcu: Addr;
  /** One word for each thread: sections that it has open on this mm. */
  readonly sectionsOf: Addr;
  /** This thread's callbacks; the same ones at the same index in every thread. Filled before the threads start to work. */
  readonly subscriptions: Subscription[];
}

/** A thread's view of all that mm/ owns. */
export interface MmWorld {
  readonly frames: FramePool;
  readonly files: readonly File[];
  readonly mms: readonly Mm[];
  /** Thread i's MM_TASK is at `base + i * stride`, its section j at `base + i * stride + sections + j * sectionStride`. */
  readonly mmTasks: {
    readonly base: Addr;
    readonly stride: number;
    readonly sections: number;
    readonly sectionStride: number;
  };
  readonly threads: number;
  readonly slabs: { readonly vma: Slab; readonly frame: Slab };
  readonly vmas: { readonly base: Addr; readonly stride: number };
  readonly depotLock: DepotLock;
  readonly rules: EraRules;
  readonly steps: MmSteps;
  readonly pressure: Pressure | null;
  /** Some process may exit: only then are references to an mm counted. */
  readonly mayExit: boolean;
  /** mm_all_locks_mutex: one taker of all locks at a time, whatever its mm. */
  readonly allLocksMutex: Addr;
}

/** Memory is short: one page-table allocation in `oneIn` of a thread enters direct reclaim. */
export interface Pressure {
  readonly oneIn: number;
  /** Pages that it takes back; null: whatever frames come. */
  readonly range: { readonly mm: number; readonly start: number; readonly last: number } | null;
}

export interface MmOptions {
  readonly mms: number;
  readonly pagesPerMm: number;
  readonly files: readonly { readonly pages: number }[];
  /** Frames that can always be had; what the threads' magazines hold back comes on top. */
  readonly frames: number;
  readonly vmas: number;
  readonly threads: number;
  /** Pages that one page-table lock covers: a power of two. */
  readonly ptesPerTable?: number;
  /** Words that a strategy keeps in each section, at `SECTION.$words`. */
  readonly extraSectionWords?: number;
  readonly depotLock?: DepotLock;
  /** Default: v5.5. */
  readonly era?: Era;
  readonly steps?: Partial<MmSteps>;
  readonly pressure?: Pressure | null;
  readonly mayExit?: boolean;
}

const PTES_PER_TABLE = 16;
const FRAME_MAGAZINE = 16;
const VMA_MAGAZINE = 4;

const sectionStride = (options: MmOptions): number => alignUp(SECTION.$words + (options.extraSectionWords ?? 0), 2);
const pageCacheWords = (pages: number): number => alignUp(Math.max(pages, 1), LINE_WORDS);
const frameSlabCount = (o: MmOptions): number => slabSizeFor(o.frames, o.threads, FRAME_MAGAZINE);
const vmaSlabCount = (o: MmOptions): number => slabSizeFor(o.vmas, o.threads, VMA_MAGAZINE);

function ptlShift(options: MmOptions): number {
  const n = options.ptesPerTable ?? PTES_PER_TABLE;
  if (!Number.isInteger(n) || n < 1 || (n & (n - 1)) !== 0) throw new RangeError(`mm: ${n} pages per page table`);
  return 31 - Math.clz32(n);
}

function assertOptions(options: MmOptions): void {
  if (options.files.length > MAX_FILES) throw new RangeError(`mm: ${options.files.length} files, at most ${MAX_FILES}`);
  for (const { pages } of options.files)
    if (!Number.isInteger(pages) || pages < 1 || pages > MAX_FILE_PAGES)
      throw new RangeError(`mm: a file of ${pages} pages, at most ${MAX_FILE_PAGES}`);
  if (!Number.isInteger(options.threads) || options.threads < 1 || options.threads > MAX_THREADS)
    throw new RangeError(`mm: ${options.threads} threads, at most ${MAX_THREADS}`);
  // A page-table entry has 27 bits for the frame; the sign bit stays free.
  if (frameSlabCount(options) >= 2 ** 27) throw new RangeError(`mm: ${options.frames} frames, at most ${2 ** 27 - 1}`);
  if (options.pagesPerMm >= 2 ** 29) throw new RangeError(`mm: ${options.pagesPerMm} pages in an address space`);
}

/** What mm/ asks of the arena. Throws `RangeError` on sizes that make no sense. */
export function mmRegions(options: MmOptions): RegionRequest[] {
  assertOptions(options);
  const { mms, pagesPerMm, files, threads } = options;
  const tables = Math.ceil(pagesPerMm / 2 ** ptlShift(options));
  const cacheWords = files.reduce((sum, f) => sum + pageCacheWords(f.pages), 0);
  const taskWords = MM_TASK.$words + MAX_SECTIONS * sectionStride(options);
  return [
    { name: 'mm.mm', words: MM.$words, count: mms, line: true },
    { name: 'mm.pte', words: pagesPerMm, count: mms, line: true },
    { name: 'mm.identityOf', words: pagesPerMm, count: mms, line: true },
    { name: 'mm.vmaOf', words: pagesPerMm, count: mms, line: true },
    { name: 'mm.ptl', words: LINE_WORDS, count: mms * tables, line: true },
    { name: 'mm.srcu', words: srcuWords(threads), count: mms, line: true },
    { name: 'mm.sectionsOf', words: threads, count: mms, line: true },
    { name: 'mm.task', words: taskWords, count: threads, line: true },
    { name: 'mm.allLocks', words: MUTEX.$words, count: 1, line: true },
    { name: 'mm.file', words: FILE.$words, count: Math.max(files.length, 1), line: true },
    { name: 'mm.pageCache', words: Math.max(cacheWords, 1), count: 1, line: true },
    { name: 'mm.vma', words: VMA.$words, count: vmaSlabCount(options) + 1 },
    { name: 'mm.frame', words: FRAME.$words, count: frameSlabCount(options) + 1, line: true },
    ...slabRegions('mm.vmaSlab', vmaSlabCount(options), threads, VMA_MAGAZINE),
    ...slabRegions('mm.frameSlab', frameSlabCount(options), threads, FRAME_MAGAZINE).filter(
      ({ name }) => name !== 'mm.frameSlab.state',
    ),
  ];
}

/** One thread's views. A pure function of its arguments: all threads get the same addresses. */
export function mmViews(layout: ArenaLayout, options: MmOptions): MmWorld {
  assertOptions(options);
  const { threads } = options;
  const region = (name: string): Region => {
    const found = (layout.regions as Readonly<Record<string, Region>>)[name];
    if (found === undefined) throw new RangeError(`mm: the layout has no region '${name}'`);
    return found;
  };
  const depotLock = options.depotLock ?? RAW_DEPOT_LOCK;
  const vmaSlab = slabView(layout.regions, 'mm.vmaSlab', vmaSlabCount(options), threads, VMA_MAGAZINE);
  const frameRegion = region('mm.frame');
  const frameSlab = slabView(layout.regions, 'mm.frameSlab', frameSlabCount(options), threads, FRAME_MAGAZINE, {
    ...frameRegion,
    base: at(frameRegion.base, FRAME.slabState),
  });
  const frames: FramePool = {
    base: frameRegion.base,
    stride: frameRegion.stride,
    count: frameSlab.count,
    slab: frameSlab,
    depotLock,
  };
  let cache = region('mm.pageCache').base;
  const files = options.files.map(({ pages }, id) => {
    const file = fileView(id, at(region('mm.file').base, id * region('mm.file').stride), pages, cache);
    cache = at(cache, pageCacheWords(pages));
    return file;
  });
  const task = region('mm.task');
  const mms: Mm[] = [];
  const world: MmWorld = {
    frames,
    files,
    mms,
    mmTasks: {
      base: task.base,
      stride: task.stride,
      sections: MM_TASK.$words,
      sectionStride: sectionStride(options),
    },
    threads,
    slabs: { vma: vmaSlab, frame: frameSlab },
    vmas: { base: region('mm.vma').base, stride: region('mm.vma').stride },
    depotLock,
    rules: ERA_RULES[options.era ?? DEFAULT_ERA],
    steps: { ...CORRECT_MM_STEPS, ...options.steps },
    pressure: options.pressure ?? null,
    mayExit: options.mayExit ?? false,
    allLocksMutex: region('mm.allLocks').base,
  };
  for (let id = 0; id < options.mms; id++) mms.push(mmView(id, world, options, region));
  return world;
}

function mmView(id: number, world: MmWorld, options: MmOptions, region: (name: string) => Region): Mm {
  const { pagesPerMm } = options;
  const shift = ptlShift(options);
  const tables = Math.ceil(pagesPerMm / 2 ** shift);
  const of = (name: string, index: number): Addr => at(region(name).base, index * region(name).stride);
  const addr = of('mm.mm', id);
  return {
    id,
    addr,
    pages: pagesPerMm,
    mmapLock: at(addr, MM.mmapLock),
    pte: of('mm.pte', id),
    identityOf: of('mm.identityOf', id),
    ptl: of('mm.ptl', id * tables),
    ptlShift: shift,
    vmaOf: of('mm.vmaOf', id),
    anonVma: at(addr, MM.anonVmaLock),
    frames: world.frames,
    world,
    srcu: of('mm.srcu', id),
    sectionsOf: of('mm.sectionsOf', id),
    subscriptions: [],
  };
}

/** Makes everything empty: no VMA, no file size, all frames free. Once per arena and cell, before the threads start. */
export function mmInit(mem: Memory, world: MmWorld): void {
  const { mmTasks, threads } = world;
  framesInit(mem, world.frames);
  slabInit(mem, world.slabs.vma);
  for (let i = 0; i <= world.slabs.vma.count; i++)
    rwsemInit(mem, at(world.vmas.base, i * world.vmas.stride + VMA.lock), LOCK_CLASS.vma_lock);
  for (const file of world.files) fileInit(mem, file);
  mutexInit(mem, world.allLocksMutex, LOCK_CLASS.mm_all_locks_mutex);
  mem.fill(0, mmTasks.base, mmTasks.base + threads * mmTasks.stride);
  for (const mm of world.mms) {
    mem.fill(0, mm.addr, mm.addr + MM.$words);
    for (const words of [mm.pte, mm.identityOf, mm.vmaOf]) mem.fill(0, words, words + mm.pages);
    mem.fill(0, mm.sectionsOf, mm.sectionsOf + threads);
    rwsemInit(mem, mm.mmapLock, LOCK_CLASS.mmap_lock);
    rmapInit(mem, mm.anonVma, LOCK_CLASS.anon_vma_lock);
    mem[mm.addr + MM.users] = 1;
    const tables = Math.ceil(mm.pages / 2 ** mm.ptlShift);
    for (let i = 0; i < tables; i++) spinLockInit(mem, at(mm.ptl, i * LINE_WORDS), LOCK_CLASS.ptl);
    srcuInit(mem, mm.srcu, threads, LOCK_CLASS.notifier_srcu);
    // Each mm starts elsewhere in the stamps' range, so that a frame of another mm is known by its stamp.
    mem[mm.addr + MM.anonNext] = 1 + mm.id * Math.floor(ANON_IDENTITIES / world.mms.length);
  }
}
