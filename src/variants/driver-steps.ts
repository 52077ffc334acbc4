import { contextCount } from '../strategies/context-count.ts';
import { intervalNotifier } from '../strategies/interval-notifier.ts';
import { takeAllLocks } from '../strategies/take-all-locks.ts';
import { variant } from './variant.ts';

/** Known bugs of the driver that all designs share: one of its steps left out, or in another order. See odp/steps.ts. */

/** The sample is taken after the page was got. */
export const lateSample = variant({
  base: intervalNotifier,
  name: 'late-sample',
  title: 'the sample is taken after the page was got',
  origin:
    'seeded: no kernel had it; mmu_interval_read_begin after hmm_range_fault, where documentation asks for before',
  family: 'late sample',
  bug: 'own',
  oracles: ['stale-dma', 'entry-in-section', 'stale-mapping', 'data-corruption'],
  litmus: 'fault-against-madvise',
  replaces: { odpSteps: { sampleFirst: false } },
});

/** A zap does not wait for device accesses that have translated. */
export const noFlush = variant({
  base: intervalNotifier,
  name: 'no-flush',
  title: 'a zap does not wait for device accesses that have translated',
  origin: '"no flush": what a UMR with zap waits for, left out',
  family: 'deferred command reordered',
  bug: 'own',
  oracles: ['stale-dma'],
  litmus: 'fault-against-madvise',
  replaces: { odpSteps: { zapFlushes: false } },
});

/** The command of a zap is posted by a work item, after the section. */
export const zapAfterEnd = variant({
  base: intervalNotifier,
  name: 'zap-after-end',
  title: 'the command of a zap is posted by a work item, after the section',
  origin: '"RDMA/mlx5: Fix a race with mlx5_ib_update_xlt on an implicit MR" (v5.4)',
  family: 'deferred command reordered',
  bug: '14',
  oracles: ['entry-in-section', 'stale-dma', 'hw-sw-disagree', 'dead-key-command'],
  litmus: 'fault-against-madvise',
  replaces: { odpSteps: { zapCommand: 'after-end' } },
});

/** The key can be found before the umem is set up. */
export const keyFirst = variant({
  base: intervalNotifier,
  name: 'key-before-umem',
  title: 'the key can be found before the umem is set up',
  origin: '"RDMA/mlx5: Put live in the correct place for ODP MRs" (v5.4)',
  family: 'publish/act order',
  bug: '15',
  oracles: ['entry-in-section', 'stale-dma', 'use-after-free', 'dead-key-command'],
  litmus: 'fault-around-register',
  replaces: { odpSteps: { publish: 'key-first' } },
});

/** The umem is in the tree before its first values are set. */
export const treeFirst = variant({
  base: takeAllLocks,
  name: 'tree-before-values',
  title: 'the umem is in the tree before its first values are set',
  origin: '"RDMA/mlx5: Put live in the correct place for ODP MRs" (v5.4)',
  family: 'publish/act order',
  bug: '15',
  oracles: ['counter-underflow', 'counter-leak'],
  litmus: 'madvise-around-register',
  replaces: { odpSteps: { publish: 'tree-first' } },
});

/** A handler counts its use after it has compared the key. */
export const useAfterKey = variant({
  base: intervalNotifier,
  name: 'use-after-key',
  title: 'a handler counts its use after it has compared the key',
  origin: 'aa116b810ac9 "RDMA/mlx5: Order num_pending_prefetch properly with synchronize_srcu" (v5.4)',
  family: 'lifetime',
  bug: '16',
  oracles: ['use-after-free'],
  litmus: 'fault-against-deregister',
  replaces: { odpSteps: { useBeforeKey: false } },
});

/** A callback posts a zap for a key that is not created yet. */
export const zapBeforeCreate = variant({
  base: intervalNotifier,
  name: 'zap-before-create',
  title: 'a callback posts a zap for a key that is not created yet',
  origin: '"RDMA/mlx5: Do not race with mlx5_ib_invalidate_range during create and destroy" (v5.5)',
  family: 'publish/act order',
  bug: '17',
  oracles: ['dead-key-command'],
  litmus: 'madvise-around-register',
  replaces: { odpSteps: { zapOnlyMapped: false } },
});

/** The key is destroyed before the region has left the notifier. */
export const destroyFirst = variant({
  base: intervalNotifier,
  name: 'destroy-before-leave',
  title: 'the key is destroyed before the region has left the notifier',
  origin: 'abb604a1a9c8 "RDMA/mlx5: Fix a race for an ODP MR which leads to CQE with error" (v6.14)',
  family: 'deferred command reordered',
  bug: '18',
  oracles: ['dead-key-command'],
  litmus: 'madvise-around-deregister',
  replaces: { odpSteps: { destroyLast: false } },
});

