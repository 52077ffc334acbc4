import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { untilPrinted } from '../cli/spawned.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, FULL, found, type RealFolder, realFolder, resume, SEED, soakProcess } from './real-soak.ts';
import { isMarked, writeBroken } from './real-strategies.ts';
import { cellsOf, checkpointOf, summaryOf } from './soak-fixture.ts';

/** What docs/soak.md promises for the end of a cell, and what a process needs besides. */
const DEADLINE_MS = 20_000 + 10_000;

let folder: RealFolder;
afterEach(() => folder.remove());

/** A soak that would not end by itself; `during` is called when its second cell has begun. */
const endless = (during: (child: ChildProcessWithoutNullStreams) => Promise<void>, ...more: readonly string[]) =>
  soakProcess(folder, begin(folder, '-v', '-d', '10h', ...more), {
    boundMs: 60_000,
    during: (child) => void untilPrinted(child, `seed=${SEED} ms=`).then(() => during(child)),
  });

describe('a signal in a cell of real threads', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends it, with all that it has counted',
    async (signal, code) => {
      folder = realFolder();
      const run = await endless(
        async (child) => {
          // Well inside of the cell that would take ten minutes.
          setTimeout(() => child.kill(signal), 500);
        },
        '--cell',
        '10m',
      );
      expect(run.code, run.stderr).toBe(code);
      reconcileReal(folder.soak);
      const cells = cellsOf(folder.soak);
      expect(cells).toHaveLength(2);
      expect(cells[1]).toMatchObject({ interrupted: true });
      expect(cells[1]!.fault).toBeUndefined();
      expect(cells[1]!.operations.madvise!.count).toBeGreaterThan(0);
      expect(summaryOf(folder.soak)).toMatchObject({ interrupted: true, exitCode: code, reason: signal });
      const status: unknown = JSON.parse(readFileSync(join(folder.soak, 'run.json'), 'utf8'));
      expect(status).toMatchObject({ status: 'interrupted' });
      expect(existsSync(join(folder.soak, 'soak.lock'))).toBe(false);
    },
    90_000,
  );

  /** `during` is called in a cell in which a thread spins and the others wait for it: it does not end when it is told to. */
  const spinning = (hangMs: number, during: (child: ChildProcessWithoutNullStreams) => void) => {
    folder = realFolder({ strategies: ['./spins.mjs'], cellMs: 600_000, hangMs });
    writeBroken(folder, 'spins', 'downWrite(actor, ctx.umemRwsem); for (;;);');
    return endless(async (child) => {
      await found('the spinning thread', () => isMarked(folder, 'spins'));
      during(child);
    });
  };

  it('a hung cell does not hold it up: it is diagnosed, and counted', async () => {
    const run = await spinning(1500, (child) => child.kill('SIGTERM'));
    expect(run.code, run.stderr).toBe(143);
    reconcileReal(folder.soak);
    expect(cellsOf(folder.soak)[1]).toMatchObject({ interrupted: true, fault: { kind: 'hang' } });
    expect(readFileSync(join(folder.soak, 'odptorture.log'), 'utf8')).toMatch(
      /"msg":"hang: \S+: no progress: runs, holds /,
    );
  }, 90_000);

  it.runIf(FULL)(
    'nor does one that nobody may call hung yet: it is given up, and a resume runs it again',
    async () => {
      let told = 0;
      const run = await spinning(600_000, (child) => {
        told = performance.now();
        child.kill('SIGTERM');
      });
      expect(run.code, run.stderr).toBe(143);
      expect(performance.now() - told).toBeLessThan(DEADLINE_MS);
      reconcileReal(folder.soak);
      expect(cellsOf(folder.soak)).toHaveLength(1);
      expect(summaryOf(folder.soak)).toMatchObject({ reason: 'SIGTERM', interrupted: true });
      const again = await soakProcess(folder, resume(folder, '-v'), {
        boundMs: 60_000,
        during: (child) => void setTimeout(() => child.kill('SIGINT'), 3000),
      });
      expect(again.code, again.stderr).toBe(130);
      expect(cellsOf(folder.soak)[1]).toMatchObject({ interrupted: true, seed: SEED + 1 });
      reconcileReal(folder.soak);
    },
    120_000,
  );

  it('a second one ends the process at once', async () => {
    const run = await spinning(600_000, (child) => {
      child.stderr.once('data', () => child.kill('SIGTERM'));
      child.kill('SIGTERM');
    });
    expect(run.code, run.stderr).toBe(143);
    // It did not come to sum up.
    expect(existsSync(join(folder.soak, 'summary.json'))).toBe(false);
    expect(checkpointOf(folder.soak).next.index).toBe(1);
  }, 90_000);
});

