import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  makeTree,
  type Outcome,
  type Running,
  removeTree,
  runScript,
  scriptPath,
  startScript,
  writeTree,
} from './trees.ts';

/** Stands for npm: notes how it was called, shows two at once, leaves what npm leaves. */
const FAKE_NPM = `#!/usr/bin/env node
const fs = require('node:fs');
fs.appendFileSync('calls.log', 'npm ' + process.argv.slice(2).join(' ') + '\\n');
console.log('npm on stdout');
if (fs.existsSync('fail-npm')) process.exit(Number(fs.readFileSync('fail-npm', 'utf8')));
fs.mkdirSync('busy');
setTimeout(() => {
  fs.rmdirSync('busy');
  fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
  fs.copyFileSync('tsc.js', 'node_modules/typescript/bin/tsc');
  fs.writeFileSync('node_modules/.package-lock.json', '{}');
}, Number(process.env.FAKE_MS ?? 0));
`;

/** Stands for tsc in incremental mode: copies the sources that its record does not have, and never looks at its output. */
const FAKE_TSC = `
const fs = require('node:fs');
const path = require('node:path');
fs.appendFileSync('calls.log', 'tsc ' + process.argv.slice(2).join(' ') + '\\n');
fs.mkdirSync('busy');
const info = 'dist/.tsbuildinfo';
const known = fs.existsSync(info) ? JSON.parse(fs.readFileSync(info, 'utf8')) : {};
const record = {};
for (const folder of ['src', 'test']) {
  if (!fs.existsSync(folder)) continue;
  for (const file of fs.readdirSync(folder, { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const source = path.join(folder, file);
    record[source] = fs.readFileSync(source, 'utf8');
    if (record[source] === known[source]) continue;
    const stem = path.join('dist', folder, file.slice(0, -3));
    fs.mkdirSync(path.dirname(stem), { recursive: true });
    for (const end of ['.js', '.js.map', '.d.ts']) fs.writeFileSync(stem + end, record[source]);
  }
}
fs.writeFileSync(info, JSON.stringify(record));
setTimeout(() => {
  fs.rmdirSync('busy');
  if (fs.existsSync('fail-tsc')) process.exitCode = Number(fs.readFileSync('fail-tsc', 'utf8'));
}, Number(process.env.FAKE_MS ?? 0));
`;

let root = '';
let environment: NodeJS.ProcessEnv = {};

beforeEach(() => {
  root = makeTree({
    'package.json': '{ "engines": { "node": ">=20.19" } }',
    'package-lock.json': '{}',
    'tsconfig.json': '{}',
    'tsc.js': FAKE_TSC,
    'scripts/setup.mjs': readFileSync(scriptPath('setup.mjs'), 'utf8'),
    'src/a.ts': 'a',
    'test/a.test.ts': 'test a',
  });
  writeFileSync(join(mkdirs('bin'), 'npm'), FAKE_NPM, { mode: 0o755 });
  symlinkSync(process.execPath, join(root, 'bin', 'node'));
  const { npm_execpath: _, ...inherited } = process.env;
  environment = { ...inherited, PATH: `${join(root, 'bin')}${delimiter}${process.env.PATH}` };
});
afterEach(() => removeTree(root));

const path = (...parts: string[]): string => join(root, ...parts);
const mkdirs = (...parts: string[]): string => {
  mkdirSync(path(...parts), { recursive: true });
  return path(...parts);
};
const script = (): string => path('scripts', 'setup.mjs');
const setup = (env: NodeJS.ProcessEnv = {}): Outcome => runScript(script(), [], { ...environment, ...env });
const start = (env: NodeJS.ProcessEnv = {}): Running => startScript(script(), { ...environment, ...env });
/** The commands that ran since the last call. */
const calls = (): string[] => {
  const log = path('calls.log');
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  rmSync(log, { force: true });
  return lines.map((line) => line.split(' ').slice(0, 2).join(' '));
};
const expectQuiet = (outcome: Outcome): void => {
  expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(calls()).toEqual([]);
};
const touch = (name: string, ms: number): void => utimesSync(path(name), ms / 1000, ms / 1000);
const until = async (what: string, condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`still waiting after 10 s: ${what}`);
};

test('a fresh checkout is installed and built, with all output on stderr; the next call does nothing', () => {
  const { code, stdout, stderr } = setup();
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toBe('setup: installing dependencies (npm ci)\nnpm on stdout\nsetup: building (tsc)\n');
  expect(calls()).toEqual(['npm ci', 'tsc -p']);
  expect(existsSync(path('dist', 'src', 'a.js'))).toBe(true);
  expectQuiet(setup());
});

test('without a lock file npm installs', () => {
  rmSync(path('package-lock.json'));
  setup();
  expect(calls()).toEqual(['npm install', 'tsc -p']);
  expectQuiet(setup());
});

test('a newer lock file installs again, and so does an install that never ended', () => {
  setup();
  calls();
  touch('package-lock.json', Date.now() + 1000);
  expect(setup().code).toBe(0);
  expect(calls()).toEqual(['npm ci', 'tsc -p']);
  expectQuiet(setup());
  rmSync(path('node_modules', '.package-lock.json'));
  expect(setup().code).toBe(0);
  expect(calls()[0]).toBe('npm ci');
});

