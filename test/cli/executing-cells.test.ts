import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Execution, execute, type Runner } from '../../src/cli/execute.ts';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { type Summary, validateSummary } from '../../src/results/summary.ts';
import type { CellResult, CellSink } from '../../src/results/types.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { parseThreshold, type Threshold } from '../../src/scenario/threshold.ts';
import { cellResult, failedCell, underflow } from '../report/results-fixture.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-exec-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

function terminalOf(): Terminal & { lines: string[]; errors: string[] } {
  const lines: string[] = [];
  const errors: string[] = [];
  return {
    lines,
    errors,
    out: (line) => lines.push(line),
    err: (line) => errors.push(line),
    env: {},
    cwd,
    outIsTty: false,
    errIsTty: false,
    width: 110,
    stderr: { write: (text: string) => errors.push(text) } as unknown as Terminal['stderr'],
  };
}

function runnerOf(run: (plan: CellPlan, sink: CellSink) => CellResult): Runner & { closed: number } {
  const runner = {
    closed: 0,
    runCell: async (plan: CellPlan, sink: CellSink) => run(plan, sink),
    closeCells: async () => {
      runner.closed++;
    },
    arenaWords: () => 1,
  };
  return runner;
}

function executionOf(more: Partial<Execution> = {}, thresholds: readonly Threshold[] = []): Execution {
  const root = packageRoot();
  const plans = resolveCells(loadScenario(join(root, 'scenarios/seed.yaml')), {
    seed: 5,
    strategies: ['private-count', 'pinned'],
  });
  return {
    command: 'run',
    group: 'seed',
    seed: 5,
    judgedBy: 'violations',
    cells: plans.map((plan) => ({ plan, thresholds })),
    flags: { repeat: 1, progress: true, color: 'auto' },
    root,
    ...more,
  };
}

const finds = (plan: CellPlan, sink: CellSink): CellResult => {
  const { strategy, seed } = plan;
  if (strategy === 'pinned') return cellResult({ strategy, seed });
  for (let nth = 1; nth <= 3; nth++) sink.violation(underflow({ nth, strategy, seed }));
  return failedCell({ strategy, seed });
};

