import { parentPort, workerData } from 'node:worker_threads';
import { PRIMITIVE_BATCH, type PrimitiveJob, preparePrimitive } from './primitives.ts';

const job = workerData as PrimitiveJob;
const { Bench } = await import('tinybench');
const run = await preparePrimitive(job.name);
// The compiler's own threads need time, not turns, where the machine is busy.
const until = performance.now() + job.warmupMs;
while (performance.now() < until) run();
const bench = new Bench({ time: job.timeMs, iterations: 1, warmup: false });
bench.add(job.name, run);
const { result } = bench.runSync()[0]!;
if (result.state !== 'completed') throw new Error(`bench: '${job.name}' ended as ${result.state}`);
parentPort!.postMessage((result.latency.p50 * 1e6) / PRIMITIVE_BATCH);
