import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Execution, execute, type Runner } from '../../src/cli/execute.ts';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { type Summary, validateSummary } from '../../src/results/summary.ts';
import type { CellPlan, Role } from '../../src/scenario/plan.ts';
import { closeCells, runCell } from '../../src/torture/cell.ts';
import { arenaWords } from '../../src/world/size.ts';
import { faultyWorkers, smallPlan, withFaults } from '../torture/cells.ts';
import type { FaultName } from '../torture/workers/faulty.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-crash-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

interface Captured extends Terminal {
  readonly lines: string[];
}

function terminalOf(): Captured {
  const lines: string[] = [];
  return {
    lines,
    out: (line) => lines.push(line),
    err: (line) => lines.push(line),
    env: {},
    cwd,
    outIsTty: false,
    errIsTty: false,
    width: 110,
    stderr: { write: () => true } as unknown as Terminal['stderr'],
  };
}

/** Runs cells as users do, but the cell with seed 1 has broken threads. */
const runnerWith = (faults: Partial<Record<Role, FaultName>>): Runner => ({
  runCell: (plan, sink, signal) =>
    plan.seed === 1
      ? runCell(withFaults(plan, faults), sink, signal, {
          workerUrl: faultyWorkers(...(Object.keys(faults) as Role[])),
        })
      : runCell(plan, sink, signal),
  closeCells,
  arenaWords,
});

function executionOf(plans: readonly CellPlan[]): Execution {
  return {
    command: 'run',
    group: 'small',
    seed: 1,
    judgedBy: 'violations',
    cells: plans.map((plan) => ({ plan, thresholds: [] })),
    flags: { repeat: 1, progress: false, color: 'never' },
    root: packageRoot(),
  };
}

const brokenThenClean = (hangMs = 60_000): CellPlan[] => [
  smallPlan({ duration: '10m', bounds: { hangMs } }, { seed: 1 }),
  smallPlan({ duration: '200ms' }, { seed: 2 }),
];
const read = (name: string): string => readFileSync(join(cwd, 'results/small/latest', name), 'utf8');
const summary = (): Summary => validateSummary(JSON.parse(read('summary.json')));

describe('a run in which a worker crashes', () => {
  it.each<[FaultName, string, number?]>([
    ['throws', 'thread-threw: throws: broken on purpose'],
    ['exits-holding', 'thread-exited: exits-holding: worker exited with code: 0'],
    ['spins', 'hang: spins: no progress: runs, holds nothing', 1000],
  ])('%s: exit code 6, the cell is named, and the next one runs', async (fault, why, hangMs) => {
    const terminal = terminalOf();
    const code = await execute(executionOf(brokenThenClean(hangMs)), terminal, runnerWith({ munmap: fault }));
    const { cells, exitCode, verdict } = summary();
    expect(
      cells.map(({ violations }) => violations),
      terminal.lines.join('\n'),
    ).toEqual([{}, {}]);
    expect(code).toBe(6);
    expect({ exitCode, verdict }).toEqual({ exitCode: 6, verdict: 'UNKNOWN' });
    expect(cells[0]).toMatchObject({ verdict: 'UNKNOWN', asExpected: null, why });
    expect(cells[1]!.fault).toBeUndefined();
    expect(cells[1]!.notes).toEqual([]);
    expect(cells[1]!.operations.madvise!.count).toBeGreaterThan(0);
    expect(terminal.lines.join('\n')).toContain(why);
    expect(read('junit.xml')).toContain(`<error message="${why.replace(':', ' in')}"/>`);
    const logged = read('odptorture.log')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; threads?: string[] })
      .find(({ msg }) => msg === why);
    // With it, where the others stood.
    expect(JSON.stringify(logged)).toContain('threads');
  });

  it('a deadlock is a violation: exit code 1', async () => {
    const terminal = terminalOf();
    const runner = runnerWith({ madvise: 'lock-first', munmap: 'lock-second' });
    expect(await execute(executionOf(brokenThenClean()), terminal, runner)).toBe(1);
    expect(summary().cells[0]).toMatchObject({ verdict: 'FAILURE', violations: { deadlock: { count: 1 } } });
    expect(read('races-1.ndjson')).toContain('wait-for cycle: ');
    expect(terminal.lines.join('\n')).toContain('wait-for cycle: ');
  });
});
