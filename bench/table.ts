import type { Row } from './rounds.ts';

const HEAD = ['bench', 'operation', 'ns/op', 'x futex', 'min..max', 'x add pair'];
/** Columns of text; the others are numbers and lean to the right. */
const TEXT_COLUMNS = 2;

const cellsOf = ({ bench, name, nsPerOp, ratio, addRatio }: Row): string[] => [
  bench,
  name,
  nsPerOp.toFixed(nsPerOp < 100 ? 2 : 0),
  ratio.median.toFixed(3),
  `${ratio.min.toFixed(3)}..${ratio.max.toFixed(3)}`,
  addRatio.median.toFixed(3),
];

/** Rows as aligned columns, with a head. */
export function plainTable(rows: readonly Row[]): string {
  const table = [HEAD, ...rows.map(cellsOf)];
  return align(table)
    .map((cells) => cells.join('  ').trimEnd())
    .join('\n');
}

/** The same as a Markdown table; the source is aligned too. */
export function markdownTable(rows: readonly Row[]): string {
  const [head, ...body] = align([HEAD, ...rows.map(cellsOf)]);
  const rule = head!.map((cell, i) => (i < TEXT_COLUMNS ? '-'.repeat(cell.length) : `${'-'.repeat(cell.length - 1)}:`));
  return [head!, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function align(table: readonly (readonly string[])[]): string[][] {
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row.map((cell, i) => (i < TEXT_COLUMNS ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))),
  );
}
