import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../../src/cli/program.ts';
import { type Finished, MAIN, type SpawnOptions, spawned } from './spawned.ts';

/** The shipped models, as built. */
export const model = (name: string): string => fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));

const SYNC = new URL('../../src/sync/index.js', import.meta.url).href;

/** Programs with something wrong with them, or that take their time. */
const SOURCES = {
  /** Four threads that add without a lock, one after the other: no bug, and too many schedules to count. */
  wide: `export const memory = 16;
    const body = (task) => { for (let i = 0; i < 6; i++) add(task, i, 1); };
    export const threads = [body, body, body, body];`,
  'no-threads': 'export const memory = 16;',
  /** Works on the array itself: the scheduler sees none of it. */
  unseen: `let mem; export const memory = 16; export const setup = (m) => { mem = m; };
    const body = (task) => { task.mem[0] = task.mem[0] + 1; };
    export const threads = [body, body];`,
  hangs: `export const memory = 16;
    export const threads = [function spinner(task) { store(task, 0, 1); for (;;); }, (task) => { load(task, 0); }];`,
  /** The same before its first step: it says that it is ready, and never comes to one. */
  blocks: `export const memory = 16;
    export const threads = [(task) => { store(task, 0, 1); }, function sleeper() { for (;;); }];`,
  forgets: `let runs = 0; export const memory = 16;
    export const threads = [(task) => { load(task, runs++ % 3); load(task, runs % 3); }, (task) => { store(task, 0, 1); }];`,
  /** Never ends: each schedule comes to the step bound. */
  endless: `export const memory = 16;
    export const threads = [(task) => { for (;;) add(task, 0, 1); }, (task) => { store(task, 1, 1); }];`,
  /** Two things that go wrong, in different schedules. */
  two: `export const memory = 16;
    export const threads = [
      (task) => { store(task, 0, 1); if (load(task, 1) === 0) throw new Error('one was first'); throw new Error('two was first'); },
      (task) => { store(task, 1, 1); load(task, 0); }];`,
  /** A flag that is set behind the data that it stands for, and read without looking at it. */
  racy: `export const memory = 16;
    export const threads = [
      (task) => { task.mem[2] = 1; store(task, 0, 1); },
      (task) => { load(task, 0); store(task, 1, task.mem[2]); }];`,
  /** Takes its own process down after a while, each time again. */
  dies: `let runs = 0; export const memory = 16;
    const body = (task) => { for (let i = 0; i < 6; i++) add(task, i, 1); if (++runs > 300) process.kill(process.pid, 'SIGKILL'); };
    export const threads = [body, body, body, body];`,
} as const;
export type SourceName = keyof typeof SOURCES;

export function writeProgram(dir: string, name: SourceName): string {
  const file = join(dir, `${name}.mjs`);
  writeFileSync(file, `import { add, load, store } from ${JSON.stringify(SYNC)};\n${SOURCES[name]}\n`);
  return file;
}

export const explore = (args: readonly string[], options: SpawnOptions): Promise<Finished> =>
  spawned(MAIN, ['explore', ...args], options);

/** The same in this process: for what needs no signals, in a tenth of the time. */
export async function exploreHere(
  args: readonly string[],
  { cwd, env = {} }: Pick<SpawnOptions, 'cwd' | 'env'>,
): Promise<Finished> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(['explore', ...args], {
    out: (line) => out.push(`${line}\n`),
    err: (line) => err.push(`${line}\n`),
    env,
    cwd,
    outIsTty: false,
    errIsTty: false,
    width: 100,
    stderr: process.stderr,
  });
  return { code, signal: null, stdout: out.join(''), stderr: err.join('') };
}
