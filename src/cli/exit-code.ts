import type { JudgedBy } from '../results/summary.ts';
import type { ThresholdResult } from '../results/thresholds.ts';
import type { CellResult } from '../results/types.ts';
import { EXIT } from '../scenario/errors.ts';
import { exitCodeOfSignal, type StopSignal } from './signals.ts';

export interface Outcome {
  readonly cells: readonly CellResult[];
  readonly judgedBy: JudgedBy;
  readonly thresholds: readonly ThresholdResult[];
  /** Records of a log that could not be written. */
  readonly lost: number;
  readonly stoppedBy: StopSignal | null;
}

/**
 * The one exit code of a run. An interrupted run says so, whatever it found: it did not do what was asked. Otherwise
 * a violation outranks a crashed worker, that a lost log, that a missed threshold, and that too little evidence.
 */
export function exitCodeOf({ cells, judgedBy, thresholds, lost, stoppedBy }: Outcome): number {
  if (stoppedBy !== null) return exitCodeOfSignal(stoppedBy);
  const failed = (cell: CellResult): boolean =>
    judgedBy === 'violations' ? cell.verdict === 'FAILURE' : cell.asExpected === false;
  const unknown = (cell: CellResult): boolean =>
    judgedBy === 'violations' ? cell.verdict === 'UNKNOWN' : cell.asExpected === null;
  // A deadlock is a finding of an oracle, not a crash of the harness.
  const crashed = (cell: CellResult): boolean => cell.fault !== undefined && cell.fault.kind !== 'deadlock';
  // A cell whose only failing is that a worker crashed is a crash.
  const violated = (cell: CellResult): boolean =>
    failed(cell) && !(crashed(cell) && Object.values(cell.violations).every((violation) => violation.count === 0));
  if (cells.some(violated)) return EXIT.violation;
  if (cells.some(crashed)) return EXIT.crash;
  if (lost > 0) return EXIT.io;
  if (thresholds.some((threshold) => threshold.met === false)) return EXIT.threshold;
  if (cells.length === 0 || cells.some(unknown) || thresholds.some((threshold) => threshold.met === null))
    return EXIT.unknown;
  return EXIT.ok;
}
