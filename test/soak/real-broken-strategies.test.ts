import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CellLine } from '../../src/results/soak-types.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, FULL, type RealFolder, realFolder, soakProcess } from './real-soak.ts';
import { BODY_LINE, writeBroken } from './real-strategies.ts';
import { cellsOf, racesOf, summaryOf } from './soak-fixture.ts';

/** What a start of a section does once, in one cell of all; before and after it the design is right. */
const WRONG = {
  throws: "throw new Error('broken on purpose');",
  'spins-holding': 'downWrite(actor, ctx.umemRwsem); for (;;);',
  'sleeps-holding':
    'downWrite(actor, ctx.umemRwsem); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); throw 0;',
  hoards: 'const kept = []; for (;;) kept.push(new Array(1_000_000).fill(kept.length));',
  exits: 'process.exit(3);',
  // It comes when the thread has done its part.
  'throws-later': "setImmediate(() => { throw new Error('too late'); });",
  // In the middle of the next cell, if that had the same threads.
  'throws-elsewhere': "setTimeout(() => { throw new Error('not mine'); }, 300);",
  'locks-twice': 'downWrite(actor, ctx.umemRwsem); downWrite(actor, ctx.umemRwsem);',
} as const;
type Wrong = keyof typeof WRONG;

let folder: RealFolder;
afterEach(() => folder.remove());

function folderWith(...wrong: readonly Wrong[]): RealFolder {
  const made = realFolder({ strategies: ['interval-notifier', ...wrong.map((name) => `./${name}.mjs`)], hangMs: 3000 });
  for (const name of wrong) writeBroken(made, name, WRONG[name]);
  return made;
}

interface Logged {
  readonly msg: string;
  readonly cell?: number;
  readonly threads?: readonly string[];
  readonly waits?: readonly string[];
  readonly points?: Readonly<Record<string, readonly string[]>>;
  readonly stacks?: Readonly<Record<string, readonly string[]>>;
  readonly stack?: string;
}
const logOf = (dir: string): Logged[] =>
  readFileSync(join(dir, 'odptorture.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Logged);

describe('strategies of users that break in one cell of a campaign', () => {
  const names = ['throws', 'spins-holding', 'sleeps-holding', 'hoards', 'exits', 'throws-later'] as const;
  let lines: CellLine[];
  let log: Logged[];
  const cellsWith = (strategy: string): CellLine[] => lines.filter((line) => line.strategy === strategy);
  const diagnosis = (strategy: Wrong): Logged =>
    log.find(({ cell, threads }) => cell === cellsWith(strategy)[0]!.index && threads !== undefined)!;

  beforeEach(() => {
    folder = folderWith(...names);
  });

  it('end that cell alone: it is diagnosed, all others are right, and the exit code is 6', async () => {
    const run = await soakProcess(folder, begin(folder, '--until', 'rotations=2'), { boundMs: 90_000 });
    expect(run.code, run.stdout + run.stderr).toBe(6);
    const dir = folder.soak;
    [lines, log] = [cellsOf(dir), logOf(dir)];
    reconcileReal(dir);
    const faults = names.map((name) => [name, ...cellsWith(name).map(({ fault }) => fault?.kind ?? 'none')]);
    expect(faults).toEqual([
      ['throws', 'thread-threw', 'none'],
      ['spins-holding', 'hang', 'none'],
      ['sleeps-holding', 'hang', 'none'],
      ['hoards', 'out-of-memory', 'none'],
      ['exits', 'thread-exited', 'none'],
      ['throws-later', 'thread-threw', 'none'],
    ]);
    // Whatever stood in the pool and the arena before: all others are right.
    for (const line of lines.filter(({ fault }) => fault === undefined)) {
      if (!line.canary) expect(line.verdict, `cell ${line.index}: ${line.why}`).toBe('SUCCESS');
      expect(line.operations.madvise!.count).toBeGreaterThan(0);
      expect(line.notes).toEqual([]);
    }
    expect(summaryOf(dir)).toMatchObject({
      verdict: 'UNKNOWN',
      why: expect.arrayContaining(['2 cells ended by hang', '1 cell ended by out-of-memory']) as string[],
      totals: { faults: { hang: 2, 'thread-threw': 2, 'thread-exited': 1, 'out-of-memory': 1 } },
      exitCode: 6,
    });

    // The thread that threw: the hook, the place in the file.
    const [threw] = cellsWith('throws');
    expect(threw!.fault!.message).toMatch(
      /throws\.mjs:\d+:\d+: strategy 'throws', hook 'rangeStart': broken on purpose$/,
    );
    expect(diagnosis('throws').stack).toContain('throws.mjs');
    // Threads that hang: what each of them holds and waits for, what it did last, and where in its code it is.
    for (const name of ['spins-holding', 'sleeps-holding'] as const) {
      const { thread } = cellsWith(name)[0]!.fault!;
      const { msg, threads, waits, points, stacks } = diagnosis(name);
      expect(msg).toMatch(/^hang: \w+-0: no progress: runs, holds .*umem_rwsem@\d+:write/);
      expect(threads!.join('\n')).toMatch(new RegExp(`^${thread}: runs, holds .*umem_rwsem@(\\d+):write`, 'm'));
      expect(waits!.join('\n')).toMatch(
        new RegExp(`^\\S+-0 -> \\w+@\\d+ \\(\\w+\\) -> ${thread} \\((read|write)\\)$`, 'm'),
      );
      expect(points![thread]!.join('\n')).toMatch(/^section\.starting \[/m);
      expect(stacks![thread]![0]).toMatch(new RegExp(`^body file:.*/${name}\\.mjs:${BODY_LINE}:\\d+$`));
    }
  }, 120_000);
});

describe('a strategy that waits for itself', () => {
  beforeEach(() => {
    folder = folderWith('locks-twice');
  });

  it('is a violation that names the cycle: exit code 1, and the next cells are right', async () => {
    const run = await soakProcess(folder, begin(folder, '--until', 'rotations=2'), { boundMs: 60_000 });
    expect(run.code, run.stdout + run.stderr).toBe(1);
    reconcileReal(folder.soak);
    const [first, second] = cellsOf(folder.soak).filter(({ strategy }) => strategy === 'locks-twice');
    expect(first).toMatchObject({
      verdict: 'FAILURE',
      violations: { deadlock: { count: 1 } },
      fault: { kind: 'deadlock' },
    });
    expect(second).toMatchObject({ verdict: 'SUCCESS', violations: {} });
    const record = racesOf(folder.soak).find(({ oracle }) => oracle === 'deadlock');
    expect(record!.detail).toMatch(/^wait-for cycle: .*umem_rwsem/);
    expect(record!.window.length).toBeGreaterThan(0);
  }, 90_000);
});

describe('a strategy that leaves a timer behind', () => {
  beforeEach(() => {
    folder = folderWith('throws-elsewhere');
  });

  it.runIf(FULL)(
    'does not throw in the next cells: these have other threads',
    async () => {
      const run = await soakProcess(folder, begin(folder, '--repeat-each', '2', '--until', 'rotations=1'));
      expect(ENDED, run.stdout + run.stderr).toContain(run.code);
      const { totals } = summaryOf(folder.soak);
      expect(totals).toMatchObject({ cells: 5, faults: {} });
      reconcileReal(folder.soak);
    },
    60_000,
  );
});
