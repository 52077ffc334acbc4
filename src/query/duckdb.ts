import { rmSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api';
import { OdpError } from '../scenario/errors.ts';

type DuckDB = typeof import('@duckdb/node-api');

/** A database in memory. */
export interface Database {
  /** Runs statements and gives the result of the last. Throws what DuckDB says. */
  run(sql: string): Promise<DuckDBResult>;
  close(): void;
}

const MIB = 1024 * 1024;
/** A quarter of the machine's memory, and no more than this; beyond it DuckDB goes to the disk. */
const MAX_MEMORY_MIB = 2048;

/** Loads DuckDB. Throws `ODP_E_QUERY_NO_DUCKDB`: it is an optional dependency. */
export async function openDatabase(): Promise<Database> {
  const duckdb = await loaded();
  const spill = join(tmpdir(), `odptorture-query-${process.pid}`);
  const memoryMib = Math.max(256, Math.min(MAX_MEMORY_MIB, Math.floor(totalmem() / 4 / MIB)));
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    threads: String(availableParallelism()),
    memory_limit: `${memoryMib}MiB`,
    // By default it would make a folder in the working one.
    temp_directory: spill,
    // Nothing is fetched, and nothing is loaded from the user's home: JSON and Parquet are built in.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection: DuckDBConnection = await instance.connect();
  return {
    run: (sql) => connection.stream(sql),
    close() {
      connection.closeSync();
      instance.closeSync();
      rmSync(spill, { recursive: true, force: true });
    },
  };
}

async function loaded(): Promise<DuckDB> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const reason =
      code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
        ? 'it is not installed'
        : `it cannot be loaded: ${String(message).split('\n')[0]}`;
    throw new OdpError(
      {
        code: 'ODP_E_QUERY_NO_DUCKDB',
        message: `query needs DuckDB, an optional dependency, and ${reason}: npm install @duckdb/node-api; the files themselves are JSON, see docs/query.md`,
      },
      { cause: error },
    );
  }
}

/** DuckDB's words, over several lines: where in the SQL, with a caret. */
export const sqlError = (error: unknown): OdpError => {
  const message = error instanceof Error ? error.message : String(error);
  return new OdpError({ code: 'ODP_E_QUERY_SQL', message }, { cause: error });
};
