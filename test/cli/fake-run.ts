import { execute, type Runner } from '../../src/cli/execute.ts';
import { packageRoot } from '../../src/cli/package-root.ts';
import { processTerminal } from '../../src/cli/terminal-io.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { cellResult, underflow } from '../report/results-fixture.ts';

// A command whose cells are doubles: for what must be seen from outside a process (signals, closed pipes).
// `waits`: a cell ends when it is told to; `stuck`: a cell never ends; `talks`: cells end at once.
const how = process.argv[2];

const runner: Runner = {
  async runCell(plan, sink, signal) {
    sink.violation(underflow({ seed: plan.seed }));
    process.stdout.write('cell runs\n');
    if (how === 'talks') return cellResult({ strategy: plan.strategy, seed: plan.seed });
    // Keeps the process alive, as threads would.
    const alive = setInterval(() => {}, 1000);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        if (how === 'waits') resolve();
      });
    });
    clearInterval(alive);
    return cellResult({ strategy: plan.strategy, seed: plan.seed, interrupted: true });
  },
  closeCells: async () => {},
  arenaWords: () => 1,
};

const root = packageRoot();
const plans = resolveCells(loadScenario(`${root}/scenarios/seed.yaml`), {
  strategies: ['pinned'],
  repeat: how === 'talks' ? 2000 : 3,
});
process.exitCode = await execute(
  {
    command: 'run',
    group: 'seed',
    seed: 1,
    judgedBy: 'violations',
    cells: plans.map((plan) => ({ plan, thresholds: [] })),
    flags: { repeat: 1, progress: false, color: 'never' },
    root,
  },
  processTerminal(),
  runner,
);
