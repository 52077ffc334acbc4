import type { CellLine, SeriesPoint } from '../results/soak-types.ts';
import type { CellProgress, CellResult } from '../results/types.ts';
import type { Running, State } from './state.ts';
import { sumOf, violationsOf } from './totals.ts';

const POINT_MS = 1000;
/** Each heartbeat waits a tenth longer than the last, 10 s at first: 69 in eight hours. */
export const FIRST_HEARTBEAT_MS = 10_000;
const HEARTBEAT_GROWTH = 1.1;

/** Where the running cell stands: for the terminal, the log and the series. */
export function takeProgress(s: State, running: Running, progress: CellProgress): void {
  running.last = progress;
  s.parts.view.progress(progress);
  heartbeat(s, running, progress);
  if (s.parts.clock.mono() - running.pointAt >= POINT_MS) addPoint(s, running, progress);
}

/** The last point of a cell that has ended. */
export const addLastPoint = (s: State, running: Running, result: CellResult): void =>
  addPoint(s, running, progressOf(result));

function heartbeat(s: State, { slot }: Running, progress: CellProgress): void {
  const elapsed = s.elapsed();
  if (elapsed < s.nextHeartbeat) return;
  s.nextHeartbeat = Math.max(elapsed + FIRST_HEARTBEAT_MS, elapsed * HEARTBEAT_GROWTH);
  s.parts.journal.log('info', `cell ${slot.index}, rotation ${slot.rotation}: ${slot.entry.key}`, {
    elapsedMs: Math.round(elapsed),
    violations: sumOf(s.totals.violations) + (slot.entry.canary ? 0 : sumOf(progress.violations)),
    exposures: sumOf(s.totals.exposures),
    canary: s.totals.canary,
    faults: s.totals.faults,
    rssMb: Math.round(s.meter.read().rssMb),
  });
}

function addPoint(s: State, running: Running, progress: CellProgress): void {
  const { journal, clock } = s.parts;
  const { totals } = s;
  // What canaries show is no news.
  const [exposures, violations] = running.slot.entry.canary ? [{}, {}] : [progress.exposures, progress.violations];
  const now = clock.mono();
  journal.series.add({
    t: Math.round(s.elapsed()),
    cell: running.slot.index,
    scenario: running.plan.scenario,
    strategy: running.plan.strategy,
    rates: ratesOf(progress.operations, running.pointed?.operations ?? {}, now - running.pointAt),
    exposures: sumOf(totals.exposures) + sumOf(exposures),
    exposureCounts: together(totals.exposures, exposures),
    violations: sumOf(totals.violations) + totals.canary.violations + sumOf(progress.violations),
    violationCounts: together(totals.violations, violations),
    latency: latencyOf(progress),
    ...s.meter.read(),
    eventLoopMaxMs: s.meter.takeEventLoopMax(),
    log: { written: journal.races.written(), lost: journal.races.lost(), bytes: journal.races.position().bytes },
  });
  running.pointAt = now;
  running.pointed = progress;
}

/** Names of the series for operations of the model. */
const RATES = {
  fault: 'faults',
  section: 'sections',
  register: 'registrations',
  deregister: 'deregistrations',
} as const;

/** Operations a second between two looks, `ms` apart. */
function ratesOf(
  now: CellProgress['operations'],
  before: CellProgress['operations'],
  ms: number,
): SeriesPoint['rates'] {
  const seconds = Math.max(ms, 1) / 1000;
  const rates: Record<string, number> = { operations: 0 };
  for (const [name, n] of Object.entries(now)) {
    const perSecond = Math.max(0, n - (before[name] ?? 0)) / seconds;
    rates.operations! += perSecond;
    const rate = RATES[name as keyof typeof RATES];
    if (rate !== undefined) rates[rate] = perSecond;
  }
  return rates;
}

function latencyOf({ latencyNs }: CellProgress): SeriesPoint['latency'] {
  if (latencyNs === undefined) return null;
  const figures = Object.entries(latencyNs).map(([name, { p50, p99 }]) => [name, { p50, p99 }]);
  return Object.fromEntries(figures) as SeriesPoint['latency'];
}

type Counts = Readonly<Record<string, number>>;

/** The sums of the cells that have ended, with what the running one has so far. */
function together(ended: Counts, running: Counts): Record<string, number> {
  const sum = { ...ended };
  for (const [name, n] of Object.entries(running)) if (n > 0) sum[name] = (sum[name] ?? 0) + n;
  return sum;
}

/** A finished cell as its last progress. */
const progressOf = (result: CellResult): CellProgress => ({
  elapsedMs: result.durationMs,
  durationMs: result.durationMs,
  operations: Object.fromEntries(Object.entries(result.operations).map(([name, { count }]) => [name, count])),
  violations: violationsOf(result as CellLine),
  exposures: result.exposures,
  latencyNs: result.latencyNs,
});
