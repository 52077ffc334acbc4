import type { CellResult, LatencyQuantiles } from '../results/types.ts';
import type { CellPlan } from '../scenario/plan.ts';

const NONE: LatencyQuantiles = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };

/**
 * A cell of which nothing is known but what it has shown before the harness itself failed in it: a mistake of ours, which must not end
 * the night.
 */
export const brokenCell = (
  plan: CellPlan,
  message: string,
  durationMs: number,
  violations: CellResult['violations'],
): CellResult => ({
  scenario: plan.scenario,
  kind: plan.kind,
  strategy: plan.strategy,
  era: plan.era,
  seed: plan.seed,
  durationMs: Math.round(durationMs),
  verdict: 'UNKNOWN',
  asExpected: null,
  expected: { must: [], may: [], reason: '' },
  why: `thread-threw: harness: ${message}`,
  violations,
  exposures: {},
  operations: {},
  failures: {},
  faults: { committed: 0, retries: 0, timeouts: 0, retriesPerCommit: NONE },
  latencyNs: { fault: NONE, section: NONE, register: NONE, deregister: NONE, lockWait: NONE },
  locks: [],
  audits: { done: 0, skipped: 0, entries: 0, incoherentPinned: 0 },
  readerPipe: [],
  records: { kept: 0, dropped: 0 },
  notes: [],
  fault: { kind: 'thread-threw', thread: 'harness', message },
  interrupted: false,
});
