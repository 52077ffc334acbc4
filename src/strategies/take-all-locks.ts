import type { Strategy } from '../odp/strategy.ts';
import { privateCount } from './private-count.ts';

/**
 * The unclamped count, registered under every lock that a section may hold.
 *
 * - register: mmap_lock W, then mm_take_all_locks, around the insertion: no section of the mm runs at that moment, whoever drives it.
 * - start, end and fault are those of private-count; nothing is clamped, as every end that a umem hears had a start that it heard.
 * - remove: umem_rwsem W alone. A umem that leaves inside a section hears no end, and takes its count with it.
 * - holds only while each section lies wholly inside one of these locks.
 * - every registration stops the whole process, and whoever else maps its files.
 */
export const takeAllLocks: Strategy = {
  ...privateCount,
  name: 'take-all-locks',
  title: 'unclamped count, registration under mm_take_all_locks',
  origin: 'mm_take_all_locks (v2.6.27), which mmu_notifier_register holds once for each mm; never used for each region',
  reasoning:
    'Truncate holds i_mmap_rwsem from its start to its end, all else mmap_lock: with both held for writing no section runs while a umem is born, so start and end pair. The price is a registration that waits for all of them, and all of them for it.',
  registerLocks: () => 'all',
  keepsOut: true,
  expected: () => ({
    must: [],
    may: [],
    reason: 'every section of the model is covered by mmap_lock or i_mmap_rwsem; queued writers are served in turn',
  }),
};
