import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PrimitiveJob, PrimitiveName, PrimitiveTimes } from './primitives.ts';
import type { CellRun, CellTime } from './run-types.ts';

const ENTRY = new URL('./primitive-thread.js', import.meta.url);
const END_MS = 60_000;

/** One operation and, in turn with it, the reference, on a thread of their own. */
export async function runPrimitiveCell(name: PrimitiveName, time: CellTime): Promise<CellRun> {
  const job: PrimitiveJob = { name, warmupMs: time.warmupMs, timeMs: time.cellMs };
  const worker = new Worker(ENTRY, { workerData: job });
  try {
    const [{ nsPerOp, beside }] = (await once(worker, 'message', { signal: AbortSignal.timeout(END_MS) })) as [
      PrimitiveTimes,
    ];
    return {
      metrics: { nsPerOp },
      beside: { nsPerOp: beside },
      perThread: [],
      lockWait: {},
      histogram: null,
      heat: null,
    };
  } finally {
    await worker.terminate();
  }
}
