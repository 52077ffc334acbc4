/**
 * Steps of the mm that a known bug leaves out or does in another order. All are on in a correct kernel; a variant that needs one
 * off says so in its `mmSteps`. Plain data: it travels with the views, and is looked at where an operation is rare anyway.
 */
export interface MmSteps {
  /** exit_mmap: `release` is called before the notifier is taken off the list (751efd8610d3, d34883d4e35c). */
  readonly releaseBeforeUnlink: boolean;
  /** mmu_notifier_unregister waits for the callbacks that run (6d7c3cde93c1). */
  readonly unregisterWaits: boolean;
  /** mm_take_all_locks takes the locks of the VMAs, too, where faults are handled under them (v6.4). */
  readonly allLocksTakeVmas: boolean;
  /** PAGEMAP_SCAN opens its section inside mmap_lock (4cccb6221cae, CVE-2024-26617). */
  readonly pagemapScanInsideLock: boolean;
  /** khugepaged tells the notifiers when it replaces a range (f268f6cf875f). */
  readonly collapseNotifies: boolean;
  /** A page that is unmapped through the reverse map is told of after its entry is gone, not before ("fix inconsistent memory", v3.7). */
  readonly unmapTellsAfterClear: boolean;
  /** A fault that meets a migration entry sleeps until the migration is over; otherwise it asks again at once (b570f37a2ce4). */
  readonly migrationWaits: boolean;
}

export const CORRECT_MM_STEPS: MmSteps = Object.freeze({
  releaseBeforeUnlink: true,
  unregisterWaits: true,
  allLocksTakeVmas: true,
  pagemapScanInsideLock: true,
  collapseNotifies: true,
  unmapTellsAfterClear: true,
  migrationWaits: true,
});
