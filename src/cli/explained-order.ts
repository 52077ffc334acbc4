import { forcedOrders } from '../explore/explain/forced-order.ts';
import type { Picture } from '../explore/replay/picture.ts';
import type { OracleName } from '../oracles/names.ts';
import type { CellPlan } from '../scenario/plan.ts';
import type { PointName } from '../trace/points.ts';
import type { Runner } from './execute.ts';

/** An order of points that shows the violation on free threads as well. */
export interface KeptOrder {
  readonly lines: readonly string[];
  readonly iterations: number;
  /** Iterations in which the order came to its end. */
  readonly complete: number;
  /** Violations by oracle. */
  readonly violations: Readonly<Partial<Record<OracleName, number>>>;
  /** It was seen in each iteration: the scenario may ask for it. */
  readonly sure: boolean;
}

const ITERATIONS = 5;
const CELL_MS = 1000;
const GRACE_MS = 1500;
const ALL_MS = 6000;

/** Tries the orders of a schedule on free threads; null when none shows the oracle there. Takes a few seconds at most. */
export async function orderThatShows(
  runner: Runner,
  plan: CellPlan,
  picture: Picture,
  oracle: string,
  signal: AbortSignal,
): Promise<KeptOrder | null> {
  const until = performance.now() + ALL_MS;
  let best: KeptOrder | null = null;
  try {
    for (const lines of forcedOrders(picture)) {
      if (signal.aborted || performance.now() >= until) break;
      const kept = await tried(runner, plan, lines, oracle, signal);
      if (kept === null) continue;
      if (kept.sure) return kept;
      best ??= kept;
    }
  } finally {
    await runner.closeCells();
  }
  return best;
}

async function tried(
  runner: Runner,
  plan: CellPlan,
  lines: readonly string[],
  oracle: string,
  signal: AbortSignal,
): Promise<KeptOrder | null> {
  const order = lines.map((line) => {
    const [name, point] = line.split(' ');
    return { tid: plan.threads.findIndex((thread) => thread.name === name), point: point as PointName };
  });
  const forced: CellPlan = {
    ...plan,
    durationMs: CELL_MS,
    litmus: { ...plan.litmus!, iterations: ITERATIONS, order },
  };
  const sink = { violation: () => {}, progress: () => {}, log: () => {} };
  // A fault may be refused for ever there: then nothing but this ends the iteration.
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CELL_MS + GRACE_MS)]);
  const result = await runner.runCell(forced, sink, bounded);
  const violations = Object.fromEntries(
    Object.entries(result.violations).map(([name, { count }]) => [name, count]),
  ) as KeptOrder['violations'];
  const shown = violations[oracle as OracleName] ?? 0;
  if (result.fault !== undefined || result.interrupted || shown === 0) return null;
  const complete = result.orders?.complete ?? 0;
  const iterations = Object.values(result.orders ?? {}).reduce((sum, n) => sum + n, 0);
  return { lines, iterations, complete, violations, sure: iterations === ITERATIONS && shown >= ITERATIONS };
}
