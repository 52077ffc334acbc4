import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exploration, type ExploreSummary, validateExplore } from '../src/explore/pipeline/pipeline-result.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** One call of the command, from its start to its end. */
export interface Wall {
  readonly seconds: number;
  readonly exploration: Exploration;
}

/** Runs `odptorture explore ... --json` as a user does, in a process of its own. */
export async function wallOf(args: readonly string[]): Promise<Wall> {
  const cwd = mkdtempSync(join(tmpdir(), 'odp-wall-'));
  try {
    const begun = performance.now();
    const text = await output(
      [MAIN, 'explore', ...args, '--seed', '1', '--json', '--no-progress', '-o', join(cwd, 'out')],
      cwd,
    );
    const seconds = (performance.now() - begun) / 1000;
    const summary: ExploreSummary = validateExplore(JSON.parse(text));
    if (summary.explorations.length !== 1) throw new Error(`explore ${args.join(' ')}: one exploration was expected`);
    return { seconds, exploration: summary.explorations[0]! };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

function output(args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    child.stderr.on('data', (data) => {
      err += data;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (out === '') reject(new Error(`${args.join(' ')}: exit code ${code}: ${err}`));
      else resolve(out);
    });
  });
}

/** What the wall table has: a target with its arguments. */
export const WALL_ROWS: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['A', [program('model-a')]],
  ['B', [program('model-b')]],
  ['A, mended', [program('model-a-fix')]],
  ['B, mended', [program('model-b-fix')]],
  litmus('seed-madvise-around-register', 'private-count'),
  litmus('clamp-stolen-decrement', 'private-count-clamped'),
  litmus('seed-fault-in-section', 'private-count-clamped'),
  litmus('seed-madvise-around-register', 'interval-notifier'),
  litmus('seed-fault-in-section', 'interval-notifier'),
  litmus('clamp-stolen-decrement', 'interval-notifier'),
  litmus('truncate-around-register', 'interval-notifier'),
];

function litmus(scenario: string, strategy: string): readonly [string, readonly string[]] {
  return [`${scenario}, ${strategy}`, [scenario, '-s', strategy]];
}

export function program(name: string): string {
  return fileURLToPath(new URL(`../test/programs/${name}.js`, import.meta.url));
}
