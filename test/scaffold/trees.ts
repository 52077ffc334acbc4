import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A script of the project. The tests run from two folders below the build's own. */
export const scriptPath = (name: string): string => fileURLToPath(new URL(`../../../scripts/${name}`, import.meta.url));

export const writeTree = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
};

/** A new folder with these files; give it to `removeTree`. */
export const makeTree = (files: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(tmpdir(), 'odptorture-'));
  writeTree(root, files);
  return root;
};

export const removeTree = (root: string): void => rmSync(root, { recursive: true, force: true });

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const runScript = (path: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Outcome => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    env,
  });
  return { code: status, stdout, stderr };
};

export interface Running {
  readonly outcome: Promise<Outcome>;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}

/** For tests in which two run at the same moment. */
export const startScript = (path: string, env: NodeJS.ProcessEnv = process.env): Running => {
  const child = spawn(process.execPath, [path], { env, timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const outcome = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
  return { outcome, pid: child.pid ?? -1, kill: (signal) => void child.kill(signal) };
};
