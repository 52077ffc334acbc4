import { type ArenaLayout, layoutArena } from '../memory/arena.ts';
import { MUTEX } from '../sync/mutex.ts';
import { RW_SEMAPHORE } from '../sync/rw-semaphore.ts';
import { SEQ_COUNT } from '../sync/seq-count.ts';
import { SPIN_LOCK } from '../sync/spin-lock.ts';
import { TASK } from '../sync/task.ts';
import { HISTOGRAM_DOUBLES } from '../trace/histogram.ts';

/**
 * What contends; `peer`: from the npm package `multithreading`, which only a checkout has; `spins`: looks before a sleep, if not as many as
 * by default.
 */
export const LOCKS = [
  { name: 'inline-futex', title: 'inline three-state futex mutex', peer: false },
  { name: 'mutex', title: 'mutexLock', peer: false },
  { name: 'rwsem', title: 'downRead, downWrite', peer: false },
  { name: 'mutex-sleeping', title: 'mutexLock, which sleeps at once', peer: false, spins: 0 },
  { name: 'rwsem-sleeping', title: 'downRead, downWrite, which sleep at once', peer: false, spins: 0 },
  { name: 'spin', title: 'spinLock', peer: false },
  { name: 'seqcount', title: 'seqcount, writers under spinLock', peer: false },
  { name: 'multithreading-mutex', title: 'multithreading Mutex.blockingLock', peer: true },
  { name: 'multithreading-rwlock', title: 'multithreading RwLock.blockingRead, blockingWrite', peer: true },
] as const satisfies readonly { name: string; title: string; peer: boolean; spins?: number }[];
export type LockName = (typeof LOCKS)[number]['name'];

/** What the locks of a run are compared with, cell by cell. */
export const LOCK_REFERENCE: LockName = 'inline-futex';

export interface LockJob {
  readonly lock: LockName;
  /** Per cent of the operations that only read. */
  readonly read: number;
  readonly threads: number;
  readonly seed: number;
  readonly buffer: SharedArrayBuffer;
}

/** Words that the lock protects: a writer raises all of them, a reader finds them equal. */
export const DATA_WORDS = 4;

/** A thread's figures, in doubles. */
export const LOCK_FIGURES = { reads: 0, writes: 1, wait: 2, $doubles: 2 + HISTOGRAM_DOUBLES } as const;

type Region = 'task' | 'lock' | 'second' | 'data' | 'figures';

/** The same for every lock: what one does not need lies idle. */
export const lockLayout = (threads: number): ArenaLayout<Region> =>
  layoutArena<Region>([
    { name: 'task', words: TASK.$words, count: threads, line: true },
    { name: 'lock', words: Math.max(MUTEX.$words, RW_SEMAPHORE.$words, SPIN_LOCK.$words), count: 1, line: true },
    { name: 'second', words: SEQ_COUNT.$words, count: 1, line: true },
    { name: 'data', words: DATA_WORDS, count: 1, line: true },
    { name: 'figures', words: 2 * LOCK_FIGURES.$doubles, count: threads, line: true },
  ]);

/** Index of the first double of a thread's figures. */
export const lockFigures = (layout: ArenaLayout<Region>, tid: number): number =>
  (layout.regions.figures.base + tid * layout.regions.figures.stride) >>> 1;
