import { type Histogram, joinHistograms } from '../trace/histogram.ts';
import { mixSeed } from '../trace/random.ts';
import { claimsOf } from './claims.ts';
import { CrewHung } from './crew.ts';
import { withDerived } from './derived.ts';
import { bucketPairs } from './distribution.ts';
import { othersShare, readCpu, stealShare } from './environment.ts';
import { limitOf } from './limit.ts';
import { GROUP_METRICS } from './metrics.ts';
import type { BenchCell, BenchRatio, BenchResult, BenchRound } from './result.ts';
import type { CellRun, CellSpec } from './run-types.ts';
import { differs, estimate, finite, shuffled } from './stats.ts';

export interface RoundsOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly cellMs: number;
  readonly warmupMs: number;
  readonly cores: number;
  readonly signal?: AbortSignal;
  /** Before each cell of each round. */
  readonly progress?: (done: number, total: number, id: string) => void;
}

export type Measured = Pick<BenchResult, 'cells' | 'rounds' | 'ratios' | 'claims' | 'interrupted'>;

/** Readings within a cell: enough for a map that shows a stall, few enough not to disturb. */
const SLICES = 20;

/** On a quiet machine a tenth of it is used. */
const PRACTICE_MS = 2000;

/**
 * With more threads than cores each cell lasts so much longer that a thread has as much of a core as in one that has them to itself. Otherwise what
 * is measured is how the compiler and the scheduler begin: eight threads on two cores, in 100 ms, pass a rwsem on at a tenth of the rate that
 * they come to, and the busiest of them does a thousand times what the idlest does.
 */
export function timeOf(
  { threads }: Pick<CellSpec, 'threads'>,
  { cores, cellMs, warmupMs }: Pick<RoundsOptions, 'cores' | 'cellMs' | 'warmupMs'>,
): { readonly cellMs: number; readonly warmupMs: number } {
  const crowd = Math.max(1, threads / cores);
  return { cellMs: cellMs * crowd, warmupMs: warmupMs * crowd };
}

/** What has been seen of a cell so far. */
interface Collected {
  readonly rounds: BenchRound[];
  readonly failures: string[];
  /** It did not end: it is not run again, as known bugs would take a minute of every round. */
  hung: boolean;
  histogram: Histogram | null;
  heat: BenchCell['heat'];
}

/**
 * Runs all cells in every round, each round in another random order: what slows the machine for a while slows no cell more than another.
 * A cell that fails in a round has no figure there, and says so; the others go on. An interrupted bench keeps its whole rounds and
 * what was measured of the last.
 */
export async function measureRounds(specs: readonly CellSpec[], options: RoundsOptions): Promise<Measured> {
  const collected = specs.map(
    (): Collected => ({ rounds: [], failures: [], hung: false, histogram: null, heat: null }),
  );
  const rounds: { order: number[]; steal: number | null; others: number | null }[] = [];
  const stopped = (): boolean => options.signal?.aborted === true;
  for (let round = 0; round < options.rounds && !stopped(); round++) {
    const before = readCpu();
    const order = shuffled(specs.length, mixSeed(options.seed, round));
    const ran: number[] = [];
    for (const index of order) {
      if (stopped()) break;
      const spec = specs[index]!;
      options.progress?.(round * specs.length + ran.length, options.rounds * specs.length, spec.id);
      ran.push(index);
      if (collected[index]!.hung) continue;
      await runOnce(spec, collected[index]!, round, options);
    }
    const after = readCpu();
    rounds.push({
      order: ran,
      steal: stealShare(before.machine, after.machine),
      others: othersShare(before, after),
    });
  }
  const byId = new Map(specs.map(({ id }, i) => [id, collected[i]!]));
  const cells = specs.map((spec, i) => {
    const { base } = spec;
    const seen = collected[i]!;
    if (base === undefined) return summarized(spec, seen, options);
    const derived = withDerived(seen.rounds, byId.get(base.id)?.rounds ?? [], base.figures);
    return summarized(spec, { ...seen, rounds: derived }, options);
  });
  return {
    cells,
    rounds,
    ratios: ratios(cells, specs, options.seed),
    claims: claimsOf(cells, rounds, options.seed),
    interrupted: stopped(),
  };
}

