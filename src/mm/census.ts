import { type Memory, NULL_PFN, type Pfn } from '../memory/address.ts';
import { slabAllocated } from '../memory/slab.ts';
import { FRAME, frameAddr } from './frame.ts';
import type { MmWorld } from './mm.ts';
import { pteFrame, ptePresent } from './page-table.ts';

/** A frame whose references do not add up. */
export interface FrameDiscrepancy {
  readonly pfn: Pfn;
  /** References that were found: page-table entries, the page cache, and those that the caller named. */
  readonly expected: number;
  /** Its reference count, or 0 when it is free. */
  readonly found: number;
  readonly allocated: boolean;
}

/**
 * Counts every reference to every frame and compares: allocated frames that nobody refers to (leaks), free ones that somebody
 * does, counts that are off. `extra` lists further references, one entry each (pinned pages). Only while all threads are quiet;
 * it allocates.
 */
export function censusFrames(mem: Memory, world: MmWorld, extra: Iterable<Pfn> = []): FrameDiscrepancy[] {
  const { frames } = world;
  const expected = new Int32Array(frames.count + 1);
  const refer = (pfn: Pfn): void => {
    if (pfn !== NULL_PFN) expected[pfn]++;
  };
  for (const mm of world.mms)
    for (let vpn = 0; vpn < mm.pages; vpn++) {
      const pte = mem[mm.pte + vpn];
      if (ptePresent(pte)) refer(pteFrame(pte));
    }
  for (const file of world.files)
    for (let index = 0; index < file.maxPages; index++) refer(mem[file.pageCache + index] as Pfn);
  for (const pfn of extra) refer(pfn);
  const wrong: FrameDiscrepancy[] = [];
  for (let n = 1; n <= frames.count; n++) {
    const pfn = n as Pfn;
    const allocated = slabAllocated(mem, frames.slab, pfn);
    const found = allocated ? mem[frameAddr(frames, pfn) + FRAME.refcount] : 0;
    if (found !== expected[n] || (allocated && expected[n] === 0))
      wrong.push({ pfn, expected: expected[n], found, allocated });
  }
  return wrong;
}
