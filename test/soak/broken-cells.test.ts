import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CellResult } from '../../src/results/types.ts';
import type { CellPlan, Role } from '../../src/scenario/plan.ts';
import { type CellOptions, closeCells, runCell } from '../../src/torture/cell.ts';
import { arenaWords } from '../../src/world/size.ts';
import { faultyWorkers, smallPlan, withFaults } from '../torture/cells.ts';
import type { FaultName } from '../torture/workers/faulty.ts';
import { cellsOf, reconcile, SMALL, type SoakRunner, soakIn, summaryOf, workFolder } from './soak-fixture.ts';

let work: ReturnType<typeof workFolder>;
let dir: string;
beforeEach(() => {
  work = workFolder();
  dir = join(work.dir, 'soak');
});
afterEach(() => work.remove());

/** Real threads on few pages; the cells at these indices have a broken one among them. */
function runnerWith(broken: Readonly<Record<number, { role: Role; fault: FaultName; hangMs?: number }>>): SoakRunner {
  let index = 0;
  return {
    closeCells,
    arenaWords,
    async runCell(plan, sink, signal): Promise<CellResult> {
      const how = broken[index++];
      const small = (more: object): CellPlan => ({
        ...smallPlan(
          { duration: how === undefined ? '150ms' : '10m', ...more },
          { strategies: [plan.strategy], seed: plan.seed },
        ),
        scenario: plan.scenario,
      });
      if (how === undefined) return runCell(small({}), sink, signal);
      const options: CellOptions = { workerUrl: faultyWorkers(how.role) };
      const faulty = withFaults(small({ bounds: { hangMs: how.hangMs ?? 60_000 } }), { [how.role]: how.fault });
      return runCell(faulty, sink, signal, options);
    },
  };
}

describe('a cell that breaks', () => {
  it('ends alone: it is diagnosed and counted, and the soak goes on', async () => {
    const runner = runnerWith({
      1: { role: 'munmap', fault: 'throws' },
      2: { role: 'munmap', fault: 'exits-holding' },
      3: { role: 'munmap', fault: 'spins', hangMs: 1000 },
      4: { role: 'munmap', fault: 'hoards' },
    });
    const code = await soakIn(work.dir, [...SMALL, '--seed', '3', '-o', dir, '--until', 'cells=6'], {
      runner: async () => runner,
    });
    const lines = cellsOf(dir);
    expect(lines.map(({ fault }) => fault?.kind ?? 'none')).toEqual([
      'none',
      'thread-threw',
      'thread-exited',
      'hang',
      'out-of-memory',
      'none',
    ]);
    expect(code).toBe(summaryOf(dir).verdict === 'FAILURE' ? 1 : 6);
    expect(summaryOf(dir).totals.faults).toEqual({
      'thread-threw': 1,
      'thread-exited': 1,
      hang: 1,
      'out-of-memory': 1,
    });
    reconcile(dir);
    for (const line of lines.slice(5)) expect(line.operations.madvise!.count).toBeGreaterThan(0);
    // Before its threads were ended, the hang was looked at.
    const logged = readFileSync(join(dir, 'odptorture.log'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; cell?: number; threads?: string[] });
    const hang = logged.find(({ msg }) => msg.startsWith('hang: spins: no progress'));
    expect(hang).toMatchObject({
      cell: 3,
      threads: expect.arrayContaining([expect.stringMatching(/^spins: runs, holds nothing/)]) as string[],
    });
  }, 180_000);
});
