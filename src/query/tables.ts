/** A column: its name and type, what it holds with its unit, and where it comes from. */
export interface ColumnSpec {
  readonly name: string;
  readonly type: string;
  readonly about: string;
  readonly sql: string;
}

export interface TableSpec {
  readonly name: string;
  readonly about: string;
  readonly from: string;
  readonly columns: readonly ColumnSpec[];
}

type Short = readonly [name: string, type: string, sql: string, about: string];

const spec = (name: string, about: string, from: string, columns: readonly Short[]): TableSpec => ({
  name,
  about,
  from,
  columns: columns.map(([column, type, sql, text]) => ({ name: column, type, sql, about: text })),
});

const RUN: Short = ['run', 'VARCHAR', 'run', 'folder of the run'];
const timestamp = (sql: string): string => `try_cast(${sql} AS TIMESTAMP)`;
const countsOf = (map: string, member: string): string =>
  `map_from_entries(list_transform(map_entries(${map}), lambda e: {'k': e.key, 'v': e.value."${member}"}))`;

/** The same form as a soak's: a run's records have no point in theirs, but the last one of their thread's window is it. */
const SIGNATURE = `CASE WHEN len(string_split(s.signature, '/')) >= 4 THEN s.signature
  ELSE s.signature || '/' || coalesce(list_filter(s."window", lambda p: p.tid = s.thread.tid)[-1].point, 'none') END`;

const quantiles = (prefix: string, member: string, what: string): Short[] =>
  (['p50', 'p99', 'max'] as const).map((q) => [
    `${prefix}_${q}_ns`,
    'DOUBLE',
    `s."latencyNs"."${member}".${q}`,
    `${what}, ${q === 'max' ? 'longest' : q}, ns`,
  ]);

