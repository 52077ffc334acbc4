import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder, processStart } from '../../src/results/lock-file.ts';
import type { CellResult } from '../../src/results/types.ts';
import { fakeRunner, reconcile, SMALL, soakIn, terminalIn, workFolder } from './soak-fixture.ts';

let work: ReturnType<typeof workFolder>;
let dir: string;
beforeEach(() => {
  work = workFolder();
  dir = join(work.dir, 'soak');
});
afterEach(() => work.remove());

describe('the lock of a folder', () => {
  it('is stale when its pid is another process by now, and never when it is of another machine', () => {
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

  it('when it is stale, is got by one of many that want it', async () => {
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

describe('a folder that cannot be made', () => {
  it('is one clear error, exit code 7', async () => {
    for (const out of ['/proc/soak', '/dev/null/soak'])
      await expect(soakIn(work.dir, [...SMALL, '-o', out], {}, terminalIn(work.dir))).rejects.toMatchObject({
        code: 'ODP_E_OUTPUT',
        exitCode: 7,
      });
  });
});
