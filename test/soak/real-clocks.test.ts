import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSeries } from '../../src/results/series.ts';
import type { Finished } from '../cli/spawned.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, FULL, type RealFolder, realFolder, resume, soakProcess } from './real-soak.ts';
import { cellsOf, summaryOf } from './soak-fixture.ts';

const HOUR_MS = 3_600_000;
const PRELOAD = new URL('./real-clock.js', import.meta.url).href;

let folder: RealFolder;
beforeEach(() => {
  folder = realFolder();
});
afterEach(() => folder.remove());

/** Sets the process's wall clock: it is `hours` ahead of the true one. */
function setClock(hours: number): void {
  const file = join(folder.dir, 'offset');
  writeFileSync(`${file}.new`, String(hours * HOUR_MS));
  renameSync(`${file}.new`, file);
}

/** Sets the clock once cell `n` runs: it has a point in the series then. */
const inCell =
  (n: number, hours: number) =>
  (child: ChildProcessWithoutNullStreams): void => {
    const timer = setInterval(() => {
      if (!readSeries(folder.soak).some(({ cell }) => cell === n)) return;
      clearInterval(timer);
      setClock(hours);
    }, 50);
    child.once('close', () => clearInterval(timer));
  };

/** A soak whose clock is set to `hours[n]` when n cells have ended; those that are not named leave it as it is. */
function soakWith(
  hours: Readonly<Record<number, number>>,
  args: readonly string[],
  during: (child: ChildProcessWithoutNullStreams) => void = () => {},
): Promise<Finished> {
  setClock(hours[0] ?? 0);
  const onCells = (child: ChildProcessWithoutNullStreams): void => {
    during(child);
    // With -v there is a line for each cell, behind one for the start.
    let cells = -1;
    child.stdout.on('data', (data: Buffer) => {
      for (const byte of data) {
        if (byte !== 10) continue;
        cells++;
        if (cells > 0 && hours[cells] !== undefined) setClock(hours[cells]!);
      }
    });
  };
  const env = { TZ: 'UTC', NODE_OPTIONS: `--import ${PRELOAD}`, CLOCK_OFFSET_FILE: join(folder.dir, 'offset') };
  return soakProcess(folder, [...args, '-v'], { env, during: onCells });
}

/** How far the clock is ahead in each cell, whole hours. */
const hoursOf = (): number[] => {
  const times = cellsOf(folder.soak).map(({ startedAt, t }) => Date.parse(startedAt) - t);
  return times.map((time) => Math.round((time - times[0]!) / HOUR_MS));
};

function expectTimesGoOn(): void {
  const times = cellsOf(folder.soak).map(({ t }) => t);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  const points = readSeries(folder.soak).map(({ t }) => t);
  expect(points).toEqual([...points].sort((a, b) => a - b));
  expect(Math.max(...points, ...times)).toBeLessThanOrEqual(summaryOf(folder.soak).elapsedMs);
}

describe('a wall clock that is set while cells run', () => {
  it('makes a soak neither longer nor shorter, and times in it only go on; a resume a day before it as well', async () => {
    const before = performance.now();
    const run = await soakWith({ 1: 5, 2: -4 }, begin(folder, '-d', '5s'));
    const took = performance.now() - before;
    expect(ENDED, run.stderr).toContain(run.code);
    const { elapsedMs, reason, totals } = summaryOf(folder.soak);
    expect(reason).toBe('duration');
    // No cell is begun for less than 100 ms; and the process cannot have run for longer than it was there.
    expect(elapsedMs).toBeGreaterThanOrEqual(4900);
    expect(elapsedMs).toBeLessThanOrEqual(took);
    expect(totals.durationMs).toBeLessThanOrEqual(elapsedMs);
    // The clock did jump: to and fro by hours.
    expect([...new Set(hoursOf())]).toEqual(expect.arrayContaining([0, -4]));
    expectTimesGoOn();
    const again = await soakWith({ 0: -24 }, resume(folder, '--until', `cells=${totals.cells + 2}`, '-d', '1h'));
    expect(ENDED, again.stderr).toContain(again.code);
    expect(summaryOf(folder.soak)).toMatchObject({ reason: 'until' });
    expectTimesGoOn();
    expect(reconcileReal(folder.soak).cells).toBe(totals.cells + 2);
  }, 60_000);

  it.runIf(FULL)(
    '--stop-at is a time of that clock, whichever way it was set before',
    async () => {
      const stopAt = new Date(Date.now() + 3 * HOUR_MS).toISOString().slice(11, 16);
      // Two hours on: not yet. Four hours back: even less. Behind it: now.
      const run = await soakWith({ 1: 2, 3: -4, 6: 3.5 }, begin(folder, '--stop-at', stopAt));
      expect(ENDED, run.stderr).toContain(run.code);
      const { reason, totals } = summaryOf(folder.soak);
      expect(reason).toBe('stop-at');
      // A cell may have begun before the clock was set.
      expect(totals.cells).toBeGreaterThanOrEqual(6);
      expect(totals.cells).toBeLessThanOrEqual(8);
      reconcileReal(folder.soak);
    },
    60_000,
  );

  it('--stop-at ends the cell that runs', async () => {
    const stopAt = new Date(Date.now() + 3 * HOUR_MS).toISOString().slice(11, 16);
    const run = await soakWith({}, begin(folder, '--cell', '10m', '--stop-at', stopAt), inCell(1, 5));
    expect(ENDED, run.stderr).toContain(run.code);
    expect(summaryOf(folder.soak)).toMatchObject({ reason: 'stop-at', totals: { cells: 2, interrupted: 1 } });
    reconcileReal(folder.soak);
  }, 60_000);
});
