#!/usr/bin/env node
/**
 * Sums the results of vitest's JSON reporter and ends with the line `N passed, N failed`.
 * Exits 1 if anything failed, if a file of results cannot be read, or if a run had no tests.
 * Usage: node scripts/ci-summary.mjs results.json...
 */
import { readFileSync } from 'node:fs';

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

const readRun = (path) => {
  let run;
  try {
    run = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return { passed: 0, failed: 0, notes: [`no results: ${error.message}`] };
  }
  if (!isCount(run?.numPassedTests) || !isCount(run?.numFailedTests) || !Array.isArray(run?.testResults)) {
    return { passed: 0, failed: 0, notes: ['not a result of the JSON reporter'] };
  }
  const notes = [];
  // A file that cannot be loaded has no tests that could fail; each such file counts as one failure.
  const broken = run.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults?.some((test) => test.status === 'failed'),
  );
  for (const file of broken) notes.push(`${file.name}: ${String(file.message).split('\n')[0]}`);
  if (run.numPassedTests + run.numFailedTests + broken.length === 0) notes.push('ran no tests');
  else if (run.success !== true && run.numFailedTests + broken.length === 0)
    notes.push('did not succeed, though no test failed');
  const skipped = (run.numPendingTests ?? 0) + (run.numTodoTests ?? 0);
  return { passed: run.numPassedTests, failed: run.numFailedTests + broken.length, skipped, notes };
};

const main = (paths) => {
  if (paths.length === 0) {
    console.error('usage: ci-summary.mjs results.json...');
    return 2;
  }
  const runs = paths.map((path) => ({ path, ...readRun(path) }));
  for (const { path, notes, skipped } of runs) {
    for (const note of notes) console.log(`${path}: ${note}`);
    if (skipped > 0) console.log(`${path}: ${skipped} skipped`);
  }
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') > 0 || runs.some((run) => run.notes.length > 0) ? 1 : 0;
};

process.exitCode = main(process.argv.slice(2));