/** An allocation under the umem mutex enters reclaim. */
export const reclaimUnderMutex = variant({
  base: intervalNotifier,
  name: 'reclaim-under-mutex',
  title: 'an allocation under the umem mutex enters reclaim',
  origin: '2ed25aa7f771 "IB/mlx5: Fix potential deadlock in MR deregistration" (v6.16)',
  family: 'lock cycle',
  bug: '19',
  oracles: ['deadlock', 'lock-order'],
  litmus: 'fault-under-pressure',
  replaces: { odpSteps: { allocOutsideMutex: false } },
});

/** The key cache's lock and the umem mutex, taken in both orders. */
export const cacheUnderMutex = variant({
  base: intervalNotifier,
  name: 'cache-under-mutex',
  title: "the key cache's lock and the umem mutex, taken in both orders",
  origin: '2ed25aa7f771 "IB/mlx5: Fix potential deadlock in MR deregistration" (v6.16)',
  family: 'lock cycle',
  bug: '19',
  oracles: ['deadlock', 'lock-order'],
  litmus: 'register-under-pressure',
  replaces: { odpSteps: { cacheOutsideMutex: false } },
});

/** The last reference to the mm is put under the umem mutex. */
export const putUnderMutex = variant({
  base: intervalNotifier,
  name: 'put-under-mutex',
  title: 'the last reference to the mm is put under the umem mutex',
  origin: '85eaeb5058f0 "IB/core: Fix a nested dead lock as part of ODP flow" (v6.0)',
  family: 'lock cycle',
  bug: '20',
  oracles: ['deadlock', 'lock-order'],
  litmus: 'exit-around-fault',
  load: 'load-exits',
  replaces: { odpSteps: { mmputUnlocked: false } },
});

/** A fault that is refused returns with the umem mutex held. */
export const missedUnlock = variant({
  base: intervalNotifier,
  name: 'missed-unlock',
  title: 'a fault that is refused returns with the umem mutex held',
  origin: '"IB/rxe: ODP: Fix missing umem_odp->umem_mutex unlock" (2025)',
  family: 'lock leak',
  bug: '41',
  oracles: ['deadlock', 'lock-order'],
  litmus: 'fault-against-madvise',
  replaces: { odpSteps: { retryUnlocks: false } },
});

/** "again" means that the lock was dropped, or that it was not. */
export const unlocksTwice = variant({
  base: intervalNotifier,
  name: 'unlocks-twice',
  title: '"again" means that the lock was dropped, or that it was not',
  origin: '2bcbeaefde2f "mm/hmm: always return EBUSY for invalid ranges to hmm_range_{fault,snapshot}" (v5.4)',
  family: 'lock leak',
  bug: '32',
  oracles: ['unlock-not-owner'],
  litmus: 'fault-against-migrate',
  replaces: { odpSteps: { againKeepsLock: false } },
});

/** A fault for writing maps a read-only page and faults again. */
export const readOnlyLoop = variant({
  base: intervalNotifier,
  name: 'read-only-loop',
  title: 'a fault for writing maps a read-only page and faults again',
  origin: '"RDMA/rxe: Break endless pagefault loop for RO pages" (v6.16)',
  family: 'progress',
  bug: '42',
  oracles: ['starvation'],
  litmus: 'write-fault-on-read-only',
  replaces: { odpSteps: { asksForWrite: false } },
});

/** The notifier is freed while a callback runs. */
export const containerFreed = variant({
  base: contextCount,
  name: 'container-freed',
  title: 'the notifier is freed while a callback runs',
  origin: '6d7c3cde93c1 "mm/hmm: fix use after free with struct hmm in the mmu notifiers" (v5.3)',
  family: 'lifetime',
  bug: '22',
  oracles: ['use-after-free'],
  litmus: 'madvise-around-last-deregister',
  load: 'load-lives',
  replaces: { odpSteps: { containerWaits: false } },
});

/** The first registration subscribes the notifier without all locks. */
export const subscribesUnlocked = variant({
  base: contextCount,
  name: 'subscribes-unlocked',
  title: 'the first registration subscribes the notifier without all locks',
  origin: 'what mm_take_all_locks in mmu_notifier_register is for',
  family: 'unpaired',
  bug: '28',
  oracles: ['unpaired-section', 'counter-underflow', 'counter-leak'],
  litmus: 'madvise-around-first-register',
  load: 'load-lives',
  replaces: { odpSteps: { subscribesLocked: false } },
});
