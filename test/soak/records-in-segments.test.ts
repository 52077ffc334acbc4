import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRaceLog } from '../../src/results/race-log.ts';
import { closedSegment, openSegment, readSegment, segmentPaths } from '../../src/results/race-segments.ts';
import { openStore } from '../../src/results/store.ts';
import { underflow } from '../report/results-fixture.ts';
import { checkpointOf, doubles, racesOf, reconcile, SMALL, soakBed, soakIn } from './soak-fixture.ts';

const bed = soakBed();
const SEGMENT = 20_000;
const races = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('races-'));

describe('a segment of the race log', () => {
  it('says by its name that it is being written, and loses that with the next one or the end', () => {
    const log = openRaceLog({ dir: bed.cwd, maxBytes: 3000 });
    log.add(underflow());
    expect(races(bed.cwd)).toEqual(['races-1.ndjson.open']);
    while (log.position().file < 3) log.add(underflow());
    expect(races(bed.cwd)).toEqual(['races-1.ndjson', 'races-2.ndjson', 'races-3.ndjson.open']);
    log.close();
    log.close();
    expect(races(bed.cwd)).toEqual(['races-1.ndjson', 'races-2.ndjson', 'races-3.ndjson']);
  });

  it('is on the disk before it has its name, and the name before the next one is written to', () => {
    const calls: string[] = [];
    const log = openRaceLog({
      dir: '/d',
      maxBytes: 100,
      files: {
        open: (path) => calls.push(`open ${path}`),
        write: (_fd, bytes) => bytes.length,
        truncate: () => {},
        sync: () => calls.push('sync'),
        close: () => calls.push('close'),
        rename: (from, to) => calls.push(`rename ${from} ${to}`),
        syncNames: () => calls.push('sync names'),
      },
    });
    log.add(underflow());
    log.add(underflow());
    log.close();
    const rename = (n: number): string => `rename /d/races-${n}.ndjson.open /d/races-${n}.ndjson`;
    expect(calls).toEqual([
      ...['open /d/races-1.ndjson.open', 'sync names'],
      ...['sync', 'close', rename(1), 'open /d/races-2.ndjson.open', 'sync names'],
      ...['sync', 'close', rename(2), 'sync names'],
    ]);
  });

  it('that could not be flushed, or renamed, stays open; its records are there', () => {
    const fails = (): never => {
      throw Object.assign(new Error('io'), { code: 'EIO' });
    };
    for (const [i, files] of [{ sync: fails }, { rename: fails }].entries()) {
      const dir = join(bed.cwd, `spoiled-${i}`);
      mkdirSync(dir);
      const log = openRaceLog({ dir, files });
      log.add(underflow());
      log.close();
      expect(races(dir)).toEqual(['races-1.ndjson.open']);
      expect(racesOf(dir)).toHaveLength(1);
    }
  });

  it('of a run is named by the same rule', () => {
    const store = openStore({ root: bed.cwd, group: 'g', seed: 1, startedAt: new Date() });
    store.races.add(underflow());
    expect(races(store.dir)).toEqual(['races-1.ndjson.open']);
    store.close();
    expect(races(store.dir)).toEqual(['races-1.ndjson']);
  });

  it('is found under either name, once, also when it gets the other one meanwhile', () => {
    const dir = bed.cwd;
    writeFileSync(openSegment(dir, 10), 'ten');
    writeFileSync(closedSegment(dir, 9), 'nine');
    copyFileSync(closedSegment(dir, 9), openSegment(dir, 9));
    const listed = segmentPaths(dir);
    expect(listed).toEqual([closedSegment(dir, 9), openSegment(dir, 10)]);
    renameSync(openSegment(dir, 10), closedSegment(dir, 10));
    expect(readFileSync(readSegment(dir, 10)!, 'utf8')).toBe('ten');
    expect(readSegment(dir, 11)).toBeNull();
    expect(segmentPaths(join(dir, 'none'))).toEqual([]);
  });
});

/** What stands behind a checkpoint: records of a cell that was not finished, the last of them torn. */
const TAIL = `${JSON.stringify({ level: 'error', time: 't', ...underflow() })}\n{"level":"err`;