describe('SIGUSR1 in a cell of real threads', () => {
  it('writes what each of them holds and waits for, and what they have counted; the soak goes on', async () => {
    folder = realFolder({ strategies: ['./holds.mjs'], cellMs: 600_000, hangMs: 600_000 });
    // Until it is let go, one thread has the lock that all registrations and all starts of sections need.
    const pause = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)';
    writeBroken(
      folder,
      'holds',
      `downWrite(actor, ctx.umemRwsem); while (!existsSync(file('free'))) ${pause}; upWrite(actor, ctx.umemRwsem);`,
    );
    const snapshots: Snapshot[] = [];
    const take = async (child: ChildProcessWithoutNullStreams): Promise<Snapshot> => {
      const file = join(folder.soak, `snapshot-${snapshots.length + 1}.json`);
      child.kill('SIGUSR1');
      await found('a snapshot', () => (existsSync(file) ? true : null));
      snapshots.push(JSON.parse(readFileSync(file, 'utf8')) as Snapshot);
      return snapshots.at(-1)!;
    };
    const isStuck = ({ cell }: Snapshot): boolean =>
      cell!.threads.some((line) => / waits for rwsem(Read|Write) at /.test(line));
    const run = await endless(async (child) => {
      await found('the thread that holds the lock', () => isMarked(folder, 'holds'));
      // Others come to the lock at their next operation.
      for (let i = 0; i < 50 && !isStuck(await take(child)); i++) await sleep(100);
      folder.write('holds.free', '');
      const before = snapshots.at(-1)!.cell!.progress!.operations.section!;
      for (let i = 0; i < 50 && (await take(child)).cell!.progress!.operations.section! <= before; i++)
        await sleep(100);
      child.kill('SIGTERM');
    });
    expect(run.code, run.stderr).toBe(143);
    expect(run.stderr).not.toContain('Debugger');
    expect(run.stderr).toContain('odptorture: snapshot in ');
    const stuck = snapshots.find(isStuck);
    expect(stuck).toMatchObject({
      cell: {
        index: 1,
        entry: 'load/holds/v5.5',
        seed: SEED + 1,
        progress: { exposures: expect.any(Object) as object },
      },
      totals: { cells: 1, canary: { cells: 1 } },
    });
    const lines = stuck!.cell!.threads;
    const holder = lines.find((line) => /: runs, holds .*umem_rwsem@\d+:write/.test(line));
    expect(holder, lines.join('\n')).toBeDefined();
    expect(lines.length).toBeGreaterThan(2);
    // Who waits, waits for something that is held.
    const at = / waits for rwsem(?:Read|Write) at (\d+)/.exec(lines.join('\n'))![1]!;
    expect(lines.some((line) => line.includes(`@${at}:`))).toBe(true);
    expect(snapshots.at(-1)!.cell!.progress!.operations.section).toBeGreaterThan(
      stuck!.cell!.progress!.operations.section!,
    );
    reconcileReal(folder.soak);
  }, 90_000);
});

interface Snapshot {
  readonly cell: {
    readonly threads: readonly string[];
    readonly progress: { readonly operations: Readonly<Record<string, number>> } | null;
  } | null;
}
