import { Bench } from 'tinybench';

/** Operations in one timed call: a clock read costs as much as a lock, so one call must not be one operation. */
export const BATCH = 1000;

/** What is measured: `run` performs `BATCH` operations. */
export interface Case {
  readonly name: string;
  readonly run: () => void;
}

/** Runs each case once, for `timeMs`: nanoseconds for an operation, the median. */
export function runRound(cases: readonly Case[], timeMs: number): number[] {
  const bench = new Bench({ time: timeMs, iterations: 1, warmup: false });
  for (const { name, run } of cases) bench.add(name, run);
  return bench.runSync().map(({ name, result }) => {
    if (result.state !== 'completed') throw new Error(`bench: '${name}' ended as ${result.state}`);
    return (result.latency.p50 * 1e6) / BATCH;
  });
}
