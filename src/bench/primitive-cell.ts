import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PrimitiveJob, PrimitiveName } from './primitives.ts';
import type { CellRun, CellTime } from './run-types.ts';

const ENTRY = new URL('./primitive-thread.js', import.meta.url);
const END_MS = 60_000;

/** One operation alone, on a thread of its own. */
export async function runPrimitiveCell(name: PrimitiveName, time: CellTime): Promise<CellRun> {
  const job: PrimitiveJob = { name, warmupMs: time.warmupMs, timeMs: time.cellMs };
  const worker = new Worker(ENTRY, { workerData: job });
  try {
    const [nsPerOp] = (await once(worker, 'message', { signal: AbortSignal.timeout(END_MS) })) as [number];
    return { metrics: { nsPerOp }, perThread: [], lockWait: {}, histogram: null, heat: null };
  } finally {
    await worker.terminate();
  }
}
