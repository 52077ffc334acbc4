import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder, processStart } from '../../src/results/lock-file.ts';
import type { CellResult } from '../../src/results/types.ts';
import { spawned, untilPrinted } from '../cli/spawned.ts';
import {
  checkpointOf,
  fakeRunner,
  reconcile,
  SMALL,
  soakIn,
  summaryOf,
  terminalIn,
  workFolder,
} from './soak-fixture.ts';

const FAKE_SOAK = fileURLToPath(new URL('./fake-soak.js', import.meta.url));

let work: ReturnType<typeof workFolder>;
let dir: string;
beforeEach(() => {
  work = workFolder();
  dir = join(work.dir, 'soak');
});
afterEach(() => work.remove());

/** A soak without an end in a process of its own; `during` is called when its first cells have run. */
const endless = (during: (child: ChildProcessWithoutNullStreams) => Promise<void>, cellMs = 5) =>
  spawned(FAKE_SOAK, [...SMALL, '--seed', '7', '-v', '-d', '10h', '-o', dir], {
    cwd: work.dir,
    env: { FAKE_CELL_MS: String(cellMs) },
    during: (child) => {
      void untilPrinted(child, 'seed=9').then(() => during(child));
    },
  });

describe('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it with everything written, and a resume goes on', async (signal, code) => {
    const run = await endless(async (child) => void child.kill(signal));
    expect(run.code, run.stderr).toBe(code);
    const { cells } = reconcile(dir);
    expect(summaryOf(dir)).toMatchObject({ interrupted: true, exitCode: code, reason: signal });
    expect(JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8'))).toMatchObject({ status: 'interrupted' });
    expect(existsSync(join(dir, 'soak.lock'))).toBe(false);
    await soakIn(work.dir, ['--no-progress', '--resume', dir, '--until', `cells=${cells + 3}`]);
    expect(reconcile(dir).cells).toBe(cells + 3);
  });

  it('SIGUSR1 writes a snapshot, and the soak goes on', async () => {
    const snapshot = join(dir, 'snapshot-1.json');
    const run = await endless(async (child) => {
      child.kill('SIGUSR1');
      while (!existsSync(snapshot)) await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill('SIGINT');
    }, 50);
    expect(run.code, run.stderr).toBe(130);
    expect(JSON.parse(readFileSync(snapshot, 'utf8'))).toMatchObject({
      cell: { threads: ['register-0: waits for rwsem at 64, holds mmap_lock@128:read'] },
      totals: { canary: { caught: expect.any(Number) as number } },
    });
    expect(run.stderr).not.toContain('Debugger');
    reconcile(dir);
  });
});