describe('executing cells', () => {
  it('runs each, writes everything, reports and exits by violations', async () => {
    const terminal = terminalOf();
    const runner = runnerOf(finds);
    expect(await execute(executionOf(), terminal, runner)).toBe(1);
    expect(runner.closed).toBe(1);
    const dir = join(cwd, 'results/seed/latest');
    expect(readdirSync(dir).sort()).toEqual([
      'junit.xml',
      'odptorture.log',
      'races-1.ndjson',
      'run.json',
      'summary.json',
      'timelines.txt',
      'violations',
    ]);
    // Each record has a folder of its own, whatever its signature.
    expect(readdirSync(join(dir, 'violations')).sort()).toEqual(['1', '2', '3']);
    for (const nth of [1, 2, 3]) {
      const folder = join(dir, 'violations', String(nth));
      expect(readdirSync(folder).sort()).toEqual(['timeline.txt', 'violation.json']);
      expect(JSON.parse(readFileSync(join(folder, 'violation.json'), 'utf8'))).toEqual(
        JSON.parse(JSON.stringify(underflow({ nth, strategy: 'private-count', seed: 5 }))),
      );
      expect(readFileSync(join(folder, 'timeline.txt'), 'utf8')).toContain(`counter-underflow #${nth} in seed`);
    }
    const summary = validateSummary(JSON.parse(readFileSync(join(dir, 'summary.json'), 'utf8')));
    expect(summary).toMatchObject({ verdict: 'FAILURE', exitCode: 1, seed: 5, records: { written: 3, lost: 0 } });
    const run = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as {
      status: string;
      cells: CellPlan[];
      exitCode: number;
    };
    expect(run).toMatchObject({ status: 'finished', exitCode: 1 });
    expect(run.cells.map((cell) => cell.strategy)).toEqual(['private-count', 'pinned']);
    const text = terminal.lines.join('\n');
    expect(text).toContain('seed=5');
    expect(text).toContain('odptorture: seed private-count seed=5');
    expect(text).toContain('counter-underflow #1 in seed private-count');
    expect(terminal.lines.at(-1)).toMatch(/^2 cells: 1 without a violation, 1 with violations; FAILURE; seed 5; \//);
    // One of a signature is drawn, all are logged.
    expect(readFileSync(join(dir, 'timelines.txt'), 'utf8').match(/counter-underflow #/g)).toHaveLength(1);
  });

  it('exits by expectations for a matrix', async () => {
    const terminal = terminalOf();
    expect(await execute(executionOf({ judgedBy: 'expectations' }), terminal, runnerOf(finds))).toBe(0);
    expect(terminal.lines.at(-1)).toMatch(/^2 cells: 2 as expected; SUCCESS/);
    // What was expected is not drawn.
    expect(terminal.lines.join('\n')).not.toContain('counter-underflow #');
  });

  it('with --json prints the summary to stdout and nothing else', async () => {
    const terminal = terminalOf();
    const execution = executionOf();
    await execute({ ...execution, flags: { ...execution.flags, json: true } }, terminal, runnerOf(finds));
    const printed = validateSummary(JSON.parse(terminal.lines.join('\n')));
    const written = JSON.parse(readFileSync(join(cwd, 'results/seed/latest/summary.json'), 'utf8')) as Summary;
    expect(printed).toEqual(written);
  });

  it('with -q prints only the closing line', async () => {
    const terminal = terminalOf();
    const execution = executionOf();
    await execute({ ...execution, flags: { ...execution.flags, quiet: true } }, terminal, runnerOf(finds));
    expect(terminal.lines).toHaveLength(1);
    expect(terminal.errors).toEqual([]);
  });

  it('writes the page of a CI job where one is wanted', async () => {
    const page = join(cwd, 'page.md');
    const terminal = { ...terminalOf(), env: { GITHUB_STEP_SUMMARY: page } };
    await execute(executionOf(), terminal, runnerOf(finds));
    expect(readFileSync(page, 'utf8')).toContain(
      '| seed | private-count | 5 | FAILURE | yes | counter-underflow 1,204, stale-dma 3, in register-in-section 1,000, in fault-in-section 500 |',
    );
    await expect(
      execute(executionOf(), { ...terminalOf(), env: { GITHUB_STEP_SUMMARY: '/dev/null/x' } }, runnerOf(finds)),
    ).resolves.toBe(1);
  });

  it('judges thresholds', async () => {
    const terminal = terminalOf();
    const threshold = parseThreshold('fault_latency_ns:p99<1us') as Threshold;
    const clean = (plan: CellPlan): CellResult => cellResult({ strategy: plan.strategy, seed: plan.seed });
    expect(await execute(executionOf({}, [threshold]), terminal, runnerOf(clean))).toBe(3);
    expect(terminal.lines.filter((line) => line.startsWith('threshold'))).toHaveLength(2);
  });

  it('refuses a cell that does not fit before anything is written', async () => {
    const runner: Runner = {
      ...runnerOf(finds),
      arenaWords: () => {
        throw new RangeError("arena: region 'frames' ends beyond the limit");
      },
    };
    await expect(execute(executionOf(), terminalOf(), runner)).rejects.toThrow(
      "ODP_E_MEMORY: scenario 'seed' with private-count does not fit: arena: region 'frames' ends beyond the limit",
    );
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('marks a run that broke off, and ends the threads', async () => {
    const runner = runnerOf(() => {
      throw new Error('our mistake');
    });
    await expect(execute(executionOf(), terminalOf(), runner)).rejects.toThrow('our mistake');
    expect(runner.closed).toBe(1);
    expect(JSON.parse(readFileSync(join(cwd, 'results/seed/latest/run.json'), 'utf8'))).toMatchObject({
      status: 'failed',
      error: 'our mistake',
    });
  });

  it('cannot write: one clear error, exit code 7', async () => {
    const execution = executionOf();
    const failing = execute(
      { ...execution, flags: { ...execution.flags, out: '/dev/null/x' } },
      terminalOf(),
      runnerOf(finds),
    );
    await expect(failing).rejects.toBeInstanceOf(OdpError);
    await expect(failing).rejects.toMatchObject({ exitCode: 7, code: 'ODP_E_OUTPUT' });
  });
});
