import { parentPort, workerData } from 'node:worker_threads';
import { loadStrategyOf } from '../torture/strategy-file.ts';
import type { LoadJob } from './load-plan.ts';
import { prepareLoad } from './load-world.ts';

const job = workerData as LoadJob;
// Before any view is made: the world's layout depends on the strategy.
await loadStrategyOf(job.plan);
parentPort!.postMessage(prepareLoad(job));
