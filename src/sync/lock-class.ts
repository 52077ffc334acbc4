import type { Addr, Memory } from '../memory/address.ts';

/** Classes of locks, with the kernel's names where it has one. Reports and slow-path statistics are kept by class. */
export const LOCK_CLASSES = [
  'unclassified',
  'mmap_lock',
  'ptl',
  'i_mmap_rwsem',
  'invalidate_lock',
  'inode_lock',
  'folio_lock',
  'xa_lock',
  'anon_vma_lock',
  'umem_rwsem',
  'umem_mutex',
  'mmu_notifier_lock',
  'notifier_srcu',
  'mr_srcu',
  'request_queue',
  'slab',
  'strategy',
  'mm_all_locks_mutex',
  'vma_lock',
  'fs_reclaim',
  'mmu_notifier_invalidate_range_start',
  'per_mm',
  'mkey_cache',
  'range_pool',
] as const;
export type LockClass = (typeof LOCK_CLASSES)[number];

/** Class name to the index that is kept in a lock's `cls` word. */
export const LOCK_CLASS = Object.freeze(Object.fromEntries(LOCK_CLASSES.map((name, i) => [name, i]))) as {
  readonly [N in LockClass]: number;
};

/** Every struct of sync/ keeps its class in its second word, so that a lock can be named from its address alone. */
export const CLS_OFFSET = 1;
/**
 * In a lock's third word: who had it last (tid + 1), as lockdep_map's `cpu`. Kept only while acquisitions are counted; see lock-stat.ts. Here,
 * because whoever takes a lock has its cache line.
 */
export const OWNER_OFFSET = 2;

/** The class of the lock at `lock`; 'unclassified' when the word holds no class. */
export const lockClassName = (mem: Memory, lock: Addr): LockClass =>
  LOCK_CLASSES[mem[lock + CLS_OFFSET]] ?? 'unclassified';
