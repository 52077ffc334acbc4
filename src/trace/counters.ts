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
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/** Counter name to number. */
export const COUNTER = Object.freeze(Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in CounterName]: number;
};
export const COUNTER_COUNT = COUNTER_NAMES.length;

/** The exposures as users name them: `exposure.registerInSection` is `register-in-section`. */
export const EXPOSURES: readonly { readonly counter: CounterName; readonly name: string }[] = COUNTER_NAMES.filter(
  (n) => n.startsWith('exposure.'),
).map((counter) => ({
  counter,
  name: counter.slice('exposure.'.length).replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`),
}));

/** What latencies are kept for: one log-linear histogram each, in nanoseconds; retries in attempts. */
export const HISTOGRAM_NAMES = ['fault', 'section', 'register', 'deregister', 'retriesPerCommit'] as const;
export type HistogramName = (typeof HISTOGRAM_NAMES)[number];
export const HISTOGRAM = Object.freeze(Object.fromEntries(HISTOGRAM_NAMES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in HistogramName]: number;
};
