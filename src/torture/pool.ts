import { Piscina } from 'piscina';
import { MAX_ARENA_WORDS } from '../memory/arena.ts';
import { threadUrl } from './worker-url.ts';

/** Threads and arena of one cell. They are used again after a clean cell, and thrown away together after any other. */
export interface Pool {
  readonly threads: number;
  readonly piscina: Piscina;
  readonly buffer: SharedArrayBuffer;
  /** A thread died outside any task: the pool has replaced it, but nobody knows what it did to the arena. Or one may yet die so. */
  broken: boolean;
}

/** A worker's heap: the model allocates next to nothing, so more than this is a fault that should end the cell, not the machine. */
const HEAP_MIB = 256;
let idle: Pool | null = null;

/**
 * A pool of exactly `threads` threads, one task each, and an arena with at least `words` words, of which the first `words` are 0. Sending ever new arenas to the
 * same threads keeps them all alive (1.4 GB were seen), so a pool has one arena for life, and where that does not fit it ends.
 */
export async function takePool(threads: number, words: number): Promise<Pool> {
  const kept = idle;
  idle = null;
  if (kept !== null) {
    if (kept.threads === threads && kept.buffer.byteLength >= words * 4 && !kept.broken) {
      new Int32Array(kept.buffer).fill(0, 0, words);
      return kept;
    }
    await dropPool(kept);
  }
  const piscina = new Piscina({
    filename: threadUrl().href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  });
  const pool: Pool = { threads, piscina, buffer: newArena(words), broken: false };
  // Without a listener this would end the process.
  piscina.on('error', () => {
    pool.broken = true;
  });
  return pool;
}

/** After a clean cell. One pool is kept: with two cells at the same time the later to end wins. */
export async function keepPool(pool: Pool): Promise<void> {
  const other = idle;
  idle = pool;
  if (other !== null) await dropPool(other);
}

/** After any other: stuck threads are terminated, and the arena in which their locks stay held goes with them. */
export async function dropPool(pool: Pool): Promise<void> {
  await pool.piscina.destroy();
}

/** Ends the threads that are kept for the next cell. */
export async function closePool(): Promise<void> {
  const kept = idle;
  idle = null;
  if (kept !== null) await dropPool(kept);
}

/** The next power of two: the designs differ by a few words, which must not cost a new pool. What is not touched is not resident. */
const newArena = (words: number): SharedArrayBuffer =>
  new SharedArrayBuffer(Math.min(2 ** Math.ceil(Math.log2(words)), MAX_ARENA_WORDS) * 4);
