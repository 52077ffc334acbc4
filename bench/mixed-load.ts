import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { grouped } from '../src/report/format.ts';
import type { CellResult } from '../src/results/types.ts';

/**
 * The figures of finished load cells as the Markdown table of docs/mixed-load.md: node dist/bench/mixed-load.js <result folder>...
 * An exposure that a design or an era cannot have is a dash.
 */
const EXPOSURES = [
  'register-in-section',
  'register-meets-section',
  'fault-in-section',
  'fault-across-section',
  'truncate-in-fault',
  'overlapping-sections',
  'nested-section',
  'reclaim-in-section',
  'dma-during-zap',
  'remove-in-section',
  'refused-start',
  'fault-meets-migration',
];
const TEXT = ['strategy', 'scenario', 'era'];
const HEAD = [...TEXT, 's', 'sections', 'faults', 'registrations', ...EXPOSURES, 'made to fail', 'violations'];

const figure = (n: number): string => (n === 0 ? '-' : grouped(n));

const violationsOf = ({ violations, asExpected }: CellResult): string => {
  const seen = Object.entries(violations).map(([oracle, { count }]) => `${oracle} ${grouped(count)}`);
  if (seen.length === 0) return asExpected === true ? 'none' : 'none: not as expected';
  return `${seen.join(', ')}${asExpected === true ? ' (expected)' : ': not as expected'}`;
};

function row(cell: CellResult): string[] {
  const { operations, exposures, inject } = cell;
  const failed = Object.values(inject ?? {}).reduce((sum, n) => sum + n, 0);
  return [
    cell.strategy,
    cell.scenario,
    cell.era,
    grouped(Math.round(cell.durationMs / 1000)),
    figure(operations.section?.count ?? 0),
    figure(cell.faults.committed),
    figure(operations.register?.count ?? 0),
    ...EXPOSURES.map((name) => figure(exposures[name] ?? 0)),
    figure(failed),
    violationsOf(cell),
  ];
}

const cells = process.argv.slice(2).flatMap((folder) => {
  const summary: { readonly cells: readonly CellResult[] } = JSON.parse(
    readFileSync(join(folder, 'summary.json'), 'utf8'),
  );
  return summary.cells;
});
const rule = HEAD.map((name) => (TEXT.includes(name) || name === 'violations' ? '---' : '--:'));
for (const line of [HEAD, rule, ...cells.map(row)]) console.log(`| ${line.join(' | ')} |`);
