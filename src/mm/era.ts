/** Kernels whose locking the mm can follow: the ones in which the designs were written, and today's. */
export const ERAS = ['v3.19', 'v4.20', 'v5.5', 'v6.17'] as const;
export type Era = (typeof ERAS)[number];
export const DEFAULT_ERA: Era = 'v5.5';

/** Where the kernels differ, as far as a notifier can tell. */
export interface EraRules {
  /**
   * Sections that are driven through the reverse map (reclaim, migration) are start/end pairs. Until v4.13 they were one call,
   * invalidate_page, after the page-table entry was gone: nothing could straddle it.
   */
  readonly rmapSections: boolean;
  /** munmap gives mmap_lock down to reading before it unmaps (v4.20 on). */
  readonly munmapDowngrades: boolean;
  /** The OOM reaper leaves an mm with notifiers alone; from v4.19 on it asks them by a start that must not block. */
  readonly oomReaperSkipsNotifiers: boolean;
  /**
   * Faults (v6.4 on) and MADV_DONTNEED (v6.17) inside one VMA hold that VMA's lock and not mmap_lock; writers of mmap_lock that change a
   * VMA, and mm_take_all_locks, take these locks too.
   */
  readonly vmaLocks: boolean;
}

export const ERA_RULES: Readonly<Record<Era, EraRules>> = Object.freeze({
  'v3.19': { rmapSections: false, munmapDowngrades: false, oomReaperSkipsNotifiers: true, vmaLocks: false },
  'v4.20': { rmapSections: true, munmapDowngrades: true, oomReaperSkipsNotifiers: false, vmaLocks: false },
  'v5.5': { rmapSections: true, munmapDowngrades: true, oomReaperSkipsNotifiers: false, vmaLocks: false },
  'v6.17': { rmapSections: true, munmapDowngrades: true, oomReaperSkipsNotifiers: false, vmaLocks: true },
});
