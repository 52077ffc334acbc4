import { ENTRY_VALID } from '../hca/device.ts';
import { entryAddr } from '../hca/device-page-table.ts';
import { slabAllocated } from '../memory/slab.ts';
import { censusFrames } from '../mm/census.ts';
import type { Actor } from '../trace/actor.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/** What leaked; in the record's `reason`. */
export const LEAK = { frame: 0, umem: 1, entry: 2 } as const;

/**
 * At the end of a cell, all threads finished and every region deregistered: each frame's references are those of page tables and
 * page cache, no umem is left, and the device reaches nothing. Not run in a cell that lost a thread, whose references nobody drops.
 */
export function auditLeaks(actor: Actor, view: OracleView): void {
  const { mem, hca } = view;
  for (const wrong of censusFrames(mem, view.mm)) {
    const slot = violate(actor, view, ORACLE.leak);
    if (slot === 0) continue;
    mem[slot + VIOLATION.frame] = wrong.pfn;
    mem[slot + VIOLATION.value] = wrong.found;
    mem[slot + VIOLATION.expectedValue] = wrong.expected;
    mem[slot + VIOLATION.reason] = LEAK.frame;
    submit(view, slot);
  }
  const { slab } = view.contexts[0]!;
  for (let index = 1; index < hca.mkeys; index++) {
    if (slabAllocated(mem, slab, index)) reportIndex(actor, view, index, LEAK.umem);
    for (let page = 0; page < hca.mttPages; page++)
      if ((mem[entryAddr(hca, index, page)] & ENTRY_VALID) !== 0) reportIndex(actor, view, index, LEAK.entry);
  }
}

function reportIndex(actor: Actor, view: OracleView, index: number, reason: number): void {
  const slot = violate(actor, view, ORACLE.leak);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.umem] = index;
  view.mem[slot + VIOLATION.reason] = reason;
  submit(view, slot);
}
