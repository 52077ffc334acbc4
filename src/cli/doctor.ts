import { rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { shortNs } from '../report/format.ts';
import { makeFolders } from '../results/folder.ts';
import { EXIT, systemReason } from '../scenario/errors.ts';
import { loadScenario } from '../scenario/load.ts';
import { resolveCells } from '../scenario/resolve.ts';
import { packageRoot, shippedScenarios } from './package-root.ts';
import type { Terminal } from './terminal-io.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

const WORKER_BOUND_MS = 10_000;

/** Adds one in shared memory, then sleeps on it until it is told; reports how long the wake-up took. */
const PROBE = `
  const { parentPort, workerData } = require('node:worker_threads');
  const words = new Int32Array(workerData);
  Atomics.add(words, 0, 1);
  parentPort.postMessage('up');
  const answer = Atomics.wait(words, 1, 0, 5000);
  parentPort.postMessage(answer);
`;

/** `odptorture doctor`: can this machine run the harness, and how well? Exit code 0 when every check is ok. */
export async function doctorCommand(flags: { readonly json?: boolean }, terminal: Terminal): Promise<number> {
  const checks: Check[] = [];
  const check = async (name: string, run: () => string | Promise<string>): Promise<void> => {
    try {
      checks.push({ name, ok: true, detail: await run() });
    } catch (error) {
      checks.push({ name, ok: false, detail: systemReason(error) });
    }
  };
  await check('node', nodeVersion);
  await check('cores', cores);
  await check('shared memory', sharedMemory);
  await check('worker threads and Atomics.wait', workerWait);
  await check('clock', clockResolution);
  await check('results folder', () => writable(terminal.cwd));
  await check('scenarios', arenas);
  const ok = checks.every((result) => result.ok);
  if (flags.json === true) terminal.out(JSON.stringify({ ok, checks }, null, 2));
  else
    for (const { name, ok: fine, detail } of checks) terminal.out(`${fine ? 'ok    ' : 'NOT OK'}  ${name}: ${detail}`);
  return ok ? EXIT.ok : EXIT.violation;
}

function nodeVersion(): string {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) throw new Error(`${process.version}; 20.19 or newer is needed`);
  return process.version;
}

function cores(): string {
  const n = availableParallelism();
  if (n < 2) throw new Error('1; threads never truly overlap, most races will not be seen');
  return String(n);
}

function sharedMemory(): string {
  const words = 2 ** 24;
  const buffer = new SharedArrayBuffer(words * 4);
  const view = new Int32Array(buffer);
  if (Atomics.add(view, words - 1, 7) !== 0 || Atomics.load(view, words - 1) !== 7)
    throw new Error('atomics do not work');
  return `${(words * 4) / 2 ** 20} MiB allocated`;
}

async function workerWait(): Promise<string> {
  const buffer = new SharedArrayBuffer(8);
  const words = new Int32Array(buffer);
  const begun = performance.now();
  const worker = new Worker(PROBE, { eval: true, workerData: buffer });
  try {
    const message = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer within ${WORKER_BOUND_MS} ms`)), WORKER_BOUND_MS);
        worker.once('message', (value) => {
          clearTimeout(timer);
          resolve(value);
        });
        worker.once('error', reject);
      });
    await message();
    const startMs = performance.now() - begun;
    if (Atomics.load(words, 0) !== 1) throw new Error('the worker does not share the memory');
    const answered = message();
    // The worker may not sleep yet: change the word before the wake-up, so that it cannot sleep on the old value.
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
    const answer = await answered;
    if (answer === 'timed-out') throw new Error('a wake-up was lost');
    return `started in ${startMs.toFixed(0)} ms, woken`;
  } finally {
    await worker.terminate();
  }
}

function clockResolution(): string {
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 1000; i++) {
    const from = performance.now();
    let to = performance.now();
    while (to === from) to = performance.now();
    smallest = Math.min(smallest, to - from);
  }
  if (smallest > 0.01)
    throw new Error(`steps of ${shortNs(smallest * 1e6)}; latencies below 10us cannot be told apart`);
  return `steps of ${shortNs(smallest * 1e6)}`;
}

function writable(cwd: string): string {
  const dir = join(cwd, 'results');
  const probe = join(dir, `.doctor-${process.pid}`);
  makeFolders(dir);
  writeFileSync(probe, 'x');
  rmSync(probe);
  return dir;
}

async function arenas(): Promise<string> {
  const { arenaWords } = await import('../world/size.ts');
  let largest = 0;
  const shipped = shippedScenarios(packageRoot());
  if (shipped.length === 0) throw new Error('none found beside the package');
  for (const { file } of shipped)
    for (const plan of resolveCells(loadScenario(file))) largest = Math.max(largest, arenaWords(plan));
  const mib = (largest * 4) / 2 ** 20;
  new SharedArrayBuffer(largest * 4);
  return `${shipped.length} valid, the largest arena ${mib.toFixed(1)} MiB`;
}
