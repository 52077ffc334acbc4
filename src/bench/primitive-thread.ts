import { parentPort, workerData } from 'node:worker_threads';
import {
  PRIMITIVE_BATCH,
  PRIMITIVE_REFERENCE,
  type PrimitiveJob,
  type PrimitiveTimes,
  preparePrimitive,
} from './primitives.ts';
import { median } from './stats.ts';

/**
 * The operation and the reference are measured in turn, so short a time each that what makes the machine slow for a while (a neighbour on the
 * same physical core doubles the time of an atomic operation) does so to both.
 */
const SLICE_MS = 3;

const job = workerData as PrimitiveJob;
const { Bench } = await import('tinybench');
const run = await preparePrimitive(job.name);
const reference = await preparePrimitive(PRIMITIVE_REFERENCE);
// The compiler's own threads need time, not turns, where the machine is busy.
const until = performance.now() + job.warmupMs;
while (performance.now() < until) {
  run();
  reference();
}

/** Nanoseconds of an operation: the median of the batches of one slice. */
function slice(name: string, operation: () => void): number {
  const bench = new Bench({ time: SLICE_MS, iterations: 1, warmup: false });
  bench.add(name, operation);
  const { result } = bench.runSync()[0]!;
  if (result.state !== 'completed') throw new Error(`bench: '${name}' ended as ${result.state}`);
  return (result.latency.p50 * 1e6) / PRIMITIVE_BATCH;
}

const own: number[] = [];
const ratios: number[] = [];
const end = performance.now() + job.timeMs;
do {
  const before = slice(PRIMITIVE_REFERENCE, reference);
  const time = slice(job.name, run);
  own.push(time);
  // Between two of the reference, as the machine may have changed on the way.
  ratios.push((2 * time) / (before + slice(PRIMITIVE_REFERENCE, reference)));
} while (performance.now() < end);
const nsPerOp = median(own);
const times: PrimitiveTimes = { nsPerOp, beside: nsPerOp / median(ratios) };
parentPort!.postMessage(times);
