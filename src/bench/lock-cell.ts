import { type Histogram, quantilesOf, sumHistograms } from '../trace/histogram.ts';
import { initLock } from './contenders.ts';
import { type CrewReading, runCrew } from './crew.ts';
import { heatOf, histogramBetween } from './distribution.ts';
import { DATA_WORDS, LOCK_FIGURES, type LockName, lockFigures, lockLayout } from './lock-plan.ts';
import type { CellRun, CellTime } from './run-types.ts';

const ENTRY = new URL('./lock-thread.js', import.meta.url);

interface LockReading {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly wait: Histogram;
}

/** One contended lock for a fixed time. Throws when it did not exclude, or when a thread did not end. */
export async function runLockCell(
  lock: LockName,
  { threads, read }: { readonly threads: number; readonly read: number },
  time: CellTime,
): Promise<CellRun> {
  const layout = lockLayout(threads);
  const buffer = new SharedArrayBuffer(layout.words * 4);
  const mem = new Int32Array(buffer);
  const f64 = new Float64Array(buffer);
  initLock(lock, mem, layout);
  const bases = Array.from({ length: threads }, (_, tid) => lockFigures(layout, tid));
  const readings = await runCrew({
    entry: ENTRY,
    threads,
    job: { lock, read, seed: time.seed, threads, buffer },
    ...time,
    read: (): LockReading => ({
      reads: bases.map((base) => f64[base + LOCK_FIGURES.reads]!),
      writes: bases.map((base) => f64[base + LOCK_FIGURES.writes]!),
      wait: sumHistograms(
        f64,
        bases.map((base) => base + LOCK_FIGURES.wait),
      ),
    }),
  });
  const written = bases.reduce((sum, base) => sum + f64[base + LOCK_FIGURES.writes]!, 0);
  for (let i = 0; i < DATA_WORDS; i++)
    if (mem[layout.regions.data.base + i] !== (written | 0))
      throw new Error(`${lock} lost writes: ${written} were made, ${mem[layout.regions.data.base + i]} are there`);
  return lockRun(readings);
}

function lockRun(readings: readonly CrewReading<LockReading>[]): CellRun {
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const seconds = last.atMs / 1000;
  const reads = last.figures.reads.map((n, tid) => n - first.figures.reads[tid]!);
  const writes = last.figures.writes.map((n, tid) => n - first.figures.writes[tid]!);
  const perThread = reads.map((n, tid) => n + writes[tid]!);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const wait = histogramBetween(first.figures.wait, last.figures.wait);
  const { p50, p99, p999, count } = quantilesOf(wait);
  const [max, min] = [Math.max(...perThread), Math.min(...perThread)];
  return {
    metrics: {
      opsPerSec: sum(perThread) / seconds,
      ...(sum(perThread) === 0 ? {} : { cpuNsPerOp: ((last.cpuUs - first.cpuUs) * 1000) / sum(perThread) }),
      readsPerSec: sum(reads) / seconds,
      writesPerSec: sum(writes) / seconds,
      ...(count === 0 ? {} : { waitP50: p50, waitP99: p99, waitP999: p999 }),
      ...(perThread.length > 1 && min > 0 ? { maxMin: max / min } : {}),
    },
    perThread,
    lockWait: {},
    histogram: wait,
    heat: heatOf(readings.map(({ atMs, figures }) => ({ atMs, histogram: figures.wait }))),
  };
}