describe('two processes', () => {
  it('the second one on a folder is refused, and told who is there; a killed one is no hindrance', async () => {
    let refused: unknown = null;
    const run = await endless(async (child) => {
      refused = await soakIn(work.dir, ['--no-progress', '--resume', dir]).catch((error: unknown) => error);
      child.kill('SIGKILL');
    });
    expect(run.signal).toBe('SIGKILL');
    expect(refused).toMatchObject({ code: 'ODP_E_IN_USE', exitCode: 2 });
    expect(String(refused)).toMatch(/soak\.lock: process \d+ writes here since 2/);
    expect(existsSync(join(dir, 'soak.lock'))).toBe(true);
    const { next } = checkpointOf(dir);
    await soakIn(work.dir, ['--no-progress', '--resume', dir, '--until', `cells=${next.index + 1}`]);
    expect(reconcile(dir).cells).toBe(next.index + 1);
    expect(readFileSync(join(dir, 'odptorture.log'), 'utf8')).toMatch(
      /the lock of process \d+, which has ended, was taken over/,
    );
  });

  it('a lock is stale when its pid is another process by now, and never when it is of another machine', () => {
    const lock = join(work.dir, 'l');
    const owner = { pid: process.pid, started: processStart(process.pid), host: hostname(), since: 's' };
    const held = (more: object): (() => unknown) => {
      writeFileSync(lock, JSON.stringify({ ...owner, ...more }));
      return () => lockFolder(lock).release();
    };
    expect(owner.started).not.toBe('');
    expect(held({})).toThrow('process');
    expect(held({ host: 'elsewhere', pid: 1 })).toThrow(
      'process 1 writes here since s on elsewhere; if that machine no longer',
    );
    expect(held({ started: 'boot/1' })).not.toThrow();
    expect(held({ pid: 2 ** 22 + 1 })).not.toThrow();
    writeFileSync(lock, '{"pid":');
    expect(() => lockFolder(lock).release()).not.toThrow();
    expect(readdirSync(work.dir).sort()).toEqual(['load.yaml', 'small.yaml']);
  });

  it('of many that want a stale lock, one gets it', async () => {
    const lock = join(work.dir, 'l');
    writeFileSync(lock, '{"pid":');
    const children = Array.from({ length: 4 }, () => lockingProcess(lock));
    const said = await Promise.all(children.map(({ said }) => said));
    for (const { end } of children) end();
    expect(said.filter((word) => word === 'held')).toHaveLength(1);
  });

  it('one that finds its lock gone stops before it writes', async () => {
    const change = (result: CellResult): CellResult => {
      rmSync(join(dir, 'soak.lock'), { force: true });
      return result;
    };
    const taken = soakIn(work.dir, [...SMALL, '-o', dir], { runner: async () => fakeRunner({ change }) });
    await expect(taken).rejects.toMatchObject({ code: 'ODP_E_IN_USE' });
    expect(existsSync(join(dir, 'cells.ndjson'))).toBe(false);
    await soakIn(work.dir, ['--no-progress', '--resume', dir, '--until', 'cells=2']);
    expect(reconcile(dir).cells).toBe(2);
  });
});

const LOCK_FILE = fileURLToPath(new URL('../../src/results/lock-file.js', import.meta.url));

/** A process that takes a lock and keeps it: says `held` when it still has it a moment later. */
function lockingProcess(path: string): { said: Promise<string>; end(): void } {
  const code = `import(process.argv[1]).then(({ lockFolder }) => {
    setTimeout(() => {}, 30_000);
    try {
      const lock = lockFolder(process.argv[2]);
      setTimeout(() => console.log(lock.isHeld() ? 'held' : 'lost'), 300);
    } catch { console.log('refused'); }
  })`;
  const child = spawn(process.execPath, ['-e', code, LOCK_FILE, path]);
  const said = new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
    child.on('error', reject);
    child.on('close', () => resolve('ended'));
  });
  return { said, end: () => child.kill('SIGKILL') };
}

describe('a disk that fails', () => {
  it('full in the middle of a line: exit code 7 at once, and a resume with room goes on where it was', async () => {
    const limited = `ulimit -f 60; exec ${process.execPath} ${FAKE_SOAK} ${SMALL.join(' ')} --seed 7 -d 10h -o ${dir}`;
    const code = await new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
      const child = spawn('bash', ['-c', limited], { cwd: work.dir });
      let stderr = '';
      child.stderr.on('data', (data: Buffer) => {
        stderr += data.toString();
      });
      const bound = setTimeout(() => child.kill('SIGKILL'), 50_000);
      child.on('error', reject);
      child.on('close', (exit) => {
        clearTimeout(bound);
        resolve({ code: exit, stderr });
      });
    });
    expect(code).toMatchObject({ code: 7 });
    expect(code.stderr).toContain('ODP_E_OUTPUT');
    const { next } = checkpointOf(dir);
    expect(next.index).toBeGreaterThan(3);
    await soakIn(work.dir, ['--no-progress', '--resume', dir, '--until', `cells=${next.index + 4}`]);
    expect(reconcile(dir).cells).toBe(next.index + 4);
  });

  it('one that cannot be written to is one clear error, exit code 7', async () => {
    for (const out of ['/proc/soak', '/dev/null/soak'])
      await expect(soakIn(work.dir, [...SMALL, '-o', out], {}, terminalIn(work.dir))).rejects.toMatchObject({
        code: 'ODP_E_OUTPUT',
        exitCode: 7,
      });
  });
});
