import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { type Finished, MAIN } from '../cli/spawned.ts';
import { type Mounted, mounted, mountRefusal } from './real-mounts.ts';
import { ran } from './real-program.ts';
import { expectIntact, reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, type RealFolder, realFolder, resume, soakProcess } from './real-soak.ts';
import { checkpointOf, summaryOf, terminalIn } from './soak-fixture.ts';

const REFUSAL = await mountRefusal('a soak on a disk that is full');

let folder: RealFolder;
beforeEach(() => {
  folder = realFolder();
});
afterEach(() => folder.remove());

// After a resume the exit code may still be 7: records that were lost stay lost.
describe.skipIf(REFUSAL !== null)('a disk that is full', () => {
  let disk: Mounted;
  const soak = (args: readonly string[]) =>
    disk.run([process.execPath, MAIN, 'soak', '--no-progress', ...args], folder.dir);
  /** The soak on that disk, and as it is seen from here. */
  const there = (): RealFolder => ({ ...folder, soak: join(disk.dir, 'soak') });
  const seen = (): string => join(disk.seen, 'soak');
  afterEach(() => disk.end());

  it('ends the soak with exit code 7; all that was counted is there, and with room it goes on', async () => {
    disk = await mounted(folder.dir, 'size=640k');
    const full = await soak(begin(there(), '-d', '10h'));
    expect(full.code, full.stdout + full.stderr).toBe(7);
    expect(full.stderr).toMatch(/^ODP_E_OUTPUT .*soak\/.*: cannot write results: .*ENOSPC$/m);
    const first = checkpointOf(seen()).next.index;
    expectIntact(seen());
    const terminal = terminalIn(folder.dir);
    await main(['report', seen(), '-o', folder.dir], terminal);
    expect(terminal.errors).toEqual([]);
    // As long as there is no more room than what was cut off, it ends in the same way, and harms nothing.
    const still = await soak(resume(there()));
    expect(still.code, still.stdout + still.stderr).toBe(7);
    expectIntact(seen());
    const cells = checkpointOf(seen()).next.index;
    expect(cells).toBeGreaterThanOrEqual(first);
    disk.remount('size=64m');
    const again = await soak(resume(there(), '--until', `cells=${cells + 6}`));
    expect([...ENDED, 7], again.stderr).toContain(again.code);
    expect(reconcileReal(seen(), { incomplete: true }).cells).toBe(cells + 6);
  }, 120_000);

  it('that was full before is one clear error, exit code 7', async () => {
    disk = await mounted(folder.dir, 'size=4k');
    const run = await soak(begin(there(), '--until', 'cells=1'));
    expect(run.code, run.stdout + run.stderr).toBe(7);
    expect(run.stderr.trimEnd()).toMatch(/^ODP_E_OUTPUT \S+: cannot write results: ENOSPC$/m);
    expect(existsSync(join(seen(), 'soak.lock'))).toBe(false);
  });
});

/** Node ignores SIGXFSZ, of which a process dies otherwise: a write beyond the limit fails with EFBIG. */
describe('a limit of the size of files', () => {
  // Cells take 4 to 5 KiB each, many a record more than all of this.
  const LIMIT_KIB = 40;
  const limited = (args: readonly string[]): Promise<Finished> => {
    const command = [process.execPath, MAIN, 'soak', '--no-progress', ...args];
    return ran('bash', ['-c', `ulimit -f ${LIMIT_KIB}; exec "$0" "$@"`, ...command], folder.dir);
  };

  it('is a full disk: exit code 7, lost records are counted, and without it a resume goes on', async () => {
    const run = await limited(begin(folder, '-d', '10h'));
    expect(run.code, run.stdout + run.stderr).toBe(7);
    expect(run.stderr).toMatch(/^ODP_E_LOG_LOST: a record could not be written: EFBIG; lost records are counted$/m);
    expect(run.stderr).toMatch(/^ODP_E_OUTPUT \S+: cannot write results: .*EFBIG$/m);
    expectIntact(folder.soak);
    const before = checkpointOf(folder.soak);
    expect(before.totals.records.lost).toBeGreaterThan(0);
    const cells = before.next.index + 4;
    const again = await soakProcess(folder, resume(folder, '--until', `cells=${cells}`));
    expect([...ENDED, 7], again.stderr).toContain(again.code);
    expect(reconcileReal(folder.soak, { incomplete: true }).cells).toBe(cells);
    const { why, totals } = summaryOf(folder.soak);
    expect(totals.records.lost).toBe(before.totals.records.lost);
    expect(why.join('\n')).toContain(`${totals.records.lost} lost`);
  }, 90_000);
});
