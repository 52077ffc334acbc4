import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeTree, type Outcome, removeTree, runScript, scriptPath } from './trees.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) removeTree(root);
});

interface Counts {
  readonly passed: number;
  readonly failed?: number;
  readonly skipped?: number;
  readonly success?: boolean;
  readonly files?: readonly object[];
}

/** What vitest's JSON reporter writes, as far as it is read. */
const result = ({ passed, failed = 0, skipped = 0, success = failed === 0, files }: Counts): string => {
  const assertionResults = [
    ...Array.from({ length: passed }, () => ({ status: 'passed' })),
    ...Array.from({ length: failed }, () => ({ status: 'failed' })),
  ];
  const testResults = files ?? [
    { name: 'a.test.js', status: failed > 0 ? 'failed' : 'passed', message: '', assertionResults },
  ];
  return JSON.stringify({
    numTotalTests: passed + failed + skipped,
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numTodoTests: 0,
    success,
    testResults,
  });
};

const summarize = (...runs: readonly (string | null)[]): Outcome & { last: string } => {
  const files = runs.flatMap((text, i) => (text === null ? [] : [[`${i}.json`, text] as const]));
  const root = makeTree(Object.fromEntries(files));
  roots.push(root);
  const outcome = runScript(
    scriptPath('ci-summary.mjs'),
    runs.map((_, i) => join(root, `${i}.json`)),
  );
  return { ...outcome, last: outcome.stdout.slice(outcome.stdout.trimEnd().lastIndexOf('\n') + 1) };
};

test('sums the runs', () => {
  const { code, stdout } = summarize(result({ passed: 12 }), result({ passed: 30 }));
  expect({ code, stdout }).toEqual({ code: 0, stdout: '42 passed, 0 failed\n' });
});

test('a failure in any run fails', () => {
  for (const runs of [
    [result({ passed: 3, failed: 2 }), result({ passed: 5 })],
    [result({ passed: 5 }), result({ passed: 3, failed: 2 })],
  ]) {
    const { code, stdout } = summarize(...runs);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '8 passed, 2 failed\n' });
  }
});

test('a file that could not be loaded counts as one failure and is named', () => {
  const files = [
    { name: 'ok.test.js', status: 'passed', message: '', assertionResults: [{ status: 'passed' }] },
    { name: 'broken.test.js', status: 'failed', message: 'Cannot find module\nat x', assertionResults: [] },
  ];
  const { code, stdout, last } = summarize(result({ passed: 1, success: false, files }));
  expect(code).toBe(1);
  expect(last).toBe('1 passed, 1 failed\n');
  expect(stdout).toContain('0.json: broken.test.js: Cannot find module\n');
});

test('a run without tests fails, even beside one that has some', () => {
  const { code, stdout, last } = summarize(result({ passed: 4 }), result({ passed: 0, files: [] }));
  expect(code).toBe(1);
  expect(stdout).toContain('1.json: ran no tests\n');
  expect(last).toBe('4 passed, 0 failed\n');
});

test('skipped tests are no evidence', () => {
  const { code, stdout, last } = summarize(result({ passed: 0, skipped: 3 }));
  expect(code).toBe(1);
  expect(stdout).toContain('3 skipped');
  expect(last).toBe('0 passed, 0 failed\n');
});

test('a run that did not succeed fails, though its counts look well', () => {
  const { code, last } = summarize(result({ passed: 2, success: false }));
  expect(code).toBe(1);
  expect(last).toBe('2 passed, 0 failed\n');
});

test.each([
  ['missing', null, 'no results'],
  ['cut', '{"numPassedTests": 3', 'no results'],
  ['null', 'null', 'not a result'],
  ['foreign', '{"passed": 3}', 'not a result'],
  ['negative', '{"numPassedTests": -1, "numFailedTests": 0, "testResults": []}', 'not a result'],
])('results that are %s fail', (_, text, note) => {
  const { code, stdout, last } = summarize(result({ passed: 1 }), text);
  expect(code).toBe(1);
  expect(stdout).toContain(`1.json: ${note}`);
  expect(last).toBe('1 passed, 0 failed\n');
});

test('no arguments is a usage error', () => {
  expect(summarize().code).toBe(2);
});
