/**
 * Every figure that a cell counts. Each thread counts in its own doubles (exact to 2^53), so that no two threads write one
 * line; the sums are made when somebody looks.
 */
export const COUNTER_NAMES = [
  // operations that were completed
  'op.madvise',
  'op.munmap',
  'op.mmap',
  'op.truncate',
  'op.extend',
  'op.register',
  'op.deregister',
  'op.fault',
  'op.prefetch',
  'op.dmaRead',
  'op.dmaWrite',
  'op.touchRead',
  'op.touchWrite',
  'op.section',
  // operations that had a defined other outcome
  'fail.register',
  'fail.faultSigbus',
  'fail.faultEfault',
  'fail.faultEnomem',
  'fail.faultGone',
  'fail.touch',
  'fail.allocation',
  'fail.queueFull',
  // page faults of the HCA
  'fault.committed',
  'fault.retried',
  'fault.timeout',
  'fault.waited',

  // exposures: dangerous overlaps that really happened
  'exposure.registerInSection',
  'exposure.faultInSection',
  'exposure.faultAcrossSection',
  'exposure.nestedSection',
  'exposure.overlappingSections',

  'exposure.truncateInFault',
  'exposure.clampHit',
  'exposure.dmaDuringZap',
  'exposure.queueFull',
  'exposure.deferredInsert',
  'exposure.deferredRemove',
  'exposure.removeInSection',
  'exposure.gatheredFreeInSection',
  // supervision
  'audit.done',
  'audit.skipped',
  'audit.entries',
  'audit.incoherentPinned',
  'perturb.delays',
  'trace.records',
  'record.kept',
  'record.dropped',
  'exposure.registerMeetsSection',
  // exposures of single designs
  /** range-pool: a start found no slot free. */
  'exposure.poolFull',
  /** pool-overflow: a start found no slot free, and was only counted. */
  'exposure.poolOverflow',
  /** range-alloc: a start had no memory for its range, and went on without. */
  'exposure.unlistedSection',
  /** An end whose range was not listed, and that was ignored. */
  'exposure.ignoredEnd',
  'op.punchHole',
  'op.mprotect',
  'op.mremap',
  'op.fork',
  'op.copyOnWrite',
  'op.reclaim',
  'op.migrate',
  'op.oomReap',
  'op.exit',
  'op.collapse',
  'op.pagemapScan',
  /** Reclaim or migration met a page that somebody else refers to. */
  'fail.pageBusy',
  /** A non-blockable start was refused: the OOM reaper left that VMA alone. */
  'exposure.refusedStart',
  /** A fault met an entry of a page that was being migrated or reclaimed. */
  'exposure.faultMeetsMigration',
  /** An allocation inside a section went into direct reclaim. */
  'exposure.reclaimInSection',
  'fail.mremap',
  // how often each capability was made to fail: in the order of CAPABILITIES in inject.ts
  'inject.failslab',
  'inject.fail_page_alloc',
  'inject.fail_trylock',
  'inject.fail_nonblock',
  'inject.fail_pool',
  'inject.fail_command',
  // rcutorture's Reader Pipe: by how many frees of its frame the entry was late through which the device reached it; the last: more
  'pipe.0',
  'pipe.1',
  'pipe.2',
  'pipe.3',
  'pipe.4',
  'pipe.5',
  'pipe.6',
  'pipe.7',
  'pipe.8',
  'pipe.9',
  'pipe.10',
  // threads that the scenario ended, and stops of threads that it made
  'thread.killed',
  'thread.stalled',
  /** The notifier was subscribed, by the first region of a process. */
  'exposure.subscribe',
  /** The notifier was unsubscribed while a section ran. */
  'exposure.unsubscribeInSection',
  /** A section ran when the notifier was about to be subscribed. */
  'exposure.subscribeMeetsSection',
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** Counter name to number. */
export const COUNTER = Object.freeze(Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in CounterName]: number;
};
export const COUNTER_COUNT = COUNTER_NAMES.length;

/** Buckets of the reader pipe: `pipe.0` .. `pipe.10`. */
export const PIPE_BUCKETS = 11;

/** The exposures as users name them: `exposure.registerInSection` is `register-in-section`. */
export const EXPOSURES: readonly { readonly counter: CounterName; readonly name: string }[] = COUNTER_NAMES.filter(
  (n) => n.startsWith('exposure.'),
).map((counter) => ({
  counter,
  name: counter.slice('exposure.'.length).replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`),
}));

/** What latencies are kept for: one log-linear histogram each, in nanoseconds; retries in attempts. `lockWait`: of all locks together. */
export const HISTOGRAM_NAMES = ['fault', 'section', 'register', 'deregister', 'retriesPerCommit', 'lockWait'] as const;
export type HistogramName = (typeof HISTOGRAM_NAMES)[number];
export const HISTOGRAM = Object.freeze(Object.fromEntries(HISTOGRAM_NAMES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in HistogramName]: number;
};
