import { Piscina } from 'piscina';
import { LINE_WORDS } from '../memory/address.ts';
import { MAX_ARENA_WORDS } from '../memory/arena.ts';
import { alignUp } from '../memory/struct.ts';

/** Threads and arena of one cell. They are used again after a clean cell, and thrown away together after any other. */
export interface Pool {
  readonly threads: number;
  readonly piscina: Piscina;
  buffer: SharedArrayBuffer;
}

/** A worker's heap: the model allocates next to nothing, so more than this is a fault that should end the cell, not the machine. */
const HEAP_MIB = 256;
let idle: Pool | null = null;

/**
 * A pool of exactly `threads` threads, one task each, and a zeroed arena of at least `words` words. Sending ever new arenas to the
 * same threads keeps them all alive (1.4 GB were seen), hence the one that is used again.
 */
export async function takePool(threads: number, words: number): Promise<Pool> {
  const kept = idle;
  idle = null;
  if (kept !== null && kept.threads === threads) {
    if (kept.buffer.byteLength >= words * 4) new Int32Array(kept.buffer).fill(0);
    else kept.buffer = newArena(words);
    return kept;
  }
  if (kept !== null) await kept.piscina.destroy();
  const piscina = new Piscina({
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  });
  return { threads, piscina, buffer: newArena(words) };
}

/** After a clean cell. */
export function keepPool(pool: Pool): void {
  idle = pool;
}

/** After any other: stuck threads are terminated, and the arena in which their locks stay held goes with them. */
export async function dropPool(pool: Pool): Promise<void> {
  await pool.piscina.destroy();
}

/** Ends the threads that are kept for the next cell. */
export async function closePool(): Promise<void> {
  const kept = idle;
  idle = null;
  if (kept !== null) await kept.piscina.destroy();
}

const newArena = (words: number): SharedArrayBuffer =>
  new SharedArrayBuffer(Math.min(alignUp(words, LINE_WORDS), MAX_ARENA_WORDS) * 4);
