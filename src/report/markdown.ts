import type { CellResult } from '../results/types.ts';
import { expectedWord, findingWords, orderWords } from './findings.ts';

/** Text in a cell of a table. */
export const escaped = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ');

/** The result as a Markdown table: what a CI job shows on its page (GITHUB_STEP_SUMMARY). */
export function markdownReport(cells: readonly CellResult[], closing: string): string {
  const rows = cells.map((cell) => {
    const found = [...orderWords(cell), ...findingWords(cell)].join(', ');
    const why = cell.why === '' || cell.asExpected === true ? '' : `; ${cell.why}`;
    const cellsOfRow = [
      cell.scenario,
      cell.strategy,
      String(cell.seed),
      cell.verdict,
      expectedWord(cell),
      `${found}${why}`,
    ];
    return `| ${cellsOfRow.map(escaped).join(' | ')} |`;
  });
  return [
    '### odptorture',
    '',
    escaped(closing),
    '',
    '| scenario | strategy | seed | verdict | as expected | found |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
