import { type Column, table } from '../report/format.ts';

/** A table whose lines are cut at the width of the terminal. */
export function fittedTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const { header, lines } = table(columns, rows);
  return [header, ...lines].map((line) => (line.length <= width ? line : `${line.slice(0, width - 1)}~`));
}
