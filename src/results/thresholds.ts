import type { Threshold } from '../scenario/threshold.ts';
import type { CellResult, LatencyQuantiles } from './types.ts';

/** How one cell did against one threshold. */
export interface ThresholdResult {
  readonly scenario: string;
  readonly strategy: string;
  readonly seed: number;
  readonly threshold: string;
  /** The figure, or null when the cell has none: nothing of the kind happened. */
  readonly value: number | null;
  /** null: there is no figure to judge. */
  readonly met: boolean | null;
}

export function judgeThreshold(threshold: Threshold, cell: CellResult): ThresholdResult {
  const value = figureOf(threshold, cell);
  return {
    scenario: cell.scenario,
    strategy: cell.strategy,
    seed: cell.seed,
    threshold: threshold.text,
    value,
    met: value === null ? null : holds(threshold, value),
  };
}

function holds(threshold: Threshold, value: number): boolean {
  if (value === threshold.value) return threshold.orEqual;
  return threshold.below === value < threshold.value;
}

function figureOf(threshold: Threshold, cell: CellResult): number | null {
  if (threshold.quantile !== null) {
    const distribution = distributionOf(threshold.metric, cell);
    // A quantile of nothing is 0, which would meet any limit from above.
    return distribution === undefined || distribution.count === 0 ? null : distribution[threshold.quantile];
  }
  const seconds = cell.durationMs / 1000;
  const rate = (...names: readonly string[]): number | null =>
    seconds > 0 ? names.reduce((sum, name) => sum + (cell.operations[name]?.count ?? 0), 0) / seconds : null;
  switch (threshold.metric) {
    case 'faults_per_s':
      return seconds > 0 ? cell.faults.committed / seconds : null;
    case 'sections_per_s':
      return rate('section');
    case 'registrations_per_s':
      return rate('register');
    case 'deregistrations_per_s':
      return rate('deregister');
    case 'dma_per_s':
      return rate(...Object.keys(cell.operations).filter((name) => name.startsWith('dma')));
    case 'operations_per_s':
      return rate(...Object.keys(cell.operations));
    case 'fault_timeouts':
      return cell.faults.timeouts;
    case 'audits_skipped':
      return cell.audits.skipped;
    case 'records_dropped':
      return cell.records.dropped;
    default:
      return null;
  }
}

function distributionOf(metric: string, cell: CellResult): LatencyQuantiles | undefined {
  if (metric === 'retries_per_commit') return cell.faults.retriesPerCommit;
  const name = metric.replace(/_latency_ns$/, '') as keyof CellResult['latencyNs'];
  return cell.latencyNs[name];
}
