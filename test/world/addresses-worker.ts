import { parentPort, workerData } from 'node:worker_threads';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { attachWorld } from '../../src/world/world.ts';
import { addressesOf } from './addresses.ts';

const { plan, buffer } = workerData as { plan: CellPlan; buffer: SharedArrayBuffer };
const world = attachWorld(plan, buffer);
world.f64[world.counters[3]!] = 42;
parentPort!.postMessage(addressesOf(world));
