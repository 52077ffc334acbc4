import { contextCount } from '../strategies/context-count.ts';
import { intervalNotifier } from '../strategies/interval-notifier.ts';
import { takeAllLocks } from '../strategies/take-all-locks.ts';
import { variant } from './variant.ts';

/** Known bugs of the mm, which a correct design cannot make up for. See mm/steps.ts. */

/** A section begins before mmap_lock is taken and ends after it is given back. */
export const scanOutsideLock = variant({
  base: contextCount,
  name: 'scan-outside-lock',
  title: 'a section begins before mmap_lock is taken and ends after it is given back',
  origin: '4cccb6221cae "fs/proc/task_mmu: move mmu notification mechanism inside mm lock" (v6.8, CVE-2024-26617)',
  family: 'unpaired',
  bug: '9',
  oracles: ['unpaired-section', 'counter-underflow', 'counter-leak'],
  litmus: 'pagemap-scan-around-register',
  load: 'load-lives',
  replaces: { mmSteps: { pagemapScanInsideLock: false } },
});

/** Sections under a VMA's lock are not kept out by all the locks that are taken. */
export const vmaLockMissed = variant({
  base: takeAllLocks,
  name: 'vma-lock-missed',
  title: "sections under a VMA's lock are not kept out by all the locks that are taken",
  origin: '"mm/mmap: prevent pagefault handler from racing with mmu_notifier registration" (v6.4)',
  family: 'unpaired',
  bug: '28',
  oracles: ['counter-underflow', 'counter-leak'],
  litmus: 'vma-lock-around-register',
  load: 'load-lives',
  replaces: { mmSteps: { allLocksTakeVmas: false } },
});

/** The notifier is off the list before release has zapped anything. */
export const unlinkedFirst = variant({
  base: contextCount,
  name: 'unlinked-first',
  title: 'the notifier is off the list before release has zapped anything',
  origin:
    '751efd8610d3 (v3.9), d34883d4e35c "mm: mmu_notifier: re-fix freed page still mapped in secondary MMU" (v3.10)',
  family: 'publish/act order',
  bug: '21',
  oracles: ['entry-in-section', 'stale-dma', 'stale-mapping', 'data-corruption'],
  litmus: 'exit-against-reclaim',
  load: 'load-exits',
  replaces: { mmSteps: { releaseBeforeUnlink: false } },
});

/** Khugepaged replaces a page table and tells nobody. */
export const collapseUntold = variant({
  base: intervalNotifier,
  name: 'collapse-untold',
  title: 'khugepaged replaces a page table and tells nobody',
  origin: 'f268f6cf875f "mm/khugepaged: invoke MMU notifiers in shmem/file collapse paths" (v6.1)',
  family: 'publish/act order',
  bug: '27',
  oracles: ['stale-dma', 'stale-mapping', 'data-corruption'],
  litmus: 'collapse-against-dma',
  replaces: { mmSteps: { collapseNotifies: false } },
});

/** The notifier is told before the entry is cleared, and not after. */
export const toldBeforeClear = variant({
  base: intervalNotifier,
  name: 'told-before-clear',
  title: 'the notifier is told before the entry is cleared, and not after',
  origin: '"mmu_notifier: fix inconsistent memory between secondary MMU and host" (v3.7)',
  family: 'publish/act order',
  bug: '47',
  oracles: ['stale-dma', 'stale-mapping', 'data-corruption'],
  litmus: 'fault-against-reclaim',
  load: 'load-exits',
  replaces: { mmSteps: { unmapTellsAfterClear: false } },
});
