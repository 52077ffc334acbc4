import type { Strategy } from '../odp/strategy.ts';
import { privateCountClamped } from './private-count-clamped.ts';

/**
 * The clamped count, registered under mmap_lock for writing.
 *
 * - register: mmap_lock W around the insertion, so that no section of madvise or munmap straddles it.
 * - start, end and fault are those of private-count-clamped.
 * - sections that hold no mmap_lock (truncate, and later hole punch, reclaim, migration) straddle it still.
 */
export const mmapWrite: Strategy = {
  ...privateCountClamped,
  name: 'mmap-write',
  title: 'clamped count, registration under mmap_lock for writing',
  origin: 'the seed thread, Jerome Glisse: "you need to take the mmap_sem in write mode"',
  reasoning:
    'Excludes every section that holds mmap_lock. Truncate holds none: a fault may still find the page in the page table between the start and the clearing, map it, and the page cache frees it; the second pass of truncate takes the entry away again.',
  registerLocks: () => 'write',
  expected: (_era, { rmap, onePass, vmaLocks }) =>
    rmap || vmaLocks === true
      ? {
          must: [],
          // What one pass lets through stays: only truncate comes again.
          may: [
            'entry-in-section',
            'stale-dma',
            'data-corruption',
            ...(onePass === true || vmaLocks === true ? ['stale-mapping'] : []),
          ],
          reason:
            'not all sections hold mmap_lock: those of the reverse map never did, and madvise holds only its VMA since v6.17. Rare under load: litmus/truncate-around-register forces the one, litmus/seed-fault-in-section in v6.17 the other',
        }
      : { must: [], may: [], reason: 'all sections of this scenario hold mmap_lock' },
};