async function runOnce(spec: CellSpec, into: Collected, round: number, options: RoundsOptions): Promise<void> {
  const { signal, seed } = options;
  try {
    const time = {
      ...timeOf(spec, options),
      practiceMs: PRACTICE_MS,
      slices: SLICES,
      seed: mixSeed(seed, round) >>> 0 || 1,
    };
    const run = await spec.run(signal === undefined ? time : { ...time, signal });
    // Cut short: its time is not that of the others.
    if (signal?.aborted === true) return;
    keep(into, round, run);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    into.hung = error instanceof CrewHung;
    into.failures.push(`round ${round}: ${message.split('\n')[0]}${into.hung ? '; it was not run again' : ''}`);
  }
}

function keep(into: Collected, round: number, run: CellRun): void {
  const { metrics, beside, perThread, lockWait, sharedLocks } = run;
  into.rounds.push({
    round,
    metrics: metrics as Record<string, number>,
    ...(beside === undefined ? {} : { beside: beside as Record<string, number> }),
    perThread: [...perThread],
    lockWait,
    ...(sharedLocks === undefined ? {} : { sharedLocks }),
  });
  if (run.histogram !== null)
    into.histogram = into.histogram === null ? run.histogram : joinHistograms(into.histogram, run.histogram);
  into.heat = run.heat;
}

function summarized(spec: CellSpec, seen: Collected, { seed, cores }: RoundsOptions): BenchCell {
  const { id, suite, group, subject, params, threads } = spec;
  const names = [...new Set(seen.rounds.flatMap(({ metrics }) => Object.keys(metrics)))];
  const limit = limitOf(seen.rounds, seed);
  return {
    id,
    suite,
    group,
    subject,
    params,
    threads,
    oversubscribed: threads > cores,
    failures: seen.failures,
    rounds: seen.rounds,
    metrics: Object.fromEntries(names.map((name) => [name, finite(estimate(valuesOf(seen.rounds, name), seed))])),
    fairness: fairnessOf(seen.rounds),
    ...(limit === undefined ? {} : { limit }),
    histogram: seen.histogram === null ? null : bucketPairs(seen.histogram),
    heat: seen.heat,
  };
}

const valuesOf = (rounds: readonly BenchRound[], name: string): number[] =>
  rounds.flatMap(({ metrics }) => (metrics[name] === undefined ? [] : [metrics[name]]));

/** Of all rounds together, thread by thread. Unfair as locktorture marks it: half of the most is more than the least. */
function fairnessOf(rounds: readonly BenchRound[]): BenchCell['fairness'] {
  const threads = rounds[0]?.perThread.length ?? 0;
  if (threads < 2) return null;
  const sums = Array.from({ length: threads }, (_, tid) =>
    rounds.reduce((sum, { perThread }) => sum + (perThread[tid] ?? 0), 0),
  );
  const [max, min] = [Math.max(...sums), Math.min(...sums)];
  return { max, min, unfair: max / 2 > min };
}

/** Every cell against its reference, figure by figure, in the rounds that both have. */
function ratios(cells: readonly BenchCell[], specs: readonly CellSpec[], seed: number): BenchRatio[] {
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  return cells.flatMap((cell, i) => {
    const reference = byId.get(specs[i]!.reference ?? '');
    if (reference === undefined || reference === cell) return [];
    return pairedRatios(reference, cell, seed);
  });
}

/**
 * `cell` to `reference`. A figure that is 0 in the reference has no ratio in that round. Where both were measured beside the same third, each is
 * first divided by what that took meanwhile: so two that were not run at the same time are compared all the same.
 */
export function pairedRatios(reference: BenchCell, cell: BenchCell, seed: number): BenchRatio[] {
  const base = new Map(reference.rounds.map((round) => [round.round, round]));
  return (GROUP_METRICS[cell.group] ?? []).flatMap((metric) => {
    const values = cell.rounds.flatMap(({ round, metrics, beside }) => {
      const [own, other] = [metrics[metric], base.get(round)?.metrics[metric]];
      if (own === undefined || other === undefined || other === 0) return [];
      const [besideOwn, besideOther] = [beside?.[metric], base.get(round)?.beside?.[metric]];
      return besideOwn === undefined || besideOther === undefined
        ? [own / other]
        : [own / besideOwn / (other / besideOther)];
    });
    if (values.length === 0) return [];
    const ratio = estimate(values, seed);
    return [{ cell: cell.id, reference: reference.id, metric, ratio: finite(ratio), differs: differs(ratio) }];
  });
}
