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
  expected: (_era, traits) =>
    traits.rmap
      ? {
          must: [],
          may: ['entry-in-section', 'stale-dma', 'data-corruption'],
          reason:
            'truncate holds no mmap_lock; its second pass repairs what its first let through. Rare under load: litmus/truncate-around-register forces it',
        }
      : { must: [], may: [], reason: 'all sections of this scenario hold mmap_lock' },
};
