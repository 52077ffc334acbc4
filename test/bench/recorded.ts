import type { MetricName } from '../../src/bench/metrics.ts';
import type { BenchResult } from '../../src/bench/result.ts';
import { measureRounds } from '../../src/bench/run.ts';
import type { CellSpec } from '../../src/bench/run-types.ts';
import { syntheticBench } from './synthetic.ts';

/** Nanoseconds of a refault under context-count, as they were in eight rounds on a machine that had other work. */
const REFAULT_NS = [2452, 5244, 2079, 2763, 2552, 3288, 2860, 2235];
/** Faults a second in eight other rounds there. */
const FAULTS = [722_282, 274_610, 98_513, 576_498, 252_828, 21_924, 492_457, 1_022_789];
/** What may lie between two runs of the same thing in one round. */
const JITTER = [1.01, 0.99, 1, 1.012, 0.985, 1.004, 0.996, 1.01];

/** By how much interval-notifier is slower in the recorded rounds. */
export const SLOWER = 1.25;

const cell = (subject: string, group: string, metric: MetricName, values: readonly number[]): CellSpec => {
  let round = 0;
  return {
    id: `${group}/${subject} umems=10`,
    suite: 'strategies',
    group,
    subject,
    params: { umems: 10 },
    threads: 1,
    reference: null,
    run: async () => ({
      metrics: { [metric]: values[round++]! },
      perThread: [],
      lockWait: {},
      histogram: null,
      heat: null,
    }),
  };
};

/** Two strategies in one run: one figure with a known difference, one without, and a cell that only one of them has. */
export async function recordedBench(): Promise<BenchResult> {
  const cells = [
    cell('context-count', 'refault', 'refaultNs', REFAULT_NS),
    cell(
      'interval-notifier',
      'refault',
      'refaultNs',
      REFAULT_NS.map((ns, i) => ns * SLOWER * JITTER[i]!),
    ),
    cell('context-count', 'load', 'faultsPerSec', FAULTS),
    cell(
      'interval-notifier',
      'load',
      'faultsPerSec',
      FAULTS.map((n, i) => n * JITTER[i]!),
    ),
    cell('context-count', 'register', 'registrationsPerSec', FAULTS),
  ];
  const rounds = REFAULT_NS.length;
  const measured = await measureRounds(cells, { seed: 7, rounds, cellMs: 50, warmupMs: 50, cores: 2 });
  const base = await syntheticBench({ suites: [], rounds });
  return { ...base, ...measured, rounds: measured.rounds.map((round) => ({ ...round, others: 0.57 })) };
}
