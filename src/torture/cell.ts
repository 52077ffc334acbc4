import { drainViolations } from '../oracles/report.ts';
import type { CellFault, CellResult, CellSink } from '../results/types.ts';
import { OdpError } from '../scenario/errors.ts';
import type { CellPlan, Role } from '../scenario/plan.ts';
import { arenaWords } from '../world/size.ts';
import { attachWorld, initWorld, type World } from '../world/world.ts';
import { allStates } from './hang.ts';
import { cellHistograms } from './lock-figures.ts';
import { closePool, dropPool, keepPool, type Pool, takePool } from './pool.ts';
import { violationRecord } from './record.ts';
import { cellResult } from './result.ts';
import { faultOf, type Run, startThreads } from './run.ts';
import { signatureCounts } from './signatures.ts';
import { imageFor, watchCell } from './watch.ts';
import { workerUrl } from './worker-url.ts';

/**
 * How long the threads together may take until all are at the start barrier, milliseconds: 63 of them on a machine that is busy with
 * other things need seconds.
 */
const START_MS = 30_000;

export interface CellOptions {
  /** The entry file of a role; tests put faulty ones here. */
  readonly workerUrl?: (role: Role) => URL;
  /** Bound of the start; tests have less patience. */
  readonly startMs?: number;
}

/**
 * Runs one cell on real threads: pool and arena, start, watch, end, sums. A worker that throws, exits, runs out of memory or hangs is
 * `result.fault`, never a rejection; threads and arena are then thrown away together. When `signal` aborts, the cell ends early,
 * with all that it has counted. Rejects with `RangeError` when the plan does not fit, and with whatever the sink throws.
 */
export async function runCell(
  plan: CellPlan,
  sink: CellSink,
  signal: AbortSignal,
  options: CellOptions = {},
): Promise<CellResult> {
  const pool = await takePool(plan.threads.length, arenaWords(plan));
  try {
    return await runInPool(pool, plan, sink, signal, options);
  } catch (error) {
    await dropPool(pool);
    throw error;
  }
}

async function runInPool(
  pool: Pool,
  plan: CellPlan,
  sink: CellSink,
  signal: AbortSignal,
  options: CellOptions,
): Promise<CellResult> {
  const world = attachWorld(plan, pool.buffer);
  const unfit = initFault(world);
  if (unfit !== null) {
    await dropPool(pool);
    sink.log('error', `${unfit.kind}: ${unfit.thread}: ${unfit.message}`);
    return cellResult(world, { durationMs: 0, interrupted: false, fault: unfit, supervisor: null });
  }
  sink.inspect?.(() => allStates(world));
  const run = startThreads(plan, pool, world, options.workerUrl ?? workerUrl);
  const end = await watchCell(run, world, sink, signal, options.startMs ?? START_MS);
  const clean = end.fault === null && end.supervisor?.quiet === true && !pool.broken;
  // Threads that do not end are ended before the sums are made: only then do these stand still.
  if (!clean) await dropPool(pool);
  report(world, run, sink);
  const result = cellResult(world, end);
  if (plan.kind === 'load' && sink.histogram !== undefined)
    for (const [name, histogram] of cellHistograms(world, end.durationMs)) sink.histogram(name, histogram);
  sink.counted?.(signatureCounts(world));
  if (clean) await keepPool(pool);
  return result;
}

/** Prepares the arena; what a user's `init` throws ends the cell as a thread's error does. */
function initFault(world: World): CellFault | null {
  try {
    initWorld(world);
    return null;
  } catch (error) {
    if (error instanceof OdpError) return faultOf('setup', error);
    throw error;
  }
}

/** Whatever was found between the last look and the end of the last thread. */
function report(world: World, run: Run, sink: CellSink): void {
  const found = drainViolations(world.oracles);
  const image = imageFor(found, world, run);
  for (const raw of found) sink.violation(violationRecord(world, raw), image);
}

/** Ends the threads that are kept between cells. */
export const closeCells = (): Promise<void> => closePool();
