import { parentPort, workerData } from 'node:worker_threads';
import { openRefaultWorld, type RefaultConfig, refaultCase } from './refault-world.ts';
import { measure, type RoundOptions } from './rounds.ts';

/** What one thread measures. */
export interface RefaultTask {
  readonly name: string;
  readonly config: RefaultConfig;
  readonly options: RoundOptions;
}

const { name, config, options } = workerData as RefaultTask;
parentPort!.postMessage(measure('refault', [refaultCase(name, openRefaultWorld(config))], options));
