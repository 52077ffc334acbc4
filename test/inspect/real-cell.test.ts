import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { inspectLocks } from '../../src/inspect/locks.ts';
import { openPostMortem } from '../../src/inspect/post-mortem.ts';
import { inspectRings } from '../../src/inspect/rings.ts';
import { inspectThreads } from '../../src/inspect/threads.ts';
import { inspectUmems } from '../../src/inspect/umems.ts';
import { createDumpKeeper } from '../../src/results/arena-dump.ts';
import type { ViolationRecord } from '../../src/results/types.ts';
import { closeCells, runCell } from '../../src/torture/cell.ts';
import { freshFolder, planOf } from './dumped.ts';

const root = freshFolder();
afterAll(async () => {
  await closeCells();
  rmSync(root, { recursive: true, force: true });
});

it('the dumps of a real cell agree with the records beside them', async () => {
  const keeper = createDumpKeeper({ version: '0.1.0', log: () => {} });
  const kept: { record: ViolationRecord; folder: string }[] = [];
  // Its order is forced: madvise around a registration, and the count of the umem that was born in between goes to -1.
  const plan = planOf('private-count', 'litmus/seed-madvise-around-register');
  await runCell(
    plan,
    {
      violation(record, take) {
        const image = keeper.take(record, take!);
        if (image === null) return;
        const folder = join(root, String(kept.length));
        mkdirSync(folder);
        keeper.write(folder, record, image);
        kept.push({ record, folder });
      },
      progress: () => {},
      log: () => {},
    },
    new AbortController().signal,
  );
  await keeper.settle();
  expect(kept.map(({ record }) => record.oracle)).toContain('counter-underflow');
  expect(new Set(kept.map(({ record }) => record.signature)).size).toBe(kept.length);

  for (const { record, folder } of kept) {
    const p = openPostMortem(folder);
    expect(p.dump.violation).toMatchObject({ oracle: record.oracle, atMs: record.atMs, detail: record.detail });
    expect(p.dump.takenAtMs).toBeGreaterThanOrEqual(record.atMs);
    expect(inspectThreads(p).map(({ name }) => name)).toEqual(record.names);
    // Whoever is said to hold a lock is a thread that says so itself.
    for (const { addr, holders } of inspectLocks(p)) expect(holders).toHaveLength(p.holders.get(addr)?.length ?? 0);
    for (const { start, last, own } of inspectUmems(p).umems) {
      expect(start).toBeLessThanOrEqual(last);
      expect(Object.keys(own)).toEqual(['count', 'seq', 'completion']);
    }
    // The rings went on after the record was made: of its window, they hold all that is not older than their first point.
    for (const { tid, points } of inspectRings(p, Number.POSITIVE_INFINITY)) {
      const first = points[0]?.timeMs ?? Number.POSITIVE_INFINITY;
      const window = record.window.filter((one) => one.tid === tid && one.timeMs > first);
      expect(points).toEqual(
        expect.arrayContaining(window.map(({ timeMs, op, point, args }) => ({ timeMs, op, point, args }))),
      );
    }
  }
});
