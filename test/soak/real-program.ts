import { spawn } from 'node:child_process';
import type { Finished } from '../cli/spawned.ts';

const BOUND_MS = 60_000;

/** Runs any program, in a clean environment, and waits for its end; kills it after a bound. */
export function ran(program: string, args: readonly string[], cwd?: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
    const child = spawn(program, args, { env, ...(cwd === undefined ? {} : { cwd }) });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (data: Buffer) => {
        said[name] += data.toString();
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), BOUND_MS);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...said });
    });
  });
}
