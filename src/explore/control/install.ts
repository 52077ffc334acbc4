import { workerData } from 'node:worker_threads';
import { installControl } from '../../sync/control.ts';
import { RaceDetector } from '../races/races.ts';
import type { ActorData } from './actor-main.ts';
import { Stepper } from './stepper.ts';

/** Loaded first of all in a thread that is explored: puts it under control before its locks are loaded. */
const { granularity, races } = workerData as Pick<ActorData, 'granularity' | 'races'>;
export const detector = races ? new RaceDetector() : null;
export const stepper = new Stepper(granularity, detector);
installControl(stepper);
