import type { Memory } from '../../src/memory/address.ts';
import { layoutArena } from '../../src/memory/arena.ts';
import { slabRegions, slabView } from '../../src/memory/slab.ts';

export interface Plan {
  readonly buffer: SharedArrayBuffer;
  readonly seed: number;
  readonly tid: number;
  readonly threads: number;
  readonly count: number;
  readonly magazine: number;
  readonly mailboxes: number;
  readonly rounds: number;
}

/** What a run must have exposed before it ends: objects freed by another thread than the one that took them. */
export const FOREIGN_FREES_MIN = 2000;

export interface Report {
  allocated: number;
  freed: number;
  freedForeign: number;
  exhausted: number;
  readonly mistakes: string[];
}

/** The same layout in every thread. */
export function layoutOf(plan: Omit<Plan, 'buffer' | 'tid'>) {
  return layoutArena([
    ...slabRegions('obj', plan.count, plan.threads, plan.magazine),
    { name: 'owners', words: 1, count: plan.count + 1 },
    { name: 'mailboxes', words: 1, count: plan.mailboxes },
    { name: 'words', words: 1, count: 16 },
  ]);
}

export function viewsOf(plan: Plan) {
  const { regions } = layoutOf(plan);
  const mem: Memory = new Int32Array(plan.buffer);
  return {
    mem,
    slab: slabView(regions, 'obj', plan.count, plan.threads, plan.magazine),
    owners: regions.owners.base,
    mailboxes: regions.mailboxes.base,
    words: regions.words.base,
  };
}
