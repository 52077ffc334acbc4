import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, type FSWatcher, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRotations } from '../../src/soak/rotation.ts';
import { mixSeed, randomBelow } from '../../src/trace/random.ts';
import type { Finished } from '../cli/spawned.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, FULL, type RealFolder, realFolder, resume, SEED, soakProcess } from './real-soak.ts';
import { cellsOf, checkpointOf, summaryOf } from './soak-fixture.ts';

const ROUNDS = FULL ? 50 : 5;
/** A process needs half a second until its threads start, a cell little more than its 200 ms. */
const START_MAX_MS = 1500;
const CELL_MAX_MS = 400;
const CELLS_MAX = 4;
const RANDOM_SEED = 20261123;

let folder: RealFolder;
beforeEach(() => {
  folder = realFolder();
});
afterEach(() => folder.remove());

type Killer = (child: ChildProcessWithoutNullStreams) => () => void;

/** At any moment, also while it starts, opens its files and cuts them back. */
const afterStart =
  (ms: number): Killer =>
  (child) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    return () => clearTimeout(timer);
  };

/** A while after the n-th cell of the session has ended: somewhere in the next one. */
const inCell =
  (nth: number, ms: number): Killer =>
  (child) => {
    let timer: NodeJS.Timeout | undefined;
    // With -v there is a line for each cell, behind one for the start.
    let lines = -nth;
    child.stdout.on('data', (data: Buffer) => {
      for (const byte of data) if (byte === 10 && lines++ === 0) timer = setTimeout(() => child.kill('SIGKILL'), ms);
    });
    return () => clearTimeout(timer);
  };

/** While the checkpoint is written that counts the n-th cell of the session: each one is created beside, and renamed. */
const inCommit =
  (nth: number, dir: string): Killer =>
  (child) => {
    let renames = 0;
    const watcher: FSWatcher = watch(dir, (event, name) => {
      // The first checkpoint is that of the start.
      if (name === 'checkpoint.json.partial' && event === 'rename' && ++renames > 2 * nth) child.kill('SIGKILL');
    });
    return () => watcher.close();
  };

function killerOf(round: number, random: { rng: number }, dir: string): Killer {
  if (round % 3 === 0) return afterStart(randomBelow(random, START_MAX_MS));
  const cells = 1 + randomBelow(random, CELLS_MAX);
  return round % 3 === 1 ? inCell(cells, randomBelow(random, CELL_MAX_MS)) : inCommit(cells, dir);
}

async function killed(args: readonly string[], killer: Killer): Promise<Finished> {
  let stop = (): void => {};
  const run = await soakProcess(folder, args, {
    during: (child) => {
      stop = killer(child);
    },
  });
  stop();
  return run;
}

/** What the last checkpoint counts on, as it stands in the files; and whether there is a line that it does not count yet. */
function committed(dir: string): { cells: number; bytes: Buffer; isBetween: boolean } {
  const { next, offsets } = checkpointOf(dir);
  const file = join(dir, 'cells.ndjson');
  const all = existsSync(file) ? readFileSync(file) : Buffer.of();
  return { cells: next.index, bytes: all.subarray(0, offsets.cells), isBetween: all.length > offsets.cells };
}

describe('kill -9 of a soak on real threads', () => {
  it(
    `and resume, ${ROUNDS} times: what was counted stays as it was, and everything adds up`,
    async () => {
      const dir = folder.soak;
      const random = { rng: mixSeed(RANDOM_SEED) };
      // The first one is killed when there is something to go on from.
      const first = await killed(begin(folder, '-v', '-d', '10h'), inCell(1, 100));
      expect(first.signal, first.stderr).toBe('SIGKILL');
      let before = committed(dir);
      let gained = 0;
      let between = 0;
      for (let round = 1; round < ROUNDS; round++) {
        const hit = `round ${round} of random seed ${RANDOM_SEED}`;
        const run = await killed(resume(folder, '-v'), killerOf(round, random, dir));
        expect(run.signal, `${hit}: ${run.stdout}${run.stderr}`).toBe('SIGKILL');
        const now = committed(dir);
        expect(now.cells, hit).toBeGreaterThanOrEqual(before.cells);
        expect(now.bytes.subarray(0, before.bytes.length).equals(before.bytes), `${hit}: lines were changed`).toBe(
          true,
        );
        gained += now.cells > before.cells ? 1 : 0;
        between += now.isBetween ? 1 : 0;
        before = now;
      }
      expect(gained).toBeGreaterThan(0);
      const cells = before.cells + 4;
      const last = await soakProcess(folder, resume(folder, '--until', `cells=${cells}`));
      expect(ENDED, last.stderr).toContain(last.code);
      const figures = reconcileReal(dir);
      expect(figures.cells).toBe(cells);
      expect(figures.violations).toBeGreaterThan(0);
      expect(figures.records).toBeGreaterThan(0);
      expectCampaignsOrder(dir);
      const { sessions, totals } = summaryOf(dir);
      expect(totals).toEqual(checkpointOf(dir).totals);
      expect(sessions.slice(0, -1).every(({ endedAt }) => endedAt === null)).toBe(true);
      expect(existsSync(join(dir, 'soak.lock'))).toBe(false);
      process.stdout.write(`${JSON.stringify({ kills: ROUNDS, gained, between, ...figures })}\n`);
    },
    FULL ? 600_000 : 90_000,
  );
});

/** Each cell is the one that the campaign has at its number. */
function expectCampaignsOrder(dir: string): void {
  const run = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as {
    entries: Parameters<typeof createRotations>[0];
  };
  const rotations = createRotations(run.entries, SEED, 1);
  const wanted = (_: unknown, i: number): string => rotations.at(i).entry.key;
  const lines = cellsOf(dir);
  expect(lines.map(({ entry }) => entry)).toEqual(lines.map(wanted));
  // A cell belongs to the session that ran it to its end.
  const sessions = lines.map(({ session }) => session);
  expect(sessions).toEqual([...sessions].sort((a, b) => a - b));
}
