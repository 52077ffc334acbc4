import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Memory } from '../../src/memory/address.ts';

/** Two threads in a litmus test; the words below lie on cache lines of their own. */
export interface OrderData {
  readonly mem: Memory;
  readonly tid: number;
  readonly shape:
    | 'store, load'
    | 'add, loadAfterAtomic'
    | 'storeRelease; load, loadAfterAtomic'
    | 'load, loadAfterAtomic, load';
  readonly milliseconds: number;
}

const LINE = 16;
/** First word behind what the fixture's tasks use. */
const FIRST = 8192;
export const WORD = {
  x: FIRST,
  y: FIRST + LINE,
  entry: FIRST + 2 * LINE,
  identity: FIRST + 3 * LINE,
  arrived: FIRST + 4 * LINE,
  last: FIRST + 5 * LINE,
  never: FIRST + 6 * LINE,
  /** One of each thread. */
  seen: FIRST + 7 * LINE,
  spin: FIRST + 9 * LINE,
} as const;
const ORDER_WORDS = FIRST + 16 * LINE;

export interface OrderReport {
  readonly rounds: number;
  /** Rounds in which something was seen that the order forbids. */
  readonly wrong: number;
}

/** Runs the two threads; the report of the one that sees. */
export async function seenOf(shape: OrderData['shape'], milliseconds: number): Promise<OrderReport> {
  const mem = new Int32Array(new SharedArrayBuffer(ORDER_WORDS * 4));
  const workers = [0, 1].map(
    (tid) =>
      new Worker(new URL('./memory-order-worker.js', import.meta.url), {
        workerData: { mem, tid, shape, milliseconds } satisfies OrderData,
      }),
  );
  try {
    const signal = AbortSignal.timeout(milliseconds + 20_000);
    const reports = await Promise.all(workers.map(async (worker) => (await once(worker, 'message', { signal }))[0]));
    return { rounds: reports[0].rounds, wrong: reports[0].wrong + reports[1].wrong };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