test.each([
  ['changed', () => writeTree(root, { 'src/a.ts': 'changed' })],
  ['added', () => writeTree(root, { 'src/deep/b.ts': 'b' })],
  ['replaced by an older one', () => touch('src/a.ts', Date.now() - 1e7)],
  ['deleted', () => rmSync(path('test', 'a.test.ts'))],
])('a source that is %s is built', (_, change) => {
  setup();
  calls();
  change();
  expect(setup().code).toBe(0);
  expect(calls()).toEqual(['tsc -p']);
  expectQuiet(setup());
});

test('what was built from a deleted source goes, and nothing else', () => {
  writeTree(root, { 'test/deep/b.test.ts': 'b' });
  setup();
  writeTree(root, { 'dist/src/data.json': '{}', 'dist/other/x.js': '' });
  rmSync(path('test', 'deep'), { recursive: true });
  setup();
  for (const end of ['.js', '.js.map', '.d.ts']) {
    expect(existsSync(path('dist', 'test', 'deep', `b.test${end}`))).toBe(false);
    expect(existsSync(path('dist', 'test', `a.test${end}`))).toBe(true);
  }
  expect(existsSync(path('dist', 'src', 'data.json'))).toBe(true);
  expect(existsSync(path('dist', 'other', 'x.js'))).toBe(true);
});

test('output that is gone comes back, though the compiler believes that it is there', () => {
  setup();
  calls();
  rmSync(path('dist', 'src'), { recursive: true });
  expect(setup().code).toBe(0);
  expect(calls()).toEqual(['tsc -p']);
  expect(existsSync(path('dist', 'src', 'a.js'))).toBe(true);
});

test('the exit code of a failed step passes through, and the step is tried again', () => {
  writeTree(root, { 'fail-npm': '17', 'fail-tsc': '2' });
  const npm = setup();
  expect(npm.code).toBe(17);
  expect(npm.stderr).toMatch(/^setup: npm ci failed with exit code 17\n/m);
  expect(calls()).toEqual(['npm ci']);
  rmSync(path('fail-npm'));
  for (const expected of [['npm ci', 'tsc -p'], ['tsc -p']]) {
    const tsc = setup();
    expect(tsc.code).toBe(2);
    expect(tsc.stderr).toMatch(/^setup: tsc failed with exit code 2\n/m);
    expect(calls()).toEqual(expected);
  }
  rmSync(path('fail-tsc'));
  expect(setup().code).toBe(0);
});

test('errors are one line', () => {
  const withoutNpm = setup({ PATH: path('nowhere') });
  expect(withoutNpm.code).toBe(127);
  expect(withoutNpm.stderr).toMatch(/\nsetup: npm ci cannot be started: [^\n]*\n$/);
  writeTree(root, { 'package.json': '{ "engines": { "node": ">=99.1" } }' });
  const oldNode = setup();
  expect(oldNode.code).toBe(1);
  expect(oldNode.stderr).toBe(`setup: Node 99.1 or newer is needed, this is ${process.versions.node}\n`);
  rmSync(path('package.json'));
  const noPackage = setup();
  expect(noPackage.code).toBe(1);
  expect(noPackage.stderr).toMatch(/^setup: ENOENT: [^\n]*\n$/);
});

test('several at the same moment: one works, the others wait', async () => {
  // The stand-ins fail where `busy` exists already, so two at once would not end with 0.
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => start({ FAKE_MS: '300' }).outcome));
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect(calls()).toEqual(['npm ci', 'tsc -p']);
  expect(outcomes.filter(({ stderr }) => stderr.includes('waiting for another setup')).length).toBeGreaterThan(0);
  expectQuiet(setup());
});

test('the lock of a process that died is taken over, by one at a time', async () => {
  const ended = start({ PATH: path('nowhere') });
  await ended.outcome;
  mkdirs('dist', '.setup-lock');
  writeFileSync(path('dist', '.setup-lock', 'owner'), JSON.stringify({ host: hostname(), pids: [ended.pid] }));
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => start({ FAKE_MS: '100' }).outcome));
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect(calls()).toEqual(['npm ci', 'tsc -p']);
});

test('a lock that is held ends in a timeout that names it', () => {
  mkdirs('dist', '.setup-lock');
  writeFileSync(path('dist', '.setup-lock', 'owner'), JSON.stringify({ host: hostname(), pids: [process.pid] }));
  const { code, stderr } = setup({ ODPTORTURE_SETUP_TIMEOUT_MS: '200' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^setup: waiting for another setup\nsetup: another setup holds dist\/\.setup-lock; [^\n]*\n$/);
  expect(calls()).toEqual([]);
});

test('a signal ends the step first, then the lock is released', async () => {
  const running = start({ FAKE_MS: '20000' });
  await until('npm to run', () => existsSync(path('busy')));
  running.kill('SIGTERM');
  const { code, stderr } = await running.outcome;
  expect(code).toBe(143);
  expect(stderr).toMatch(/\nsetup: npm ci was ended by SIGTERM\n$/);
  expect(existsSync(path('dist', '.setup-lock'))).toBe(false);
});

test('a killed setup leaves its step running, and the next one waits for that', async () => {
  const running = start({ FAKE_MS: '1500' });
  await until('npm to run', () => existsSync(path('busy')));
  running.kill('SIGKILL');
  const { code, stderr } = setup();
  expect(code).toBe(0);
  await running.outcome;
  expect(stderr).toContain('setup: waiting for another setup\n');
  expect(calls()).toEqual(['npm ci', 'tsc -p']);
});
