/**
 * Steps of the driver that all designs share, each of which a known bug leaves out or does in another order. A variant that needs one
 * otherwise says so in its `odpSteps`. Plain data; the defaults are the correct driver. Numbers are those of the list of known bugs.
 */
export interface OdpSteps {
  /** A handler counts its use of a umem before it compares the key, so that a deregistration sees the use (16, aa116b810ac9). */
  readonly useBeforeKey: boolean;
  /**
   * When others can find a new region (15, "Put live in the correct place for ODP MRs"). `last`: when all is set. `key-first`: its key is
   * there before the umem is set up. `tree-first`: it is in the tree before its first values are set.
   */
  readonly publish: 'last' | 'key-first' | 'tree-first';
  /** A zap of a range in which nothing is mapped sends no command: the key may not be created yet (17, f25a546e6529's "no pages"). */
  readonly zapOnlyMapped: boolean;
  /** The device's key is destroyed after the region was revoked under the umem mutex and has left the notifier (18, abb604a1a9c8). */
  readonly destroyLast: boolean;
  /**
   * When a zap's command is posted (14, "Fix a race with mlx5_ib_update_xlt on an implicit MR"). `locked`: under the umem mutex, with the
   * software's own list. `unlocked`: after it was dropped. `after-end`: by a work item that runs once the section has ended.
   */
  readonly zapCommand: 'locked' | 'unlocked' | 'after-end';
  /** A zap waits for the device accesses that have translated already. */
  readonly zapFlushes: boolean;
  /** No allocation that may enter reclaim is made under the umem mutex (19, 2ed25aa7f771). */
  readonly allocOutsideMutex: boolean;
  /** The key cache's lock is not taken under the umem mutex; a registration allocates while it holds that lock (19, the other form). */
  readonly cacheOutsideMutex: boolean;
  /** A fault drops its reference to the mm after it has dropped the umem mutex (20, 85eaeb5058f0). */
  readonly mmputUnlocked: boolean;
  /** A fault that is refused drops the umem mutex (41, "ODP: Fix missing umem_odp->umem_mutex unlock"). */
  readonly retryUnlocks: boolean;
  /** "Again" from getting a page leaves mmap_lock as every other answer does; otherwise the caller drops it twice (32, 2bcbeaefde2f). */
  readonly againKeepsLock: boolean;
  /** A fault for writing asks for a writable page; otherwise it maps what there is, finds it read-only, and faults again (42). */
  readonly asksForWrite: boolean;
  /** The design's sample is taken before the page is got: what it guards must not be older than itself. */
  readonly sampleFirst: boolean;
  /** The first registration of a process subscribes the notifier with all locks of the mm taken. */
  readonly subscribesLocked: boolean;
  /** The notifier's container is used again only when no callback runs any more (22, 6d7c3cde93c1). */
  readonly containerWaits: boolean;
  /**
   * Words that only oracles look at (lives, states of keys) are no steps of a controlled run. A variant of a design whose fault is told
   * by them sets this to false, so that a search orders them; where any other step here is not the default, they are steps anyway.
   */
  readonly livesAreRaw: boolean;
}

export const CORRECT_ODP_STEPS: OdpSteps = Object.freeze({
  useBeforeKey: true,
  publish: 'last',
  zapOnlyMapped: true,
  destroyLast: true,
  zapCommand: 'locked',
  zapFlushes: true,
  allocOutsideMutex: true,
  cacheOutsideMutex: true,
  mmputUnlocked: true,
  retryUnlocks: true,
  againKeepsLock: true,
  asksForWrite: true,
  sampleFirst: true,
  subscribesLocked: true,
  containerWaits: true,
  livesAreRaw: true,
});

/** The steps of a design with these exceptions, or null when there is none: then nobody has to look. */
export function faultySteps(given: Partial<OdpSteps> | undefined): OdpSteps | null {
  if (given === undefined) return null;
  const steps: OdpSteps = { ...CORRECT_ODP_STEPS, ...given };
  const names = Object.keys(CORRECT_ODP_STEPS) as (keyof OdpSteps)[];
  return names.some((name) => steps[name] !== CORRECT_ODP_STEPS[name]) ? steps : null;
}
