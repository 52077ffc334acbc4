import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARENA_FILE } from '../results/arena-dump.ts';
import { segmentPaths } from '../results/race-segments.ts';
import { SOAK_FILES } from '../results/soak-types.ts';
import { filesOf, type RunFolder } from './folders.ts';

/** A string of SQL. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const QUANTILES = {
  count: 'BIGINT',
  mean: 'DOUBLE',
  p50: 'DOUBLE',
  p90: 'DOUBLE',
  p99: 'DOUBLE',
  p999: 'DOUBLE',
  max: 'DOUBLE',
};
const TIMES = {
  count: 'BIGINT',
  min: 'DOUBLE',
  max: 'DOUBLE',
  total: 'DOUBLE',
  mean: 'DOUBLE',
  p50: 'DOUBLE',
  p99: 'DOUBLE',
  p999: 'DOUBLE',
};
const COUNTS = 'MAP(VARCHAR, BIGINT)';

/** Structures that DuckDB reads out of JSON; members that are not there become NULL. Those of results/soak-types.ts and summary.ts. */
const RECORD = {
  time: 'VARCHAR',
  oracle: 'VARCHAR',
  signature: 'VARCHAR',
  nth: 'BIGINT',
  scenario: 'VARCHAR',
  strategy: 'VARCHAR',
  seed: 'BIGINT',
  atMs: 'DOUBLE',
  thread: { tid: 'INTEGER', name: 'VARCHAR' },
  umem: 'BIGINT',
  key: 'BIGINT',
  range: { start: 'BIGINT', last: 'BIGINT' },
  page: 'BIGINT',
  frame: 'BIGINT',
  generation: { entry: 'BIGINT', frame: 'BIGINT' },
  counter: { value: 'BIGINT', expected: 'BIGINT', seq: 'BIGINT' },
  detail: 'VARCHAR',
  names: ['VARCHAR'],
  window: [{ tid: 'INTEGER', timeMs: 'DOUBLE', point: 'VARCHAR', args: ['BIGINT'], op: 'BIGINT' }],
  cell: 'BIGINT',
  t: 'DOUBLE',
};
const CELL = {
  scenario: 'VARCHAR',
  kind: 'VARCHAR',
  strategy: 'VARCHAR',
  era: 'VARCHAR',
  seed: 'BIGINT',
  durationMs: 'DOUBLE',
  verdict: 'VARCHAR',
  asExpected: 'BOOLEAN',
  expected: { must: ['VARCHAR'], may: ['VARCHAR'] },
  why: 'VARCHAR',
  violations: 'MAP(VARCHAR, STRUCT("count" BIGINT, "firstAtMs" DOUBLE))',
  exposures: COUNTS,
  operations: 'MAP(VARCHAR, STRUCT("count" BIGINT, "perSecond" DOUBLE))',
  failures: COUNTS,
  faults: { committed: 'BIGINT', retries: 'BIGINT', timeouts: 'BIGINT' },
  latencyNs: { fault: QUANTILES, section: QUANTILES, register: QUANTILES, deregister: QUANTILES, lockWait: QUANTILES },
  locks: [
    {
      name: 'VARCHAR',
      mode: 'VARCHAR',
      acquisitions: 'BIGINT',
      acqBounces: 'BIGINT',
      conBounces: 'BIGINT',
      contentions: 'BIGINT',
      waitNs: TIMES,
      holdNs: TIMES,
    },
  ],
  audits: { done: 'BIGINT', skipped: 'BIGINT' },
  records: { kept: 'BIGINT', dropped: 'BIGINT' },
  fault: { kind: 'VARCHAR', thread: 'VARCHAR', message: 'VARCHAR' },
  interrupted: 'BOOLEAN',
  index: 'BIGINT',
  rotation: 'BIGINT',
  canary: 'BOOLEAN',
  startedAt: 'VARCHAR',
  t: 'DOUBLE',
};
const SERIES = {
  t: 'DOUBLE',
  cell: 'BIGINT',
  scenario: 'VARCHAR',
  strategy: 'VARCHAR',
  rates: 'MAP(VARCHAR, DOUBLE)',
  exposures: 'BIGINT',
  violations: 'BIGINT',
  exposureCounts: 'MAP(VARCHAR, BIGINT)',
  violationCounts: 'MAP(VARCHAR, BIGINT)',
  latency: Object.fromEntries(
    ['fault', 'section', 'register', 'deregister', 'lockWait'].map((name) => [name, { p50: 'DOUBLE', p99: 'DOUBLE' }]),
  ),
  rssMb: 'DOUBLE',
  heapMb: 'DOUBLE',
  eventLoopMaxMs: 'DOUBLE',
  log: { written: 'BIGINT', lost: 'BIGINT', bytes: 'BIGINT' },
};
const SEEN = { cell: 'BIGINT', t: 'DOUBLE', at: 'VARCHAR' };
const CHECKPOINT = {
  signatures: [
    {
      signature: 'VARCHAR',
      oracle: 'VARCHAR',
      strategy: 'VARCHAR',
      role: 'VARCHAR',
      point: 'VARCHAR',
      canary: 'BOOLEAN',
      count: 'BIGINT',
      cells: 'BIGINT',
      logged: 'BIGINT',
      scenarios: ['VARCHAR'],
      first: SEEN,
      last: SEEN,
    },
  ],
};
const RUN = {
  status: 'VARCHAR',
  command: 'VARCHAR',
  seed: 'BIGINT',
  startedAt: 'VARCHAR',
  environment: { node: 'VARCHAR', cores: 'INTEGER', cpu: 'VARCHAR', commit: 'VARCHAR', version: 'VARCHAR' },
};
/** Of a run, a soak and an exploration alike. */
const SUMMARY = {
  startedAt: 'VARCHAR',
  verdict: 'VARCHAR',
  exitCode: 'INTEGER',
  durationMs: 'DOUBLE',
  elapsedMs: 'DOUBLE',
  interrupted: 'BOOLEAN',
};
const EXPLORE = {
  explorations: [
    {
      name: 'VARCHAR',
      kind: 'VARCHAR',
      strategy: 'VARCHAR',
      verdict: 'VARCHAR',
      guarantee: 'VARCHAR',
      why: 'VARCHAR',
      policy: 'VARCHAR',
      schedules: 'BIGINT',
      steps: 'BIGINT',
      durationMs: 'DOUBLE',
      violations: [{ oracle: 'VARCHAR', text: 'VARCHAR', preemptions: 'BIGINT', folder: 'VARCHAR' }],
    },
  ],
};