describe('a soak that goes on', () => {
  /** A soak of several segments whose checkpoint counts all of the last one. */
  async function begun(): Promise<{ closed: string; open: string; next: string; bytes: number }> {
    await soakIn(bed.cwd, [...SMALL, '--seed', '7', '-o', bed.dir, '--until', 'cells=30'], {
      ...doubles({ records: 4 }),
      maxRaceBytes: SEGMENT,
    });
    const { file, bytes } = checkpointOf(bed.dir).offsets.races;
    expect(file).toBeGreaterThan(3);
    const [closed, open] = [closedSegment(bed.dir, file), openSegment(bed.dir, file)];
    expect(statSync(closed).size).toBe(bytes);
    return { closed, open, next: openSegment(bed.dir, file + 1), bytes };
  }
  const goOn = (cells: number): Promise<number> =>
    soakIn(bed.cwd, ['--no-progress', '--resume', bed.dir, '--until', `cells=${cells}`], {
      ...doubles({ records: 4 }),
      maxRaceBytes: SEGMENT,
    });

  it.each<[string, (s: Awaited<ReturnType<typeof begun>>) => void]>([
    [
      'it was killed while a cell ran',
      ({ closed, open }) => {
        renameSync(closed, open);
        appendFileSync(open, TAIL);
      },
    ],
    ['it was killed after the next segment had been begun', ({ next }) => writeFileSync(next, TAIL)],
    ['it was killed between the name of the one and the next', ({ closed }) => appendFileSync(closed, TAIL)],
    [
      'several had been begun',
      ({ closed, next }) => {
        appendFileSync(closed, TAIL);
        writeFileSync(next.replace('.open', ''), TAIL);
        writeFileSync(next.replace(/\d+\.ndjson\.open$/, '99.ndjson.open'), TAIL);
      },
    ],
    [
      'a copy has both names, the open one an older state',
      ({ closed, open, bytes }) => {
        copyFileSync(closed, open);
        truncateSync(open, bytes - 10);
        appendFileSync(closed, TAIL);
      },
    ],
    [
      'a copy has both names, and the complete one is all',
      ({ closed, open }) => {
        copyFileSync(closed, open);
        appendFileSync(open, TAIL);
      },
    ],
    [
      'a copy has both names, the complete one an older state',
      ({ closed, open, bytes }) => {
        copyFileSync(closed, open);
        truncateSync(closed, bytes - 10);
      },
    ],
    [
      'it was killed while an earlier resume cut back',
      ({ closed, open, next }) => {
        appendFileSync(closed, TAIL);
        renameSync(closed, open);
        writeFileSync(next, TAIL);
      },
    ],
  ])('%s: no record is lost or there twice', async (_what, spoil) => {
    spoil(await begun());
    await goOn(45);
    const { cells, records } = reconcile(bed.dir);
    expect(cells).toBe(45);
    expect(records).toBe(checkpointOf(bed.dir).offsets.races.records);
  });

  it('leaves a complete segment as it is, and begins another', async () => {
    const { closed, bytes } = await begun();
    const before = statSync(closed);
    await goOn(45);
    expect(statSync(closed)).toMatchObject({ size: bytes, ino: before.ino, mtimeMs: before.mtimeMs });
    expect(checkpointOf(bed.dir).offsets.races.file).toBeGreaterThan(Number(/(\d+)\.ndjson$/.exec(closed)![1]));
    reconcile(bed.dir);
  });

  it('is refused when its log has lost something, under whichever name', async () => {
    const { closed, open, bytes } = await begun();
    truncateSync(closed, bytes - 1);
    await expect(goOn(45)).rejects.toThrow(/races-\d+\.ndjson: the checkpoint counts on \d+ bytes, and it has \d+$/);
    renameSync(closed, open);
    await expect(goOn(45)).rejects.toThrow(/races-\d+\.ndjson\.open: the checkpoint counts on/);
    renameSync(open, `${open}.aside`);
    await expect(goOn(45)).rejects.toThrow('the checkpoint counts on it, and it is gone');
  });
});
