import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Finished, untilPrinted } from '../cli/spawned.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, FULL, type RealFolder, realFolder, resume, SEED, soakProcess } from './real-soak.ts';
import { writeIdleBirth } from './real-strategies.ts';
import { checkpointOf, summaryOf } from './soak-fixture.ts';

let folder: RealFolder;
afterEach(() => folder.remove());

describe('two processes on one folder', () => {
  it('the second is refused, and told who is there; the first goes on', async () => {
    folder = realFolder();
    const second: Finished[] = [];
    let pid = 0;
    const first = await soakProcess(folder, begin(folder, '-v', '-d', '10h'), {
      boundMs: 60_000,
      during: (child) => {
        pid = child.pid!;
        void untilPrinted(child, `seed=${SEED + 1} ms=`).then(async () => {
          second.push(await soakProcess(folder, resume(folder)), await soakProcess(folder, begin(folder)));
          child.kill('SIGINT');
        });
      },
    });
    expect(first.code, first.stderr).toBe(130);
    const [resumed, begun] = second;
    expect(resumed!.code, resumed!.stdout + resumed!.stderr).toBe(2);
    expect(resumed!.stderr).toMatch(
      new RegExp(`^ODP_E_IN_USE \\S+soak\\.lock: process ${pid} writes here since 2\\S+$`, 'm'),
    );
    expect(begun!.code).toBe(7);
    expect(begun!.stderr).toMatch(/^ODP_E_OUTPUT \S+: cannot write results: the folder already holds a run$/m);
    const { cells, sessions } = reconcileReal(folder.soak);
    expect(sessions).toBe(1);
    expect(summaryOf(folder.soak)).toMatchObject({ interrupted: true, exitCode: 130 });
    expect(existsSync(join(folder.soak, 'soak.lock'))).toBe(false);
    const again = await soakProcess(folder, resume(folder, '--until', `cells=${cells + 2}`));
    expect(ENDED, again.stderr).toContain(again.code);
    expect(reconcileReal(folder.soak)).toMatchObject({ cells: cells + 2, sessions: 2 });
  }, 90_000);

  it.runIf(FULL)('one that was killed is no hindrance, and the log says so', async () => {
    folder = realFolder();
    const killed = await soakProcess(folder, begin(folder, '-d', '10h'), {
      during: (child) => void untilPrinted(child, 'soak real').then(() => child.kill('SIGKILL')),
    });
    expect(killed.signal).toBe('SIGKILL');
    expect(existsSync(join(folder.soak, 'soak.lock'))).toBe(true);
    const { next } = checkpointOf(folder.soak);
    const run = await soakProcess(folder, resume(folder, '--until', `cells=${next.index + 1}`));
    expect(ENDED, run.stderr).toContain(run.code);
    expect(readFileSync(join(folder.soak, 'odptorture.log'), 'utf8')).toMatch(
      /the lock of process \d+, which has ended, was taken over/,
    );
  });
});

describe('a file that has changed between two sessions', () => {
  it('is refused with the lines, whichever of the three kinds it is; once it is put back, the soak goes on', async () => {
    folder = realFolder({ strategies: ['private-count', './idle-birth.mjs'] });
    writeIdleBirth(folder);
    const first = await soakProcess(folder, begin(folder, '--until', 'cells=2'));
    expect(ENDED, first.stderr).toContain(first.code);
    const changes = [
      ['load.yaml', 'pages: 24', 'pages: 32', '-  pages: 24', '+  pages: 32'],
      [
        'real.yaml',
        'description: Real threads.',
        'description: Others.',
        '-description: Real threads.',
        '+description: Others.',
      ],
      [
        'idle-birth.mjs',
        "registerLocks: () => 'none'",
        "registerLocks: () => 'read'",
        "-  registerLocks: () => 'none',",
        "+  registerLocks: () => 'read',",
      ],
    ] as const;
    for (const [name, from, to, ...shown] of changes) {
      const file = join(folder.dir, name);
      const text = readFileSync(file, 'utf8');
      expect(text).toContain(from);
      writeFileSync(file, text.replace(from, to));
      const refused = await soakProcess(folder, resume(folder, '--until', 'cells=4'));
      expect(refused.code, refused.stdout + refused.stderr).toBe(2);
      expect(refused.stderr.split('\n')).toEqual(expect.arrayContaining(shown));
      expect(refused.stderr.trimEnd().split('\n').at(-1)).toMatch(
        new RegExp(`^ODP_E_RESUME \\S+${name}: it has changed since the soak began, see above`),
      );
      writeFileSync(file, text);
    }
    expect(checkpointOf(folder.soak).next.index).toBe(2);
    const again = await soakProcess(folder, resume(folder, '--until', 'cells=4'));
    expect(ENDED, again.stderr).toContain(again.code);
    expect(reconcileReal(folder.soak).cells).toBe(4);
  }, 60_000);
});
