import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { MAIN } from '../cli/spawned.ts';
import { type Mounted, mounted, mountRefusal } from './real-mounts.ts';
import { ran } from './real-program.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, type RealFolder, realFolder, resume } from './real-soak.ts';
import { terminalIn } from './soak-fixture.ts';

const IS_ROOT = process.getuid?.() === 0;
const REFUSAL = await mountRefusal(
  IS_ROOT ? 'a soak in a read-only folder' : 'a read-only disk; its folders are made read-only instead',
);

/** A folder that can be made read-only for processes, whoever runs them: root does not care for permissions. */
interface Shelf extends Pick<Mounted, 'dir' | 'seen' | 'run' | 'end'> {
  setWritable(on: boolean): void;
}

async function shelf(parent: string): Promise<Shelf> {
  if (REFUSAL === null) {
    const disk = await mounted(parent, 'size=16m');
    return { ...disk, setWritable: (on) => disk.remount(on ? 'rw' : 'ro') };
  }
  const dir = join(parent, 'shelf');
  mkdirSync(dir);
  const setWritable = (on: boolean): void => {
    for (const folder of [dir, join(dir, 'soak')]) if (existsSync(folder)) chmodSync(folder, on ? 0o755 : 0o555);
  };
  const run: Shelf['run'] = ([program, ...args], cwd) => ran(program!, args, cwd);
  return { dir, seen: dir, run, setWritable, end: () => setWritable(true) };
}

let folder: RealFolder;
let at: Shelf;
beforeEach(async () => {
  folder = realFolder();
  at = await shelf(folder.dir);
});
afterEach(() => {
  at.end();
  folder.remove();
});

describe.skipIf(IS_ROOT && REFUSAL !== null)('a folder that is read-only', () => {
  const soak = (args: readonly string[], cwd = folder.dir) =>
    at.run([process.execPath, MAIN, 'soak', '--no-progress', ...args], cwd);
  const there = (): RealFolder => ({ ...folder, soak: join(at.dir, 'soak') });
  /** One line that names the file and the reason, and nothing else. */
  const REFUSED = /^ODP_E_OUTPUT \S+: cannot write results: (EROFS|EACCES)$/;

  it('refuses a soak before its first cell: exit code 7', async () => {
    at.setWritable(false);
    const named = await soak(begin(there(), '--until', 'cells=1'));
    expect(named.code, named.stdout + named.stderr).toBe(7);
    expect(named.stderr.trimEnd()).toMatch(REFUSED);
    expect(named.stdout).toBe('');
    // The folder in which it is started, when none is named.
    const unnamed = await soak(['--scenario', 'seed', '--until', 'cells=1'], at.dir);
    expect(unnamed.code, unnamed.stdout + unnamed.stderr).toBe(7);
    expect(unnamed.stderr.trimEnd()).toMatch(REFUSED);
  });

  it('refuses a resume, which leaves all as it was; once it can be written to, the soak goes on', async () => {
    const first = await soak(begin(there(), '--until', 'cells=3'));
    expect(ENDED, first.stderr).toContain(first.code);
    const seen = join(at.seen, 'soak');
    const files = (): unknown[] => readdirSync(seen).map((name) => [name, statSync(join(seen, name)).mtimeMs]);
    const before = files();
    at.setWritable(false);
    const refused = await soak(resume(there(), '--until', 'cells=6'));
    expect(refused.code, refused.stdout + refused.stderr).toBe(7);
    expect(refused.stderr.trimEnd()).toMatch(REFUSED);
    expect(files()).toEqual(before);
    const terminal = terminalIn(folder.dir);
    // To read results it is enough.
    expect(await main(['report', seen, '-o', folder.dir], terminal), terminal.errors.join('\n')).toBe(0);
    expect(readFileSync(join(folder.dir, 'report.html'), 'utf8')).toContain('</html>');
    at.setWritable(true);
    const again = await soak(resume(there(), '--until', 'cells=6'));
    expect(ENDED, again.stderr).toContain(again.code);
    expect(reconcileReal(seen).cells).toBe(6);
  });
});
