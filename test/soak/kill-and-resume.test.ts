import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRotations } from '../../src/soak/rotation.ts';
import { mixSeed, randomBelow } from '../../src/trace/random.ts';
import { cellsOf, checkpointOf, reconcile, SMALL, summaryOf, workFolder } from './soak-fixture.ts';

const FAKE_SOAK = fileURLToPath(new URL('./fake-soak.js', import.meta.url));
const FULL = process.env.ODPTORTURE_CAMPAIGN === 'full';
const ROUNDS = FULL ? 50 : 4;
const START_BOUND_MS = 30_000;

let work: ReturnType<typeof workFolder>;
beforeEach(() => {
  work = workFolder();
});
afterEach(() => work.remove());

/** Runs a soak and kills it with SIGKILL after a while in which cells ran, or lets it end. */
function soakProcess(
  args: readonly string[],
  killAfterMs: number | null,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [FAKE_SOAK, ...args], { cwd: work.dir });
    let stderr = '';
    let killer: NodeJS.Timeout | undefined;
    const bound = setTimeout(() => child.kill('SIGKILL'), START_BOUND_MS);
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.stdout.once('data', () => {
      if (killAfterMs !== null) killer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(bound);
      clearTimeout(killer);
      resolve({ code, stderr });
    });
  });
}

// With cells that are doubles: hundreds of commits, and a race log in many files. test/soak/real-kill-and-resume.test.ts has real threads.
describe('kill -9 of a soak with many small cells', () => {
  it(
    `and resume, ${ROUNDS} times: no cell is lost or doubled, and every count is the sum over the cells`,
    async () => {
      const dir = join(work.dir, 'soak');
      const random = { rng: mixSeed(20261123) };
      let cells = 0;
      let repeated = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const args =
          round === 0 ? [...SMALL, '--seed', '7', '-d', '10h', '-o', dir] : ['--no-progress', '--resume', dir];
        const { code, stderr } = await soakProcess(args, randomBelow(random, FULL ? 1500 : 400));
        expect(code, stderr).toBeNull();
        if (!existsSync(join(dir, 'checkpoint.json'))) throw new Error(`killed before its first checkpoint: ${stderr}`);
        const { next } = checkpointOf(dir);
        expect(next.index).toBeGreaterThanOrEqual(cells);
        repeated += next.index === cells ? 0 : 1;
        cells = next.index;
      }
      expect(repeated).toBeGreaterThan(0);
      const { code, stderr } = await soakProcess(
        ['--no-progress', '--resume', dir, '--until', `cells=${cells + 5}`],
        null,
      );
      expect(code, stderr).toBe(1);
      const { violations, records } = reconcile(dir);
      expect(cellsOf(dir)).toHaveLength(cells + 5);
      // One after the other as the campaign has them, whatever was killed in between.
      const seeds = cellsOf(dir).map(({ seed }) => seed);
      expect(seeds).toEqual(seeds.map((_, i) => 7 + i));
      const { sessions, totals } = summaryOf(dir);
      expect(sessions).toHaveLength(ROUNDS + 1);
      expect(sessions.slice(0, -1).map(({ endedAt }) => endedAt)).toEqual(Array(ROUNDS).fill(null));
      if (FULL)
        process.stdout.write(
          `${JSON.stringify({ rounds: ROUNDS, cells: totals.cells, violations, records, folders: checkpointOf(dir).violationFolders })}\n`,
        );
    },
    FULL ? 1_800_000 : 120_000,
  );
});

describe('the cells of a campaign', () => {
  it('follow from its seed and their number alone', () => {
    const entries = ['a', 'b', 'c'].map((key, i) => ({
      key,
      weight: [1, 2.5, 0.5][i]!,
      canary: false,
      thresholds: [],
      plan: null as never,
    }));
    const canary = { key: 'canary', weight: 1, canary: true, thresholds: [], plan: null as never };
    const rotations = createRotations([...entries, canary], 99, 2);
    const all = Array.from({ length: rotations.before(20) }, (_, i) => rotations.at(i));
    expect(all[0]!.entry.key).toBe('canary');
    const count = (key: string): number => all.filter(({ entry }) => entry.key === key).length;
    expect([count('a'), count('b'), count('c'), count('canary')]).toEqual([40, 100, 20, 20]);
    for (let r = 0; r < 20; r++)
      expect(all.filter(({ rotation, entry }) => rotation === r && entry.canary)).toHaveLength(1);
    // Asked in another order, by another object: the same.
    const again = createRotations([...entries, canary], 99, 2);
    for (const i of [139, 3, 77, 0]) expect(again.at(i)).toEqual(all[i]);
    const orders = [2, 4, 6].map((r) =>
      all
        .filter(({ rotation }) => rotation === r)
        .map(({ entry }) => entry.key)
        .join(),
    );
    expect(new Set(orders).size).toBeGreaterThan(1);
    expect(new Set(all.map(({ seed }) => seed)).size).toBe(all.length);
  });
});