/** The tables of `odptorture query`. */
export const TABLES: readonly TableSpec[] = [
  spec(
    'runs',
    'one row a folder',
    '_runs LEFT JOIN (SELECT run, s FROM _run_file) f USING (run) LEFT JOIN (SELECT run, s AS e FROM _end) e USING (run)',
    [
      RUN,
      ['kind', 'VARCHAR', 'kind', 'run (also a matrix), soak or explore'],
      ['command', 'VARCHAR', 's.command', 'run, matrix, soak, explore'],
      ['status', 'VARCHAR', 's.status', 'running (or killed), finished, interrupted, failed'],
      ['seed', 'BIGINT', 's.seed', 'seed'],
      ['started_at', 'TIMESTAMP', timestamp('coalesce(s."startedAt", e."startedAt")'), 'UTC'],
      ['duration_ms', 'DOUBLE', 'coalesce(e."durationMs", e."elapsedMs")', 'of a soak: time in which cells ran, ms'],
      ['verdict', 'VARCHAR', 'e.verdict', 'NULL: it has not ended'],
      ['exit_code', 'INTEGER', 'e."exitCode"', 'NULL: it has not ended'],
      ['node', 'VARCHAR', 's.environment.node', 'version of Node'],
      ['cores', 'INTEGER', 's.environment.cores', 'cores of the machine'],
      ['cpu', 'VARCHAR', 's.environment.cpu', 'model'],
      ['version', 'VARCHAR', 's.environment.version', 'of odptorture'],
      ['commit', 'VARCHAR', 's.environment."commit"', 'of odptorture'],
    ],
  ),
  spec('cells', 'one row a cell that has ended', '_cell', [
    RUN,
    ['cell', 'BIGINT', 'cell', 'number in its run, from 0'],
    ['scenario', 'VARCHAR', 's.scenario', ''],
    ['kind', 'VARCHAR', 's.kind', 'load or litmus'],
    ['strategy', 'VARCHAR', 's.strategy', ''],
    ['era', 'VARCHAR', 's.era', 'kernel whose locking the mm follows'],
    ['seed', 'BIGINT', 's.seed', ''],
    ['duration_ms', 'DOUBLE', 's."durationMs"', 'ms'],
    ['verdict', 'VARCHAR', 's.verdict', 'SUCCESS, FAILURE, UNKNOWN'],
    ['as_expected', 'BOOLEAN', 's."asExpected"', 'NULL: too few exposures to say'],
    ['must', 'VARCHAR[]', 's.expected.must', 'oracles that are expected to fire'],
    ['may', 'VARCHAR[]', 's.expected.may', 'oracles that may'],
    ['why', 'VARCHAR', 's.why', 'why UNKNOWN or not as expected'],
    [
      'violations',
      'BIGINT',
      'coalesce(list_sum(list_transform(map_values(s.violations), lambda v: v."count")), 0)::BIGINT',
      'of all oracles, exact',
    ],
    ['by_oracle', 'MAP(VARCHAR, BIGINT)', countsOf('s.violations', 'count'), 'violations by oracle, exact'],
    [
      'first_at_ms',
      'DOUBLE',
      'list_min(list_transform(map_values(s.violations), lambda v: v."firstAtMs"))',
      'first violation, ms since the start of the cell',
    ],
    ['exposures', 'MAP(VARCHAR, BIGINT)', 's.exposures', 'dangerous overlaps that happened, by name'],
    ['operations', 'MAP(VARCHAR, BIGINT)', countsOf('s.operations', 'count'), 'by name'],
    ['per_second', 'MAP(VARCHAR, DOUBLE)', countsOf('s.operations', 'perSecond'), 'operations a second, by name'],
    ['failures', 'MAP(VARCHAR, BIGINT)', 's.failures', 'operations that ended otherwise, by name'],
    ['faults_committed', 'BIGINT', 's.faults.committed', 'page faults of the adapter'],
    ['faults_retried', 'BIGINT', 's.faults.retries', 'attempts that were refused'],
    ['faults_timed_out', 'BIGINT', 's.faults.timeouts', ''],
    ...quantiles('fault', 'fault', 'page fault'),
    ...quantiles('section', 'section', 'section'),
    ...quantiles('register', 'register', 'registration'),
    ...quantiles('deregister', 'deregister', 'deregistration'),
    ...quantiles('lock_wait', 'lockWait', 'wait for a lock'),
    ['audits', 'BIGINT', 's.audits.done', 'quiescent audits'],
    ['audits_skipped', 'BIGINT', 's.audits.skipped', ''],
    ['records_kept', 'BIGINT', 's.records.kept', 'violations with a full record'],
    ['records_dropped', 'BIGINT', 's.records.dropped', 'records for which there was no room'],
    ['fault', 'VARCHAR', 's.fault.kind', 'how it ended when not by itself: hang, thread-threw, ...'],
    ['fault_message', 'VARCHAR', 's.fault.message', ''],
    ['interrupted', 'BOOLEAN', 's.interrupted', 'ended early'],
    ['canary', 'BOOLEAN', 's.canary', 'soak: a known-bad cell, which must be caught'],
    ['rotation', 'BIGINT', 's.rotation', 'soak: how often the campaign came round'],
    ['started_at', 'TIMESTAMP', timestamp('s."startedAt"'), 'soak: UTC'],
    ['soak_ms', 'DOUBLE', 's.t', 'soak: soak time at its start, ms'],
  ]),
  spec(
    'violations',
    'one row a record of the race log (which has the first of each signature; cells.by_oracle counts all)',
    `_record LEFT JOIN (SELECT DISTINCT ON (run, scenario, strategy, seed, oracle, at_ms) * FROM _dumps) d
     ON d.run = _record.run AND d.scenario = s.scenario AND d.strategy = s.strategy AND d.seed::BIGINT = s.seed
     AND d.oracle = s.oracle AND d.at_ms::DOUBLE = s."atMs"`,
    [
      ['run', 'VARCHAR', '_record.run', 'folder of the run'],
      ['violation', 'BIGINT', 'n', 'number of the record in the folders of this query, from 1'],
      ['logged_at', 'TIMESTAMP', timestamp('s."time"'), 'UTC'],
      ['oracle', 'VARCHAR', 's.oracle', ''],
      [
        'signature',
        'VARCHAR',
        SIGNATURE,
        'oracle/strategy/role/point: who noticed it, and the last point that it had passed',
      ],
      ['nth', 'BIGINT', 's.nth', 'number within its signature: of its cell, in a soak of all'],
      ['scenario', 'VARCHAR', 's.scenario', ''],
      ['strategy', 'VARCHAR', 's.strategy', ''],
      ['seed', 'BIGINT', 's.seed', ''],
      ['cell', 'BIGINT', 's.cell', 'soak: number of its cell'],
      ['at_ms', 'DOUBLE', 's."atMs"', 'ms since the start of the cell'],
      ['soak_ms', 'DOUBLE', 's.t', 'soak: soak time, ms'],
      ['tid', 'INTEGER', 's.thread.tid', 'thread that noticed it'],
      ['thread', 'VARCHAR', 's.thread.name', ''],
      ['umem', 'BIGINT', 's.umem', ''],
      ['key', 'BIGINT', 's."key"', ''],
      ['range_start', 'BIGINT', 's."range".start', 'page'],
      ['range_last', 'BIGINT', 's."range"."last"', 'page, inclusive'],
      ['page', 'BIGINT', 's.page', ''],
      ['frame', 'BIGINT', 's.frame', ''],
      ['entry_generation', 'BIGINT', 's.generation.entry', 'of the frame when the device entry was made'],
      ['frame_generation', 'BIGINT', 's.generation.frame', 'of the frame when it was noticed'],
      ['count', 'BIGINT', 's.counter.value', 'counter-underflow and -leak: value of the count'],
      ['detail', 'VARCHAR', 's.detail', 'one sentence'],
      ['dump', 'VARCHAR', 'd.folder', 'folder for odptorture inspect; NULL: no dump of the arena'],
    ],
  ),
  spec(
    'points',
    'the window of each record: what every thread did around it',
    '(SELECT n, run, s, unnest(s."window") AS p FROM _record)',
    [
      RUN,
      ['violation', 'BIGINT', 'n', 'violations.violation'],
      ['tid', 'INTEGER', 'p.tid', ''],
      ['thread', 'VARCHAR', 's."names"[p.tid + 1]', ''],
      ['at_ms', 'DOUBLE', 'p."timeMs"', 'ms since the start of the cell'],
      ['us', 'DOUBLE', '(p."timeMs" - s."atMs") * 1000', 'microseconds after (+) or before the violation'],
      ['op', 'BIGINT', 'p.op', "serial number of the thread's operation"],
      ['point', 'VARCHAR', 'p.point', 'see odptorture list points'],
      ['a', 'BIGINT', 'p.args[1]', 'arguments, as odptorture list points names them'],
      ['b', 'BIGINT', 'p.args[2]', ''],
      ['c', 'BIGINT', 'p.args[3]', ''],
    ],
  ),
  spec(
    'signatures',
    'one row a kind of violation in a run',
    `(WITH logged AS (
        SELECT run, signature, any_value(oracle) AS oracle, any_value(strategy) AS strategy, count(*) AS logged,
          count(DISTINCT (scenario, seed)) AS cells, list_sort(list(DISTINCT scenario)) AS scenarios,
          min(violation) AS violation, min(logged_at) AS first_at, max(logged_at) AS last_at
        FROM violations GROUP BY run, signature),
      soak AS (SELECT run, unnest(s.signatures) AS g FROM _checkpoint)
      SELECT soak.run AS run, g.signature AS signature, g.oracle AS oracle, g.strategy AS strategy, g.canary AS canary, g."count" AS count,
        g.logged AS logged, g.cells AS cells, g.scenarios AS scenarios, violation, ${timestamp('g."first"."at"')} AS first_at,
        ${timestamp('g."last"."at"')} AS last_at, g."first".t AS first_soak_ms
      FROM soak LEFT JOIN logged ON logged.run = soak.run AND logged.signature = g.signature
      UNION ALL
      SELECT run, signature, oracle, strategy, NULL, NULL, logged, cells, scenarios, violation, first_at, last_at, NULL
      FROM logged WHERE run NOT IN (SELECT run FROM soak))`,
    [
      RUN,
      ['signature', 'VARCHAR', 'signature', 'oracle/strategy/role/point'],
      ['oracle', 'VARCHAR', 'oracle', ''],
      ['strategy', 'VARCHAR', 'strategy', ''],
      ['role', 'VARCHAR', "split_part(signature, '/', 3)", 'of the thread that noticed it'],
      ['point', 'VARCHAR', "split_part(signature, '/', 4)", 'last point that it had passed'],
      ['canary', 'BOOLEAN', 'canary', 'soak: seen in canary cells only'],
      ['count', 'BIGINT', 'count', 'soak: exact; NULL in other runs, which count by oracle'],
      ['logged', 'BIGINT', 'logged', 'records in the race log'],
      ['cells', 'BIGINT', 'cells', 'in which it was seen'],
      ['scenarios', 'VARCHAR[]', 'scenarios', ''],
      ['violation', 'BIGINT', 'violation', 'its first record: violations.violation'],
      ['first_at', 'TIMESTAMP', 'first_at', 'UTC'],
      ['last_at', 'TIMESTAMP', 'last_at', 'UTC'],
      ['first_soak_ms', 'DOUBLE', 'first_soak_ms', 'soak: soak time, ms'],
    ],
  ),
  spec(
    'locks',
    'one row a class and mode of locks of a cell',
    '(SELECT run, cell, s, unnest(s.locks) AS l FROM _cell)',
    [
      RUN,
      ['cell', 'BIGINT', 'cell', 'cells.cell'],
      ['scenario', 'VARCHAR', 's.scenario', ''],
      ['strategy', 'VARCHAR', 's.strategy', ''],
      ['era', 'VARCHAR', 's.era', ''],
      ['seed', 'BIGINT', 's.seed', ''],
      ['lock', 'VARCHAR', 'l.name', 'class'],
      ['mode', 'VARCHAR', 'l."mode"', 'R, or W (also of locks without modes)'],
      ['contentions', 'BIGINT', 'l.contentions', 'threads that had to wait'],
      [
        'con_bounces',
        'BIGINT',
        'l."conBounces"',
        'of these, for a lock that another thread had last; NULL: not counted',
      ],
      ['acquisitions', 'BIGINT', 'l.acquisitions', 'NULL: not counted, see --lock-stat'],
      ['acq_bounces', 'BIGINT', 'l."acqBounces"', 'of these, of a lock that another thread had last'],
      ['wait_min_ns', 'DOUBLE', 'l."waitNs"."min"', 'ns'],
      ['wait_total_ns', 'DOUBLE', 'l."waitNs".total', 'ns'],
      ['wait_mean_ns', 'DOUBLE', 'l."waitNs".mean', 'ns'],
      ['wait_max_ns', 'DOUBLE', 'l."waitNs"."max"', 'ns'],
      [
        'holds',
        'BIGINT',
        'l."holdNs"."count"',
        'holds that have ended; NULL without --lock-stat full, as all that follow',
      ],
      ['hold_min_ns', 'DOUBLE', 'l."holdNs"."min"', 'ns'],
      ['hold_total_ns', 'DOUBLE', 'l."holdNs".total', 'ns'],
      ['hold_mean_ns', 'DOUBLE', 'l."holdNs".mean', 'ns'],
      ['hold_max_ns', 'DOUBLE', 'l."holdNs"."max"', 'ns'],
    ],
  ),
  spec('series', 'a soak, second by second while it is young, coarser as it ages', '_series', [
    RUN,
    ['soak_ms', 'DOUBLE', 's.t', 'soak time, ms'],
    ['cell', 'BIGINT', 's.cell', 'cells.cell'],
    ['scenario', 'VARCHAR', 's.scenario', ''],
    ['strategy', 'VARCHAR', 's.strategy', ''],
    [
      'rates',
      'MAP(VARCHAR, DOUBLE)',
      's.rates',
      'a second: faults, sections, registrations, deregistrations, operations',
    ],
    ['exposures', 'BIGINT', 's.exposures', 'of all kinds, since the start of the soak'],
    ['exposure_counts', 'MAP(VARCHAR, BIGINT)', 's."exposureCounts"', 'the same by kind'],
    ['violations', 'BIGINT', 's.violations', 'since the start of the soak, canaries included'],
    ['violation_counts', 'MAP(VARCHAR, BIGINT)', 's."violationCounts"', 'by oracle, without those of canaries'],
    ['fault_p50_ns', 'DOUBLE', 's.latency.fault.p50', 'since the start of the cell, ns'],
    ['fault_p99_ns', 'DOUBLE', 's.latency.fault.p99', 'ns'],
    ['section_p50_ns', 'DOUBLE', 's.latency.section.p50', 'ns'],
    ['section_p99_ns', 'DOUBLE', 's.latency.section.p99', 'ns'],
    ['register_p50_ns', 'DOUBLE', 's.latency.register.p50', 'ns'],
    ['register_p99_ns', 'DOUBLE', 's.latency.register.p99', 'ns'],
    ['deregister_p50_ns', 'DOUBLE', 's.latency.deregister.p50', 'ns'],
    ['deregister_p99_ns', 'DOUBLE', 's.latency.deregister.p99', 'ns'],
    ['lock_wait_p50_ns', 'DOUBLE', 's.latency."lockWait".p50', 'ns'],
    ['lock_wait_p99_ns', 'DOUBLE', 's.latency."lockWait".p99', 'ns'],
    ['rss_mb', 'DOUBLE', 's."rssMb"', 'resident memory of the process, MiB'],
    ['heap_mb', 'DOUBLE', 's."heapMb"', 'MiB'],
    ['event_loop_max_ms', 'DOUBLE', 's."eventLoopMaxMs"', 'ms'],
    ['log_written', 'BIGINT', 's.log.written', 'records of the race log'],
    ['log_lost', 'BIGINT', 's.log.lost', 'records that could not be written'],
    ['log_bytes', 'BIGINT', 's.log.bytes', 'bytes'],
  ]),
  spec(
    'explorations',
    'explore: one row a program that was searched',
    '(SELECT run, unnest(s.explorations) AS x FROM _explore)',
    [
      RUN,
      ['name', 'VARCHAR', 'x.name', ''],
      ['kind', 'VARCHAR', 'x.kind', 'program or litmus'],
      ['strategy', 'VARCHAR', 'x.strategy', ''],
      ['verdict', 'VARCHAR', 'x.verdict', 'VIOLATED, PROVED, NO-VIOLATION, UNKNOWN'],
      ['guarantee', 'VARCHAR', 'x.guarantee', 'what was shown when nothing was found'],
      ['why', 'VARCHAR', 'x.why', 'why UNKNOWN'],
      ['policy', 'VARCHAR', 'x.policy', ''],
      ['schedules', 'BIGINT', 'x.schedules', ''],
      ['steps', 'BIGINT', 'x.steps', ''],
      ['duration_ms', 'DOUBLE', 'x."durationMs"', 'ms'],
      ['violations', 'BIGINT', 'len(x.violations)', ''],
      [
        'oracles',
        'VARCHAR[]',
        'list_sort(list_distinct(list_transform(x.violations, lambda v: v.oracle)))',
        'that fired',
      ],
      [
        'preemptions',
        'BIGINT',
        'list_min(list_transform(x.violations, lambda v: v.preemptions))',
        'fewest that show a violation',
      ],
    ],
  ),
];

export const viewOf = ({ name, from, columns }: TableSpec): string =>
  `CREATE OR REPLACE VIEW ${name} AS SELECT ${columns.map((column) => `(${column.sql})::${column.type} AS "${column.name}"`).join(',\n  ')}\nFROM ${from}`;
