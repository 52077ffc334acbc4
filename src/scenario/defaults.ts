import type { PerturbOptions } from '../trace/perturb.ts';
import type { BoundsPlan, HcaPlan, LoadRole, TracePlan } from './plan.ts';

export const DEFAULT_HCA: Omit<HcaPlan, 'mrPages'> = { mrs: 8, queue: 64, faultTimeoutMs: 1000 };
export const DEFAULT_MR_PAGES = 16;

/** Moderate: about one site in four, most delays spun, some slept so that another thread gets the core. */
export const DEFAULT_PERTURB: PerturbOptions = {
  site: 0.25,
  fire: 0.02,
  spinMaxUs: 30,
  sleep: 0.1,
  sleepMaxUs: 500,
  always: [],
};

export const DEFAULT_TRACE: TracePlan = { on: true, ring: 512, window: 64, keep: 5, slots: 64 };

export const LOAD_BOUNDS: BoundsPlan = {
  auditIntervalMs: 250,
  parkBoundMs: 100,
  starvationAttempts: 256,
  starvationOpportunities: 64,
  starvationTicks: 300,
  hangMs: 5000,
};

/** Pages of one operation, where a scenario does not say. */
export const DEFAULT_OPERATION_PAGES: Readonly<Record<LoadRole, readonly [number, number]>> = {
  madvise: [1, 8],
  munmap: [1, 8],
  truncate: [1, 8],
  register: [1, 16],
  'fault-engine': [1, 1],
  dma: [1, 4],
  touch: [1, 4],
  'punch-hole': [1, 4],
  mprotect: [1, 8],
  mremap: [1, 4],
  fork: [1, 16],
  reclaim: [1, 1],
  migrate: [1, 1],
  'oom-reaper': [1, 16],
  exit: [1, 1],
  collapse: [2, 4],
  'pagemap-scan': [1, 8],
};
