import { existsSync } from 'node:fs';
import type { OdpError } from '../scenario/errors.ts';
import { type Database, openDatabase, sqlError } from './duckdb.ts';
import type { RunFolder } from './folders.ts';
import { type Sources, sourcesOf, text, tornLines } from './sources.ts';
import { TABLES, viewOf } from './tables.ts';

export interface QueryColumn {
  readonly name: string;
  /** As DuckDB names it. */
  readonly type: string;
}

/** What a query gives: JSON values, row by row. */
export interface QueryResult {
  readonly columns: readonly QueryColumn[];
  /** Ends with `ODP_E_QUERY_SQL` when DuckDB does not get through. */
  readonly rows: AsyncIterable<readonly unknown[]>;
}

/** Lines of a file that were left out. */
export interface TornFile {
  readonly path: string;
  readonly lines: number;
}

export interface Query {
  /** Throws `ODP_E_QUERY_SQL` with what DuckDB says. */
  run(sql: string): Promise<QueryResult>;
  /** Lines that are not whole, in the files of the tables that this SQL names. */
  torn(sql: string): Promise<TornFile[]>;
  /** Writes what one statement gives as Parquet. Throws `ODP_E_QUERY_SQL`. */
  toParquet(sql: string, path: string): Promise<void>;
  close(): void;
}

/** Opens a database over the files of these runs. Throws `ODP_E_QUERY_NO_DUCKDB`. */
export async function openQuery(runs: readonly RunFolder[]): Promise<Query> {
  const db = await openDatabase();
  let lines: Sources['lines'];
  const define = async (): Promise<void> => {
    const sources = sourcesOf(runs);
    for (const statement of [...sources.sql, ...TABLES.map(viewOf)]) await db.run(statement);
    ({ lines } = sources);
  };
  try {
    await define();
  } catch (error) {
    db.close();
    throw error;
  }
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const areThere = lines.every(({ paths }) => paths.every((path) => existsSync(path)));
      if (areThere) throw sqlError(error);
    }
    // A run that goes on has closed a segment of its race log, which got another name by that.
    try {
      await define();
      return await work();
    } catch (error) {
      throw sqlError(error);
    }
  };
  return {
    async run(given) {
      const result = await attempt(() => db.run(asQuery(given)));
      const columns = result.columnNames().map((name, i) => ({ name, type: String(result.columnType(i)) }));
      return { columns, rows: rowsOf(columns, result.yieldRowsJs()) };
    },
    async torn(given) {
      return attempt(async () => {
        const found: TornFile[] = [];
        for (const { paths, tables } of lines)
          if (paths.length > 0 && tables.some((table) => mentions(given, table)))
            found.push(...(await tornOf(db, paths)));
        return found;
      });
    },
    async toParquet(given, path) {
      await attempt(() =>
        db.run(`COPY (${asQuery(given).replace(/[;\s]+$/, '')}\n) TO ${text(path)} (FORMAT parquet)`),
      );
    },
    close: () => db.close(),
  };
}

/** A table's name alone asks for all of it. */
const asQuery = (sql: string): string => (isTable(sql) ? `FROM ${sql.trim()}` : sql);

export const isTable = (sql: string): boolean => TABLES.some(({ name }) => name === sql.trim());

const mentions = (sql: string, table: string): boolean => new RegExp(`\\b${table}\\b`, 'i').test(sql);

async function tornOf(db: Database, paths: readonly string[]): Promise<TornFile[]> {
  const result = await db.run(tornLines(paths));
  return (await result.getRowsJS()).map(([path, lines]) => ({ path: String(path), lines: Number(lines) }));
}

async function* rowsOf(
  columns: readonly QueryColumn[],
  chunks: AsyncIterable<readonly (readonly unknown[])[]>,
): AsyncGenerator<readonly unknown[], void, undefined> {
  const isMap = columns.map(({ type }) => type.startsWith('MAP('));
  const iterator = chunks[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await nextOf(iterator);
    if (done === true) return;
    for (const row of value) yield row.map((cell, i) => (isMap[i] === true ? mapValue(cell) : plainValue(cell)));
  }
}

async function nextOf<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
  try {
    return await iterator.next();
  } catch (error) {
    throw sqlError(error) satisfies OdpError;
  }
}

/** A map with names for keys is an object. */
function mapValue(value: unknown): unknown {
  if (!Array.isArray(value)) return plainValue(value);
  return Object.fromEntries(
    value.map((entry: { key: unknown; value: unknown }) => [String(entry.key), plainValue(entry.value)]),
  );
}

/** What JSON can hold: whole numbers beyond 2^53 are strings. */
function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plainValue);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainValue(member)]));
  return value ?? null;
}
