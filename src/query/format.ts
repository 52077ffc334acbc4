import { type Column, table } from '../report/format.ts';
import type { QueryColumn, QueryResult } from './run-query.ts';

export const FORMATS = ['table', 'json', 'ndjson', 'csv', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];

/** Rows that a table prints; the other formats have all. */
export const TABLE_ROWS = 1000;

const NUMBER = /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL)/;

/** The lines of a result. A table is cut at `width`; null: it is not. */
export function linesOf(
  result: QueryResult,
  format: Exclude<Format, 'parquet'>,
  width: number | null,
): AsyncGenerator<string> {
  switch (format) {
    case 'json':
      return jsonLines(result);
    case 'ndjson':
      return ndjsonLines(result);
    case 'csv':
      return csvLines(result);
    case 'table':
      return tableLines(result, width);
  }
}

const objectOf = (columns: readonly QueryColumn[], row: readonly unknown[]): string =>
  JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));

async function* ndjsonLines({ columns, rows }: QueryResult): AsyncGenerator<string> {
  for await (const row of rows) yield objectOf(columns, row);
}

/** An array with an object a line: whole as JSON, and each line of use to line tools. */
async function* jsonLines({ columns, rows }: QueryResult): AsyncGenerator<string> {
  let before: string | null = null;
  yield '[';
  for await (const row of rows) {
    if (before !== null) yield `${before},`;
    before = `  ${objectOf(columns, row)}`;
  }
  if (before !== null) yield before;
  yield ']';
}

async function* csvLines({ columns, rows }: QueryResult): AsyncGenerator<string> {
  yield columns.map(({ name }) => quoted(name)).join(',');
  for await (const row of rows) yield row.map((value) => (value === null ? '' : quoted(wordOf(value)))).join(',');
}

/** RFC 4180. An empty string is quoted: without, it is NULL. */
const quoted = (word: string): string =>
  word === '' || /[",\r\n]/.test(word) ? `"${word.replaceAll('"', '""')}"` : word;

const wordOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

async function* tableLines({ columns, rows }: QueryResult, width: number | null): AsyncGenerator<string> {
  const kept: string[][] = [];
  let count = 0;
  for await (const row of rows) if (++count <= TABLE_ROWS) kept.push(row.map(cellOf));
  const heads: Column[] = columns.map(({ name, type }) => ({
    title: name,
    right: NUMBER.test(type) && !type.endsWith('[]'),
  }));
  const { header, lines } = table(heads, kept);
  for (const line of [header, ...lines])
    yield width === null || line.length <= width ? line : `${line.slice(0, width - 1)}~`;
  yield count === 1
    ? '(1 row)'
    : `(${count} rows${count > TABLE_ROWS ? `, the first ${TABLE_ROWS} are shown: --format ndjson has all` : ''})`;
}

/** For people: a measured number has three places, control characters are shown. */
function cellOf(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'number' && !Number.isInteger(value))
    return Math.abs(value) >= 1 ? value.toFixed(3) : value.toPrecision(3);
  return wordOf(value).replaceAll(/[\n\r\t]/g, ' ');
}
