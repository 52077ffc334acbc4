import type { CellResult, LatencyQuantiles, ViolationRecord } from '../../src/results/types.ts';

const NONE: LatencyQuantiles = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
const FAULTS: LatencyQuantiles = { count: 9000, mean: 2500, p50: 1800, p90: 4000, p99: 9000, p999: 40_000, max: 2.1e6 };

/** A cell that did as expected and found nothing, but for what is overridden. */
export const cellResult = (overrides: Partial<CellResult> = {}): CellResult => ({
  scenario: 'seed',
  kind: 'load',
  strategy: 'context-count',
  era: 'v5.5',
  seed: 1,
  durationMs: 2000,
  verdict: 'SUCCESS',
  asExpected: true,
  expected: { must: [], may: [], reason: 'one count for all' },
  why: '',
  violations: {},
  exposures: { 'register-in-section': 1000, 'fault-in-section': 500 },
  operations: {
    madvise: { count: 4000, perSecond: 2000 },
    section: { count: 5000, perSecond: 2500 },
    register: { count: 700, perSecond: 350 },
  },
  failures: {},
  faults: {
    committed: 9000,
    retries: 450,
    timeouts: 2,
    retriesPerCommit: { ...NONE, count: 9000, mean: 0.05, p99: 1, max: 7 },
  },
  latencyNs: { fault: FAULTS, section: NONE, register: NONE, deregister: NONE, lockWait: NONE },
  locks: [{ name: 'umem_rwsem', mode: 'W', contentions: 12, waitNs: { min: 1e3, max: 2e6, total: 6e6, mean: 5e5 } }],
  audits: { done: 8, skipped: 1, entries: 64, incoherentPinned: 0 },
  readerPipe: [9000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  records: { kept: 0, dropped: 0 },
  notes: [],
  interrupted: false,
  ...overrides,
});

export const failedCell = (overrides: Partial<CellResult> = {}): CellResult =>
  cellResult({
    strategy: 'private-count',
    verdict: 'FAILURE',
    expected: { must: ['counter-underflow'], may: ['stale-dma'], reason: 'the seed thread' },
    violations: { 'stale-dma': { count: 3, firstAtMs: 9 }, 'counter-underflow': { count: 1204, firstAtMs: 3.1 } },
    ...overrides,
  });

/** The seed thread's first timeline as a record: madvise around register. */
export const underflow = (overrides: Partial<ViolationRecord> = {}): ViolationRecord => ({
  oracle: 'counter-underflow',
  signature: 'counter-underflow private-count section.ending',
  nth: 1,
  scenario: 'seed',
  strategy: 'private-count',
  seed: 42,
  atMs: 100,
  thread: { tid: 0, name: 'madvise-0' },
  umem: 640,
  range: { start: 3, last: 6 },
  counter: { value: -1, expected: 0, seq: 1 },
  detail: 'the running count of umem 640 fell to -1',
  names: ['madvise-0', 'register-0', 'dma-0', 'touch-0', 'supervisor'],
  window: [
    { tid: 0, timeMs: 99.5, point: 'madvise.enter', args: [3, 6, 0], op: 7 },
    { tid: 0, timeMs: 99.6, point: 'section.started', args: [3, 6, 2], op: 7 },
    { tid: 1, timeMs: 99.7, point: 'umem.inserted', args: [640, 4, 9], op: 3 },
    { tid: 2, timeMs: 99.75, point: 'dma.translated', args: [9, 12, 77], op: 4 },
    { tid: 2, timeMs: 99.76, point: 'dma.translated', args: [9, 13, 78], op: 4 },
    { tid: 2, timeMs: 99.77, point: 'dma.translated', args: [9, 14, 79], op: 4 },
    { tid: 3, timeMs: 99.8, point: 'cpu.read', args: [90, 5, 1], op: 4 },
    { tid: 0, timeMs: 99.9, point: 'umem.uncounted', args: [640, -1, 1], op: 7 },
    { tid: 1, timeMs: 100.4, point: 'register.done', args: [9, 640, 0], op: 3 },
  ],
  ...overrides,
});
