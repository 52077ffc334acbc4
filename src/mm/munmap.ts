import { type Addr, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { downgradeWrite, downWrite, upRead, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { tlbFinish } from './gather.ts';
import type { Mm } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { zapPteRange } from './page-table.ts';
import { SECTION_EVENT, type SectionEvent } from './section.ts';
import { detachVma, firstMapped, freeVma, rangeValid, splitEdges, unlinkVma, VMA } from './vma.ts';

/**
 * do_vmi_align_munmap: takes start .. last out of the mm under mmap_lock W, downgrades it (v4.20 on), and unmaps the pages in one
 * section around everything. ENOMEM when the VMAs at the edges cannot be split; nothing is changed then.
 */
export function munmap(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  point(actor, POINT['munmap.enter'], start, last, 0);
  downWrite(actor, mm.mmapLock);
  if (firstMapped(actor.mem, mm, start, last) < 0) {
    upWrite(actor, mm.mmapLock);
    count(actor, COUNTER['op.munmap']);
    return OUTCOME.ok;
  }
  if (!splitEdges(actor, mm, start, last)) {
    upWrite(actor, mm.mmapLock);
    return OUTCOME.enomem;
  }
  const detached = detachRange(actor, mm, start, last);
  // Faults may run beside the unmapping: they find no VMA here any more. A new mmap must wait.
  const { munmapDowngrades } = mm.world.rules;
  if (munmapDowngrades) downgradeWrite(actor, mm.mmapLock);
  unmapRegion(actor, mm, detached, start, last, SECTION_EVENT.unmap);
  if (munmapDowngrades) upRead(actor, mm.mmapLock);
  else upWrite(actor, mm.mmapLock);
  count(actor, COUNTER['op.munmap']);
  return OUTCOME.ok;
}

/** Detaches the VMAs, which now all lie inside the range, and returns them as a chain. */
export function detachRange(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Addr {
  const { mem } = actor;
  let chain: Addr = NULL_ADDR;
  for (let vpn = start as number; vpn <= last; vpn++) {
    const vma = mem[mm.vmaOf + vpn] as Addr;
    if (vma === NULL_ADDR) continue;
    vpn = mem[vma + VMA.last];
    detachVma(actor, mm, vma);
    mem[vma + VMA.detachedNext] = chain;
    chain = vma;
  }
  return chain;
}

/** unmap_region: one section around all detached VMAs, then their places in the reverse maps, the frames, and last the VMAs themselves. */
export function unmapRegion(actor: Actor, mm: Mm, detached: Addr, start: Vpn, last: Vpn, event: SectionEvent): void {
  const { mem } = actor;
  // Blockable, so nobody may refuse it.
  invalidateRangeStart(actor, mm, start, last, event, true);
  let cleared = 0;
  for (let vma = detached; vma !== NULL_ADDR; vma = mem[vma + VMA.detachedNext] as Addr)
    cleared += zapPteRange(actor, mm, mem[vma + VMA.start] as Vpn, mem[vma + VMA.last] as Vpn);
  point(actor, POINT['section.cleared'], start, last, cleared);
  invalidateRangeEnd(actor, mm);
  for (let vma = detached; vma !== NULL_ADDR; vma = mem[vma + VMA.detachedNext] as Addr) unlinkVma(actor, vma);
  tlbFinish(actor, mm.world);
  let vma = detached;
  while (vma !== NULL_ADDR) {
    const next = mem[vma + VMA.detachedNext] as Addr;
    freeVma(actor, mm.world, vma);
    vma = next;
  }
}
