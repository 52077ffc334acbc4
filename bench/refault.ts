import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { RefaultTask } from './refault-worker.ts';
import type { RefaultConfig } from './refault-world.ts';
import { median, type RoundOptions, type Row } from './rounds.ts';

const STRATEGIES = ['interval-notifier', 'context-count', 'private-count'];
const WORLDS: readonly (Omit<RefaultConfig, 'strategy'> & { readonly name: string })[] = [
  { name: 'no observer', observer: 'none', trace: false, threads: 1 },
  { name: 'oracles', observer: 'oracles', trace: false, threads: 1 },
  { name: 'oracles, traced', observer: 'oracles', trace: true, threads: 1 },
  { name: 'oracles, traced, room for 8 threads', observer: 'oracles', trace: true, threads: 8 },
];
/** One thread takes about a second; this says only that it is stuck. */
const THREAD_TIMEOUT_MS = 120_000;

/**
 * What it costs one thread to take a page from the device and to give it back: madvise of one page of a registered region, then a
 * device access with its page fault. Each row is measured on a thread of its own, as a cell's threads know one strategy
 * and one observer: in one thread, calls that are direct in a cell would have become indirect.
 */
export async function refaultBench(options: RoundOptions = {}): Promise<Row[]> {
  const rows: Row[] = [];
  for (const strategy of STRATEGIES)
    for (const { name, ...world } of WORLDS) {
      const task: RefaultTask = { name: `${strategy}: ${name}`, config: { strategy, ...world }, options };
      rows.push(...(await runThread(task)));
    }
  return [...mergeReferences(rows), ...rows.filter((row) => row.name.includes(':'))];
}

async function runThread(task: RefaultTask): Promise<Row[]> {
  const worker = new Worker(new URL('./refault-worker.js', import.meta.url), { workerData: task });
  try {
    const [rows] = await once(worker, 'message', { signal: AbortSignal.timeout(THREAD_TIMEOUT_MS) });
    return rows;
  } finally {
    await worker.terminate();
  }
}

/** The references were measured on every thread: one row for each, with the median of all. */
function mergeReferences(rows: readonly Row[]): Row[] {
  const names = new Set(rows.map((row) => row.name).filter((name) => !name.includes(':')));
  return [...names].map((name) => {
    const same = rows.filter((row) => row.name === name);
    return { ...same[0]!, nsPerOp: median(same.map((row) => row.nsPerOp)) };
  });
}
