import { workerData } from 'node:worker_threads';
import { installControl } from '../sync/control.ts';
import { Stepper } from './stepper.ts';

/** Loaded first of all in a thread that is explored: puts it under control before its locks are loaded. */
export const stepper = new Stepper((workerData as { granularity: 'lock' | 'atomic' }).granularity);
installControl(stepper);