const EXPLORE_FILE = 'explore.json';

/** Files of lines, by the tables that read them: for these, lines that are not whole are counted. */
export interface LineFiles {
  readonly paths: readonly string[];
  readonly tables: readonly string[];
}

export interface Sources {
  /** Statements that make the views on which the tables stand. */
  readonly sql: readonly string[];
  readonly lines: readonly LineFiles[];
}

/** Views over the files of these runs; nothing is read until a query asks for it. */
export function sourcesOf(runs: readonly RunFolder[]): Sources {
  const of = (...kinds: readonly RunFolder['kind'][]): RunFolder[] => runs.filter(({ kind }) => kinds.includes(kind));
  const races = of('run', 'soak').flatMap(({ dir }) => segmentPaths(dir));
  const cells = filesOf(of('soak'), SOAK_FILES.cells);
  const series = filesOf(of('soak'), SOAK_FILES.series);
  return {
    sql: [
      rowsTable(
        '_runs',
        ['dir', 'run', 'kind'],
        runs.map(({ dir, name, kind }) => [dir, name, kind]),
      ),
      dumpsTable(runs),
      lineView('_record', races, RECORD, 's.oracle IS NOT NULL'),
      lineView('_cell_line', cells, CELL, 's.scenario IS NOT NULL'),
      lineView('_series', series, SERIES, 's.t IS NOT NULL'),
      fileView('_run_file', filesOf(runs, SOAK_FILES.run), RUN),
      fileView('_end', [...filesOf(of('run', 'soak'), SOAK_FILES.summary), ...filesOf(runs, EXPLORE_FILE)], SUMMARY),
      fileView('_summary', filesOf(of('run'), SOAK_FILES.summary), { cells: [CELL] }),
      fileView('_checkpoint', filesOf(of('soak'), SOAK_FILES.checkpoint), CHECKPOINT),
      fileView('_explore', filesOf(of('explore'), EXPLORE_FILE), EXPLORE),
      `CREATE OR REPLACE VIEW _cell AS
         SELECT run, cell, s FROM (SELECT run, generate_subscripts(s.cells, 1) - 1 AS cell, unnest(s.cells) AS s FROM _summary)
         UNION ALL SELECT run, s.index AS cell, s FROM _cell_line`,
    ],
    lines: [
      { paths: races, tables: ['violations', 'points', 'signatures'] },
      { paths: cells, tables: ['cells', 'locks'] },
      { paths: series, tables: ['series'] },
    ],
  };
}

