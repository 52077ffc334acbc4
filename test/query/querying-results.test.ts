import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { findRuns } from '../../src/query/folders.ts';
import { openQuery } from '../../src/query/run-query.ts';
import { TABLES } from '../../src/query/tables.ts';
import { cellResult, failedCell, underflow } from '../report/results-fixture.ts';
import { writeSoak } from '../report/soak-fixture.ts';
import { ask, freshFolder, rows, writeExploration, writeRun } from './fake-results.ts';

let cwd: string;
const RECORDS = [
  underflow({ signature: 'counter-underflow/private-count/madvise', nth: 1, detail: 'the first' }),
  underflow({ signature: 'counter-underflow/private-count/madvise', nth: 2, detail: 'the second' }),
  underflow({
    signature: 'stale-dma/pinned/dma',
    oracle: 'stale-dma',
    strategy: 'pinned',
    detail: "it's stale",
    window: [],
  }),
];

beforeAll(() => {
  cwd = freshFolder();
  const run = join(cwd, 'results/seed/one');
  writeRun(run, [cellResult(), failedCell({ seed: 42 })], RECORDS);
  symlinkSync('one', join(cwd, 'results/seed/latest'));
  mkdirSync(join(run, 'violations/1'), { recursive: true });
  writeFileSync(join(run, 'violations/1/arena.json'), JSON.stringify({ violation: RECORDS[0] }));
  writeRun(join(cwd, 'results/seed/killed'), null, RECORDS.slice(0, 1));
  appendFileSync(join(cwd, 'results/seed/killed/races-1.ndjson'), '{"level":"error","oracle":"stale-dma","det');
  mkdirSync(join(cwd, 'results/soak/night'), { recursive: true });
  writeSoak({ dir: join(cwd, 'results/soak/night'), minutes: 2, signatures: 3 });
  appendFileSync(join(cwd, 'results/soak/night/cells.ndjson'), '{"index":12,"scen');
  writeExploration(join(cwd, 'results/explore-a/one'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('the tables', () => {
  it('hold the columns that are documented, with these types', async () => {
    const described = await rows(
      cwd,
      'results/seed/one',
      'select table_name as t, column_name as c, data_type as type from duckdb_columns() order by column_index',
    );
    for (const { name, columns } of TABLES)
      expect(described.filter(({ t }) => t === name).map(({ c, type }) => [c, type])).toEqual(
        columns.map((column) => [column.name, column.type]),
      );
  });

  it('are in docs/query.md as --tables prints them', async () => {
    const printed = await ask(cwd, [], { tables: true });
    const doc = readFileSync(join(packageRoot(), 'docs/query.md'), 'utf8');
    expect(doc).toContain(printed.out.join('\n'));
  });

  it('show a run: cells, records, windows, locks', async () => {
    const dir = 'results/seed/one';
    expect(
      await rows(cwd, dir, 'select cell, strategy, verdict, violations, by_oracle, fault_p99_ns from cells'),
    ).toEqual([
      { cell: 0, strategy: 'context-count', verdict: 'SUCCESS', violations: 0, by_oracle: {}, fault_p99_ns: 9000 },
      {
        ...{ cell: 1, strategy: 'private-count', verdict: 'FAILURE', violations: 1207, fault_p99_ns: 9000 },
        by_oracle: { 'stale-dma': 3, 'counter-underflow': 1204 },
      },
    ]);
    expect(await rows(cwd, dir, 'select violation, signature, thread, dump, count from violations')).toEqual([
      {
        violation: 1,
        signature: 'counter-underflow/private-count/madvise/umem.uncounted',
        thread: 'madvise-0',
        dump: `${dir}/violations/1`,
        count: -1,
      },
      {
        violation: 2,
        signature: 'counter-underflow/private-count/madvise/umem.uncounted',
        thread: 'madvise-0',
        dump: `${dir}/violations/1`,
        count: -1,
      },
      { violation: 3, signature: 'stale-dma/pinned/dma/none', thread: 'madvise-0', dump: null, count: -1 },
    ]);
    expect(
      await rows(cwd, dir, 'select thread, us, point, a, b from points where violation = 1 and tid = 1 order by us'),
    ).toEqual([
      { thread: 'register-0', us: expect.closeTo(-300, 3), point: 'umem.inserted', a: 640, b: 4 },
      { thread: 'register-0', us: expect.closeTo(400, 3), point: 'register.done', a: 9, b: 640 },
    ]);
    expect(
      await rows(cwd, dir, 'select cell, lock, mode, contentions, wait_mean_ns, hold_mean_ns from locks limit 1'),
    ).toEqual([{ cell: 0, lock: 'umem_rwsem', mode: 'W', contentions: 12, wait_mean_ns: 5e5, hold_mean_ns: null }]);
  });

  it('show a soak, with exact counts and its time', async () => {
    const dir = 'results/soak/night';
    const night = await rows(
      cwd,
      dir,
      'select runs.kind, runs.verdict, count(c.cell) as cells, sum(c.violations) as violations from runs join cells c using (run) group by all',
    );
    const lines = readFileSync(join(cwd, dir, 'cells.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(0, -1);
    const violations = lines.flatMap((line) =>
      Object.values((JSON.parse(line) as { violations: Record<string, { count: number }> }).violations),
    );
    expect(night).toEqual([
      {
        kind: 'soak',
        verdict: 'SUCCESS',
        cells: 12,
        violations: violations.reduce((sum, { count }) => sum + count, 0),
      },
    ]);
    const checkpoint = JSON.parse(readFileSync(join(cwd, dir, 'checkpoint.json'), 'utf8')) as {
      signatures: { signature: string; count: number; canary: boolean }[];
    };
    expect(await rows(cwd, dir, 'select signature, count, canary from signatures order by signature')).toEqual(
      checkpoint.signatures
        .map(({ signature, count, canary }) => ({ signature, count, canary }))
        .sort((a, b) => (a.signature < b.signature ? -1 : 1)),
    );
    const [series] = await rows(cwd, dir, 'select count(*) n, min(rss_mb) > 0 as ok from series');
    const points = readFileSync(join(cwd, dir, 'series.ndjson'), 'utf8')
      .trimEnd()
      .split('\n').length;
    expect(series).toEqual({ n: points, ok: true });
  });

  it('show an exploration', async () => {
    expect(
      await rows(cwd, 'results/explore-a', 'select name, verdict, violations, oracles, preemptions from explorations'),
    ).toEqual([
      { name: 'a', verdict: 'VIOLATED', violations: 2, oracles: ['counter-underflow'], preemptions: 2 },
      { name: 'b', verdict: 'PROVED', violations: 0, oracles: [], preemptions: null },
    ]);
  });

  it('reach over many folders, each once, whether they are named, globbed or above', async () => {
    const sql = 'select run, kind, status from runs order by run';
    const all = [
      { run: 'results/explore-a/one', kind: 'explore', status: 'finished' },
      { run: 'results/seed/killed', kind: 'run', status: 'running' },
      { run: 'results/seed/one', kind: 'run', status: 'finished' },
      { run: 'results/soak/night', kind: 'soak', status: 'finished' },
    ];
    expect(await rows(cwd, sql)).toEqual(all);
    expect(await rows(cwd, 'results/*', 'results/seed/latest', sql)).toEqual(all);
    expect(await rows(cwd, 'results/s*d', sql)).toEqual(all.slice(1, 3));
  });
});

describe('the documentation', () => {
  const blocks = [...readFileSync(join(packageRoot(), 'docs/query.md'), 'utf8').matchAll(/```sql\n(.*?)```/gs)].map(
    ([, sql]) => sql!,
  );

  it('has one line for the first race of each signature by strategy', async () => {
    expect(blocks[0]!.trim().split('\n')).toHaveLength(1);
    expect(await rows(cwd, 'results/seed/one', blocks[0]!)).toEqual([
      { strategy: 'pinned', signature: 'stale-dma/pinned/dma/none', first: "it's stale", violation: 3 },
      {
        strategy: 'private-count',
        signature: 'counter-underflow/private-count/madvise/umem.uncounted',
        first: 'the first',
        violation: 1,
      },
    ]);
  });

  it('has further queries that run', async () => {
    const queries = blocks[1]!.split('\n').filter((line) => line !== '' && !line.startsWith('--'));
    expect(queries.length).toBeGreaterThan(4);
    expect(await ask(cwd, [queries.join(';\n')], { format: 'ndjson' })).toMatchObject({ code: 0, message: '' });
  });
});

describe('what goes wrong', () => {
  it('lines that are not whole are left out, and counted', async () => {
    const { out, err } = await ask(cwd, ['results', "select count(*) as n from violations where run like '%killed'"], {
      format: 'csv',
    });
    expect(out).toEqual(['n', '1']);
    expect(err).toEqual(['odptorture: results/seed/killed/races-1.ndjson: 1 line is not whole and left out']);
    const soak = await ask(cwd, ['results/soak/night', 'select count(*) as n from cells'], { format: 'csv' });
    expect(soak.out).toEqual(['n', '12']);
    expect(soak.err).toEqual(['odptorture: results/soak/night/cells.ndjson: 1 line is not whole and left out']);
  });

  it('a segment of the race log that becomes complete under its other name is found', async () => {
    const dir = join(cwd, 'going-on/one');
    writeRun(dir, null, RECORDS);
    renameSync(join(dir, 'races-2.ndjson'), join(dir, 'races-2.ndjson.open'));
    const sql = 'select count(*)::int as n from violations';
    expect(await rows(cwd, 'going-on', sql)).toEqual([{ n: 3 }]);
    const query = await openQuery(findRuns(['going-on'], cwd));
    try {
      renameSync(join(dir, 'races-2.ndjson.open'), join(dir, 'races-2.ndjson'));
      expect(await query.torn(sql)).toEqual([]);
      renameSync(join(dir, 'races-2.ndjson'), join(dir, 'races-2.ndjson.open'));
      for await (const row of (await query.run(sql)).rows) expect(row).toEqual([3]);
      // Of both names, one is read.
      copyFileSync(join(dir, 'races-2.ndjson.open'), join(dir, 'races-2.ndjson'));
      expect(await rows(cwd, 'going-on', sql)).toEqual([{ n: 3 }]);
    } finally {
      query.close();
    }
  });

  it('bad SQL: what DuckDB says, in one line, and exit code 2', async () => {
    const syntax = await ask(cwd, ['selec 1 as a']);
    expect(syntax).toMatchObject({
      code: 2,
      error: 'ODP_E_QUERY_SQL',
      message: expect.stringContaining('syntax error at or near "selec"'),
    });
    expect(syntax.message).not.toContain('\n');
    expect(await ask(cwd, ['select nothing from cells'])).toMatchObject({ code: 2, error: 'ODP_E_QUERY_SQL' });
    // Found only on the way.
    expect(await ask(cwd, ['select (strategy)::int from cells'])).toMatchObject({ code: 2, error: 'ODP_E_QUERY_SQL' });
  });

  it('no folder, no run, a file that cannot be written', async () => {
    expect(await ask(cwd, ['nowhere', 'select 1 as a'])).toMatchObject({ code: 2, error: 'ODP_E_QUERY_NO_RUN' });
    expect(await ask(cwd, ['res*x', 'select 1 as a'])).toMatchObject({ code: 2, error: 'ODP_E_QUERY_NO_RUN' });
    mkdirSync(join(cwd, 'empty'));
    expect(await ask(cwd, ['empty', 'select 1 as a'])).toMatchObject({ code: 2, error: 'ODP_E_QUERY_NO_RUN' });
    expect(await ask(cwd, ['cells'], { out: 'nowhere/x.csv' })).toMatchObject({ code: 7, error: 'ODP_E_OUTPUT' });
    expect(await ask(cwd, ['cells'], { format: 'parquet' })).toMatchObject({ code: 2, error: 'ODP_E_USAGE' });
  });

  it('nothing is left behind in the working folder or the home', async () => {
    const before = readdirSync(cwd).sort();
    await ask(cwd, ['select * from points order by random()']);
    expect(readdirSync(cwd).sort()).toEqual(before);
    expect(existsSync(join(process.cwd(), '.tmp'))).toBe(false);
  });
});

describe('formats', () => {
  const VALUES = `select 1 as a, 'x,"y' as b, null as c, '' as d, {'k': [1, 2]} as e, 12345678901234567890::hugeint as f,
    map {'m': 0.5} as g, timestamp '2026-11-23 10:00:00' as h, true as i`;
  const OBJECT = {
    a: 1,
    b: 'x,"y',
    c: null,
    d: '',
    e: { k: [1, 2] },
    f: '12345678901234567890',
    g: { m: 0.5 },
    h: '2026-11-23T10:00:00.000Z',
    i: true,
  };

  it('JSON and NDJSON hold the same values, CSV quotes what must be', async () => {
    expect(JSON.parse((await ask(cwd, [VALUES], { format: 'json' })).out.join('\n'))).toEqual([OBJECT]);
    expect(await rows(cwd, VALUES)).toEqual([OBJECT]);
    expect((await ask(cwd, [VALUES], { format: 'csv' })).out).toEqual([
      'a,b,c,d,e,f,g,h,i',
      '1,"x,""y",,"","{""k"":[1,2]}",12345678901234567890,"{""m"":0.5}",2026-11-23T10:00:00.000Z,true',
    ]);
    expect((await ask(cwd, ['select 1 as a where false'], { format: 'json' })).out).toEqual(['[', ']']);
  });

  it('a table counts its rows and says what it leaves out', async () => {
    const { out } = await ask(cwd, ['select range as n from range(1500)']);
    expect(out).toHaveLength(1002);
    expect(out.at(-1)).toBe('(1500 rows, the first 1000 are shown: --format ndjson has all)');
  });

  it('a table or a query goes to Parquet or NDJSON and comes back', async () => {
    for (const file of ['points.parquet', 'points.ndjson']) {
      expect((await ask(cwd, ['results/seed/one', 'points'], { out: file })).code).toBe(0);
      expect(await rows(cwd, `select count(*) as n, min(point) as p from '${join(cwd, file)}'`)).toEqual(
        await rows(cwd, 'results/seed/one', 'select count(*) as n, min(point) as p from points'),
      );
      rmSync(join(cwd, file));
    }
    expect(readdirSync(cwd).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('SQL comes from stdin, and without any there is help', async () => {
    expect((await ask(cwd, ['results'], { format: 'csv' }, 'select 7 as n;\n')).out).toEqual(['n', '7']);
    const help = await ask(cwd, ['results']);
    expect(help.code).toBe(0);
    expect(help.out.join('\n')).toContain('odptorture query [DIR...] SQL');
  });
});
