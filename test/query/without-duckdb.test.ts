import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cellResult } from '../report/results-fixture.ts';
import { freshFolder, writeRun } from './fake-results.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const HIDE = new URL('./hide-duckdb.js', import.meta.url).href;

let cwd: string;
beforeAll(() => {
  cwd = freshFolder();
  writeRun(`${cwd}/results/seed/one`, [cellResult()], []);
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const run = (...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', HIDE, MAIN, ...args],
      { cwd, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
    child.stdin?.end();
  });

it('without DuckDB, query says what to install, and everything else works', async () => {
  const [query, tables, list] = await Promise.all([
    run('query', 'cells'),
    run('query', '--tables'),
    run('list', 'oracles'),
  ]);
  expect(query).toEqual({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^ODP_E_QUERY_NO_DUCKDB: .*it is not installed: npm install @duckdb\/node-api.*\n$/),
  });
  expect(tables).toMatchObject({ code: 0, stdout: expect.stringContaining('cells: one row a cell') });
  expect(list.code).toBe(0);
});