/** Counts lines of files that are no whole JSON: the last one of a process that was killed, or is just writing. */
export const tornLines = (paths: readonly string[]): string =>
  `SELECT filename, count(*) AS torn FROM ${readLines(paths)} WHERE json IS NULL GROUP BY filename ORDER BY filename`;

const readLines = (paths: readonly string[]): string =>
  `read_ndjson_objects([${paths.map(text).join(', ')}], ignore_errors = true, filename = true, maximum_object_size = 67108864)`;

/** Lines of files as `(n, run, s)`: a running number, the run's name, and the line's members. */
function lineView(name: string, paths: readonly string[], structure: unknown, whole: string): string {
  if (paths.length === 0) return emptyView(name, structure);
  return `CREATE OR REPLACE VIEW ${name} AS
    SELECT n, run, s FROM (
      SELECT n, filename, from_json(json, ${text(JSON.stringify(structure))}) AS s
      FROM (SELECT row_number() OVER () AS n, json, filename FROM ${readLines(paths)})
      WHERE json IS NOT NULL AND json_type(json) = 'OBJECT'
    ) JOIN _runs ON dir = parse_dirpath(filename)
    WHERE ${whole}`;
}

/** Whole files as `(n, run, s)`. One that is no JSON is left out. */
function fileView(name: string, paths: readonly string[], structure: unknown): string {
  if (paths.length === 0) return emptyView(name, structure);
  return `CREATE OR REPLACE VIEW ${name} AS
    SELECT 0 AS n, run, from_json(content, ${text(JSON.stringify(structure))}) AS s
    FROM read_text([${paths.map(text).join(', ')}]) JOIN _runs ON dir = parse_dirpath(filename)
    WHERE json_valid(content)`;
}

const emptyView = (name: string, structure: unknown): string =>
  `CREATE OR REPLACE VIEW ${name} AS SELECT 0 AS n, '' AS run, from_json('{}', ${text(JSON.stringify(structure))}) AS s WHERE false`;

function rowsTable(name: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const declared = `CREATE OR REPLACE TABLE ${name} (${columns.map((column) => `${column} VARCHAR`).join(', ')})`;
  if (rows.length === 0) return declared;
  return `${declared}; INSERT INTO ${name} VALUES ${rows.map((row) => `(${row.map(text).join(', ')})`).join(', ')}`;
}

/** Which records have a dump of the arena: their folders, by what tells a record from all others of its run. */
function dumpsTable(runs: readonly RunFolder[]): string {
  const rows = runs.flatMap(({ dir, name }) => {
    const folder = join(dir, 'violations');
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.flatMap((n) => {
      const about = dumpedViolation(join(folder, n, ARENA_FILE));
      return about === null ? [] : [[name, ...about, join(name, 'violations', n)]];
    });
  });
  return rowsTable('_dumps', ['run', 'scenario', 'strategy', 'seed', 'oracle', 'at_ms', 'folder'], rows);
}

function dumpedViolation(file: string): string[] | null {
  if (!existsSync(file)) return null;
  try {
    const { violation } = JSON.parse(readFileSync(file, 'utf8')) as { violation: Record<string, unknown> };
    return ['scenario', 'strategy', 'seed', 'oracle', 'atMs'].map((member) => String(violation[member]));
  } catch {
    // Damaged: `inspect` says so.
    return null;
  }
}
