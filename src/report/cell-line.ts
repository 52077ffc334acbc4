import type { CellResult } from '../results/types.ts';
import { exposureCount, findings } from './findings.ts';

const escaped = (text: string): string => (/[\s"=]/.test(text) ? JSON.stringify(text) : text);

/**
 * One line that says it all, for grep and for people who know rcutorture: key=value pairs, then the verdict as the last word.
 * `0 violations` is not among the words it can say alone: exposures are always beside.
 */
export function cellLine(cell: CellResult): string {
  const found = findings(cell);
  const parts = [
    `odptorture: ${cell.scenario} ${cell.strategy}`,
    `seed=${cell.seed}`,
    `ms=${Math.round(cell.durationMs)}`,
    `faults=${cell.faults.committed}`,
    `sections=${cell.operations.section?.count ?? 0}`,
    `exposures=${exposureCount(cell)}`,
    `violations=${found.reduce((sum, finding) => sum + finding.count, 0)}`,
    ...found.map(({ oracle, count }) => `${oracle}=${count}`),
    ...Object.entries(cell.orders ?? {}).map(([outcome, n]) => `order.${outcome}=${n}`),
    `expected=${cell.expected.none === true ? 'none' : cell.asExpected === null ? 'unknown' : cell.asExpected ? 'yes' : 'no'}`,
  ];
  if (cell.fault !== undefined) parts.push(`fault=${cell.fault.kind}`, `thread=${escaped(cell.fault.thread)}`);
  if (cell.interrupted) parts.push('interrupted=yes');
  return `${parts.join(' ')} ${cell.verdict}`;
}
