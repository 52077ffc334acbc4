import type { Addr, Memory, Pfn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { ArenaLayout, RegionRequest } from '../memory/arena.ts';
import * as structModule from '../memory/struct.ts';
import type { FramePool } from '../mm/frame.ts';
import * as lockClassModule from '../sync/lock-class.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;
const { LOCK_CLASS } = lockClassModule;
const { SPIN_LOCK, spinLockInit } = spinLockModule;
const { WAIT_QUEUE, waitQueueInit } = waitQueueModule;

/** A memory key as the adapter sees it (mlx5: mkey). `key` is 0 while nobody may use it; written last at registration. */
export const MKEY = defineStruct('mkey', {
  key: { words: 1, line: true },
  start: 1,
  pages: 1,
  mm: 1,
  generation: 1,
  /** 1 from CREATE_MKEY to DESTROY_MKEY: while the device takes commands for the key. For the oracle dead-key-command. */
  created: 1,
});

/** A queue pair's side of page faults: `resumed` rises with each resume, `error` says how the last one ended. */
export const QP = defineStruct('qp', {
  resumed: { words: 1, line: true },
  error: 1,
});

/** A device access in flight: see dma.ts. One for each process and QP, so that a zap looks at none that only others use. */
export const ACCESS = defineStruct('access', { inflight: { words: 1, line: true }, mkey: 1 });

/** The page-request queue: a ring under a lock. */
export const REQUEST_QUEUE = defineStruct('request_queue', {
  lock: { words: SPIN_LOCK.$words, line: true },
  head: 1,
  tail: 1,
  wait: { words: WAIT_QUEUE.$words, line: true },
});
export const REQUEST = defineStruct('page_request', { key: 1, page: 1, write: 1, qp: 1 });

/** The adapter: memory keys, their page table (one word an entry), and the page-request queue. */
export interface Hca {
  readonly frames: FramePool;
  readonly mkeys: number;
  readonly mkey: Addr;
  readonly mkeyStride: number;
  /** Pages of the largest region: entries of key i start at `mtt + i * mttPages`. */
  readonly mttPages: number;
  readonly mtt: Addr;
  /** Backing identity of each entry's page at commit; written before the entry becomes valid. */
  readonly identity: Addr;
  /** The entry for which it was written. */
  readonly identityEntry: Addr;
  /** For each mm and page: valid entries that reach it, not counting pinned ones. A hint for oracles, kept by the hardware. */
  readonly reach: Addr;
  readonly pagesPerMm: number;
  readonly qp: Addr;
  readonly qpStride: number;
  /** ACCESS of mm m and thread t is at `access + (m * qps + t) * accessStride`. */
  readonly access: Addr;
  readonly accessStride: number;
  /** One QP for each thread of the cell, by tid. */
  readonly qps: number;
  readonly queue: Addr;
  readonly requests: Addr;
  readonly queueLength: number;
  /** False: a known bug, a zap does not wait for the accesses that are in flight. */
  readonly flushes: boolean;
  /** The state of keys is a step of a controlled run: under a known bug that it tells. */
  readonly statesAreSteps: boolean;
}

export interface HcaOptions {
  readonly mkeys: number;
  readonly mkeyPages: number;
  readonly mms: number;
  readonly pagesPerMm: number;
  readonly threads: number;
  readonly queue: number;
  readonly flushes?: boolean;
  readonly statesAreSteps?: boolean;
}

type HcaRegion =
  | 'hca.mkey'
  | 'hca.mtt'
  | 'hca.identity'
  | 'hca.identityEntry'
  | 'hca.reach'
  | 'hca.qp'
  | 'hca.access'
  | 'hca.queue'
  | 'hca.requests';

export const hcaRegions = (o: HcaOptions): (RegionRequest & { readonly name: HcaRegion })[] => [
  { name: 'hca.mkey', words: MKEY.$words, count: o.mkeys, line: true },
  { name: 'hca.mtt', words: o.mkeyPages, count: o.mkeys },
  { name: 'hca.identity', words: o.mkeyPages, count: o.mkeys },
  { name: 'hca.identityEntry', words: o.mkeyPages, count: o.mkeys },
  { name: 'hca.reach', words: o.pagesPerMm, count: o.mms },
  { name: 'hca.qp', words: QP.$words, count: o.threads, line: true },
  { name: 'hca.access', words: ACCESS.$words, count: o.mms * o.threads, line: true },
  { name: 'hca.queue', words: REQUEST_QUEUE.$words, count: 1, line: true },
  { name: 'hca.requests', words: REQUEST.$words, count: o.queue },
];

export const hcaView = (layout: ArenaLayout<HcaRegion>, o: HcaOptions, frames: FramePool): Hca => ({
  frames,
  mkeys: o.mkeys,
  mkey: layout.regions['hca.mkey'].base,
  mkeyStride: layout.regions['hca.mkey'].stride,
  mttPages: o.mkeyPages,
  mtt: layout.regions['hca.mtt'].base,
  identity: layout.regions['hca.identity'].base,
  identityEntry: layout.regions['hca.identityEntry'].base,
  reach: layout.regions['hca.reach'].base,
  pagesPerMm: o.pagesPerMm,
  qp: layout.regions['hca.qp'].base,
  qpStride: layout.regions['hca.qp'].stride,
  access: layout.regions['hca.access'].base,
  accessStride: layout.regions['hca.access'].stride,
  qps: o.threads,
  queue: layout.regions['hca.queue'].base,
  requests: layout.regions['hca.requests'].base,
  queueLength: o.queue,
  flushes: o.flushes ?? true,
  statesAreSteps: o.statesAreSteps ?? false,
});

/** Once for each arena, before the threads start. All other words of the adapter start at 0. */
export function hcaInit(mem: Memory, hca: Hca): void {
  spinLockInit(mem, at(hca.queue, REQUEST_QUEUE.lock), LOCK_CLASS.request_queue);
  waitQueueInit(mem, at(hca.queue, REQUEST_QUEUE.wait));
}

export const mkeyAddr = (hca: Hca, index: number): Addr => at(hca.mkey, index * hca.mkeyStride);
export const accessAddr = (hca: Hca, mm: number, tid: number): Addr =>
  at(hca.access, (mm * hca.qps + tid) * hca.accessStride);
export const qpAddr = (hca: Hca, tid: number): Addr => at(hca.qp, tid * hca.qpStride);

/** Keys carry their index and a generation, so that a destroyed key is never taken for its successor (until 2^11 - 1 reuses later). */
const KEY_INDEX_BITS = 20;
/** Generations in a key: 1 .. 2^11 - 1. */
const KEY_GENERATIONS = 0x7ff;
export const MAX_MKEYS = 1 << KEY_INDEX_BITS;
export const makeKey = (index: number, generation: number): number =>
  (((((generation - 1) >>> 0) % KEY_GENERATIONS) + 1) << KEY_INDEX_BITS) | index;
export const keyIndex = (key: number): number => key & (MAX_MKEYS - 1);

/**
 * A device page-table entry: one word, so that a racing read is never torn. Flags 4 bits, generation 12, frame 16: the
 * generation comes round after 4,096 frees of one frame, so a stale entry is missed only when exactly a multiple of that many
 * frees lies between its commit and the access.
 */
export const ENTRY_VALID = 1;
export const ENTRY_WRITE = 2;
export const ENTRY_PINNED = 4;
const ENTRY_GENERATION_SHIFT = 4;
const ENTRY_FRAME_SHIFT = 16;
export const ENTRY_GENERATION_MASK = 0xfff;
/** An entry without its flags: frame and generation. */
export const ENTRY_PAGE = ~0xf;
/** Frames that an entry can name. */
export const MAX_FRAMES = 1 << 16;

export const makeEntry = (pfn: Pfn, generation: number, flags: number): number =>
  (pfn << ENTRY_FRAME_SHIFT) | ((generation & ENTRY_GENERATION_MASK) << ENTRY_GENERATION_SHIFT) | flags;
export const entryFrame = (entry: number): Pfn => (entry >>> ENTRY_FRAME_SHIFT) as Pfn;
export const entryGeneration = (entry: number): number => (entry >>> ENTRY_GENERATION_SHIFT) & ENTRY_GENERATION_MASK;
