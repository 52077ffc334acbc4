import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { extname, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { findRuns, isFolderArgument } from '../query/folders.ts';
import { FORMATS, type Format, linesOf } from '../query/format.ts';
import { isTable, openQuery, type Query } from '../query/run-query.ts';
import { TABLES } from '../query/tables.ts';
import { table } from '../report/format.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import type { Terminal } from './terminal-io.ts';

export interface QueryFlags {
  readonly format?: Format;
  readonly out?: string;
  readonly tables?: boolean;
}

/** Where SQL comes from that is not on the command line. */
export interface SqlInput extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
}

export const addQueryOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--format <format>', 'of the result (default: table, or what the name of --out says)').choices(
        FORMATS,
      ),
    )
    .option('-o, --out <file>', 'write the result to a file')
    .option('--tables', 'print the tables and their columns');

const DEFAULT_FOLDER = 'results';
const BY_EXTENSION: Readonly<Record<string, Format>> = {
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.parquet': 'parquet',
};

const EXAMPLES = `odptorture query [DIR...] SQL: SQL over the results of runs (default: ${DEFAULT_FOLDER}). DIR is the folder of a run, one that holds runs, or a glob.

  odptorture query "select scenario, strategy, verdict, violations from cells"
  odptorture query results/seed/latest "select violation, at_ms, oracle, detail from violations order by at_ms limit 10"
  odptorture query results/soak/latest points -o points.parquet
  odptorture query 'results/*' --format ndjson < query.sql

Tables: ${TABLES.map(({ name }) => name).join(', ')}. --tables prints their columns; docs/query.md has more examples.`;

const usage = (message: string): OdpError => new OdpError({ code: 'ODP_E_USAGE', message });

/** `odptorture query [DIR...] [SQL]`. */
export async function queryCommand(
  given: readonly string[],
  flags: QueryFlags,
  terminal: Terminal,
  input: SqlInput,
): Promise<number> {
  if (flags.tables === true) {
    printTables(flags.format, terminal);
    return 0;
  }
  const { folders, sql: written } = argumentsOf(given, terminal.cwd);
  const sql = written ?? (input.isTTY === true ? '' : await readAll(input));
  if (sql.trim() === '') {
    terminal.out(EXAMPLES);
    return 0;
  }
  const format = formatOf(flags);
  const runs = findRuns(folders, terminal.cwd);
  const query = await openQuery(runs);
  try {
    await noteTorn(query, sql, terminal);
    if (flags.out === undefined) await print(query, sql, format, terminal);
    else await writeFile(query, sql, format, resolve(terminal.cwd, flags.out));
  } finally {
    query.close();
  }
  return 0;
}

/** The last word is SQL when it can be no folder: it is a table, or has a blank in it. */
function argumentsOf(given: readonly string[], cwd: string): { folders: readonly string[]; sql: string | null } {
  const last = given.at(-1);
  const isSql = last !== undefined && !isFolderArgument(last, cwd) && (isTable(last) || /\s/.test(last));
  const folders = isSql ? given.slice(0, -1) : given;
  return { folders: folders.length === 0 ? [DEFAULT_FOLDER] : folders, sql: isSql ? last : null };
}

async function readAll(input: SqlInput): Promise<string> {
  let text = '';
  for await (const chunk of input) text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
  return text;
}

function formatOf({ format, out }: QueryFlags): Format {
  const chosen = format ?? (out === undefined ? 'table' : (BY_EXTENSION[extname(out)] ?? 'table'));
  if (chosen === 'parquet' && out === undefined) throw usage('Parquet is no text: give a file with --out');
  return chosen;
}

async function noteTorn(query: Query, sql: string, terminal: Terminal): Promise<void> {
  for (const { path, lines } of await query.torn(sql)) {
    const what = lines === 1 ? '1 line is' : `${lines} lines are`;
    terminal.err(`odptorture: ${relative(terminal.cwd, path)}: ${what} not whole and left out`);
  }
}

async function print(query: Query, sql: string, format: Format, terminal: Terminal): Promise<void> {
  const width = terminal.outIsTty ? terminal.width : null;
  const result = await query.run(sql);
  for await (const line of linesOf(result, format as Exclude<Format, 'parquet'>, width)) terminal.out(line);
}

/** The file is there whole or not at all. */
async function writeFile(query: Query, sql: string, format: Format, path: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    // Opened here also for DuckDB: that it cannot be written is no fault of the SQL.
    const fd = openSync(partial, 'w');
    try {
      if (format === 'parquet') await query.toParquet(sql, partial);
      else for await (const line of linesOf(await query.run(sql), format, null)) writeSync(fd, `${line}\n`);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    if (error instanceof OdpError) throw error;
    throw new OdpError(
      { code: 'ODP_E_OUTPUT', message: `the result cannot be written: ${systemReason(error)}`, at: path },
      { cause: error },
    );
  }
}

function printTables(format: Format | undefined, terminal: Terminal): void {
  if (format !== undefined && format !== 'table') {
    const plain = TABLES.map(({ name, about, columns }) => ({
      name,
      about,
      columns: columns.map((column) => ({ name: column.name, type: column.type, about: column.about })),
    }));
    terminal.out(JSON.stringify(plain, null, 2));
    return;
  }
  TABLES.forEach(({ name, about, columns }, i) => {
    if (i > 0) terminal.out('');
    terminal.out(`${name}: ${about}`);
    const rows = columns.map((column) => [column.name, column.type, column.about]);
    for (const line of table([{ title: '' }, { title: '' }, { title: '' }], rows).lines) terminal.out(`  ${line}`);
  });
}
