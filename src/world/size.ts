import type { CellPlan } from '../scenario/plan.ts';
import { layoutWorld } from './world.ts';

/** Words of the arena that a cell needs. Throws `RangeError` naming what does not fit. */
export const arenaWords = (plan: CellPlan): number => layoutWorld(plan).words;
