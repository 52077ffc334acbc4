import type { Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { File } from './file.ts';
import * as gatherModule from './gather.ts';
import type { Mm, MmWorld } from './mm.ts';
import * as notifierModule from './notifier.ts';
import * as pageTableModule from './page-table.ts';
import * as sectionModule from './section.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { downRead, upRead } = rwSemaphoreModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { tlbFinish } = gatherModule;
const { invalidateRangeEnd, invalidateRangeStart } = notifierModule;
const { zapPteRange } = pageTableModule;
const { SECTION_EVENT } = sectionModule;
const { rmapFirst, rmapNext, VMA, vmaAddress } = vmaModule;

const CLEARED = POINT['section.cleared'];
const CLEAR = SECTION_EVENT.clear;

/**
 * zap_page_range_single: start, clear, end over one VMA's part, then the release of what was gathered. The section is opened
 * whether or not anything is mapped: the notification is the range's, not the pages'.
 */
export function zapPageRangeSingle(actor: Actor, mm: Mm, start: Vpn, last: Vpn): void {
  // Blockable, so nobody may refuse it.
  invalidateRangeStart(actor, mm, start, last, CLEAR, true);
  const cleared = zapPteRange(actor, mm, start, last);
  point(actor, CLEARED, start, last, cleared);
  invalidateRangeEnd(actor, mm);
  tlbFinish(actor, mm.world);
}

/**
 * unmap_mapping_range: unmaps pages first .. last of a file from every VMA of every mm. Under i_mmap_rwsem for reading, without
 * any mmap_lock: a VMA's bounds cannot change, but a VMA that an munmap has detached may still be met, which does no harm.
 */
export function unmapMappingRange(actor: Actor, world: MmWorld, file: File, first: number, last: number): void {
  const { mem } = actor;
  const root = file.iMmap;
  downRead(actor, file.iMmapRwsem);
  for (let vma = rmapFirst(mem, root, first, last); vma !== NULL_ADDR; vma = rmapNext(mem, vma, first, last)) {
    const from = Math.max(mem[vma + VMA.start], vmaAddress(mem, vma, first));
    const to = Math.min(mem[vma + VMA.last], vmaAddress(mem, vma, last));
    zapPageRangeSingle(actor, world.mms[mem[vma + VMA.mm]], from as Vpn, to as Vpn);
  }
  upRead(actor, file.iMmapRwsem);
}

/** unmap_mapping_folio: a section of one page in each VMA that covers it. The caller holds the folio lock, so nobody maps it again. */
export const unmapMappingFolio = (actor: Actor, world: MmWorld, file: File, index: number): void =>
  unmapMappingRange(actor, world, file, index, index);
