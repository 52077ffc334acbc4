import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CrewHung } from './crew.ts';
import type { LoadJob } from './load-plan.ts';
import type { HotKeys } from './load-world.ts';

const ENTRY = new URL('./prepare-thread.js', import.meta.url);
const END_MS = 60_000;

/**
 * Makes the world on a thread of its own: a strategy that never returns from a registration must not take the bench with it, and the threads
 * that are measured are not to be shaped by this. Rejects with what the strategy threw, or with `CrewHung`.
 */
export async function prepared(job: LoadJob, boundMs = END_MS): Promise<HotKeys> {
  const worker = new Worker(ENTRY, { workerData: job });
  const bound = AbortSignal.timeout(boundMs);
  try {
    const [keys] = (await once(worker, 'message', { signal: bound })) as [HotKeys];
    return keys;
  } catch (error) {
    if (bound.aborted) throw new CrewHung(`the world was not made after ${boundMs / 1000} s`);
    throw error;
  } finally {
    await worker.terminate();
  }
}
