import { setTimeout as sleep } from 'node:timers/promises';
import type { OracleName } from '../../src/oracles/names.ts';
import type { CellResult, CellSink, ViolationRecord } from '../../src/results/types.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import type { PointName } from '../../src/trace/points.ts';
import { mixSeed } from '../../src/trace/random.ts';
import { cellResult, underflow } from '../report/results-fixture.ts';
import { fakeFigures } from './fake-cell-figures.ts';

export interface FakeCell {
  /** How long a cell takes, milliseconds. */
  readonly ms?: number;
  /** Records of a cell are multiplied by this. */
  readonly records?: number;
  /** No cell finds anything, canaries included. */
  readonly blind?: boolean;
  /** Only canaries find something. */
  readonly clean?: boolean;
  /** Changes the result, or throws. */
  readonly change?: (result: CellResult, plan: CellPlan) => CellResult;
}

interface Found {
  readonly oracle: OracleName;
  readonly role: string;
  readonly point: PointName;
  /** Exact count, and how many of them come as records. */
  readonly count: number;
  readonly records: number;
}

/** What a cell finds: decided by its seed alone, so that sums can be foretold. */
export function foundBy(plan: CellPlan, { records = 1, blind, clean }: FakeCell = {}): Found[] {
  const isCanary = plan.strategy === 'private-count';
  if (blind === true || (clean === true && !isCanary)) return [];
  const n = (mixSeed(plan.seed) >>> 0) % 7;
  const first: Found = {
    oracle: 'counter-underflow',
    role: 'madvise',
    point: 'umem.uncounted',
    count: 1 + 10 * n,
    records: (1 + Math.min(n, 4)) * records,
  };
  const second: Found = {
    oracle: 'stale-dma',
    role: 'dma',
    point: 'dma.translated',
    count: n,
    records: Math.min(n, 2),
  };
  return [{ ...first, count: Math.max(first.count, first.records) }, second].filter(({ count }) => count > 0);
}

const NAMES: Readonly<Record<string, number>> = { madvise: 0, register: 1, dma: 2 };

const recordOf = (plan: CellPlan, { oracle, role, point }: Found, nth: number): ViolationRecord => ({
  ...underflow({ oracle, nth, scenario: plan.scenario, strategy: plan.strategy, seed: plan.seed, atMs: nth }),
  signature: `${oracle}/${plan.strategy}/${role}`,
  thread: { tid: NAMES[role]!, name: `${role}-0` },
  point,
  window: [
    { tid: 1, timeMs: nth - 0.5, point: 'umem.inserted', args: [640, 4, 9], op: 3 },
    { tid: NAMES[role]!, timeMs: nth - 0.1, point, args: [640, 4, 9], op: 3 },
  ],
});

/** Runs a cell without threads: records, progress, exact counts, as the real one gives them. */
export async function fakeResult(
  plan: CellPlan,
  sink: CellSink,
  signal: AbortSignal,
  cell: FakeCell,
): Promise<CellResult> {
  const found = foundBy(plan, cell);
  sink.inspect?.(() => ['register-0: waits for rwsem at 64, holds mmap_lock@128:read']);
  const ms = cell.ms ?? 1;
  for (const one of found) for (let nth = 1; nth <= one.records; nth++) sink.violation(recordOf(plan, one, nth));
  const violations = Object.fromEntries(found.map(({ oracle, count }) => [oracle, count]));
  const exposures = { 'register-in-section': 100, 'fault-in-section': 50 };
  sink.progress({ elapsedMs: ms, durationMs: ms, operations: { fault: 9000, section: 5000 }, violations, exposures });
  await sleep(ms, null, { signal }).catch(() => {});
  sink.counted?.(
    Object.fromEntries(found.map((one) => [`${one.oracle}/${plan.strategy}/${one.role}/${one.point}`, one.count])),
  );
  const { locks, fault, histograms } = fakeFigures(plan);
  for (const [name, histogram] of histograms) sink.histogram?.(name, histogram);
  const result = cellResult({
    scenario: plan.scenario,
    strategy: plan.strategy,
    seed: plan.seed,
    durationMs: ms,
    verdict: found.length > 0 ? 'FAILURE' : 'SUCCESS',
    exposures,
    violations: Object.fromEntries(found.map(({ oracle, count }) => [oracle, { count, firstAtMs: 1 }])),
    locks,
    latencyNs: { ...cellResult().latencyNs, fault },
    interrupted: signal.aborted,
  });
  return cell.change?.(result, plan) ?? result;
}
