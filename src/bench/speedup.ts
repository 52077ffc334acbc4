import type { CrewAtWork } from './crew.ts';
import type { CellTime } from './run-types.ts';
import { median } from './stats.ts';

/** So short that a machine which is slow for a while (a neighbour on a physical core) is so for what one thread does and for what all do. */
const SLICE_MS = 10;
/** Until those that stand aside do so, or are back. */
const SETTLE_MS = 1;
/** Some dozen times each, however short the cell. */
const LEAST_MS = 500;

interface Slice {
  readonly perMs: number;
  readonly cpuUsPerOperation: number;
}

/** What all threads do together, and the CPU time of an operation then, to what the first does alone. */
export interface Speedup {
  readonly speedup: number;
  readonly cpuGrowth: number;
}

/**
 * Lets the first thread of a crew work alone and all of them together in turn, for `cellMs` each or longer: each time together is compared with the time
 * alone before and after it, and the median of these ratios is returned. `operations`: how many have been done so far.
 */
export async function speedupOf(
  crew: CrewAtWork,
  { cellMs, signal }: Pick<CellTime, 'cellMs' | 'signal'>,
  operations: () => number,
): Promise<Speedup> {
  const slice = async (alone: boolean): Promise<Slice> => {
    crew.alone(alone);
    await crew.sleep(SETTLE_MS);
    const [before, begun, cpu] = [operations(), performance.now(), process.cpuUsage()];
    await crew.sleep(SLICE_MS);
    const [done, ms, { user, system }] = [operations() - before, performance.now() - begun, process.cpuUsage(cpu)];
    return { perMs: done / ms, cpuUsPerOperation: (user + system) / done };
  };
  const [speedups, growths]: [number[], number[]] = [[], []];
  const end = performance.now() + Math.max(2 * cellMs, LEAST_MS);
  let before = await slice(true);
  do {
    const together = await slice(false);
    const after = await slice(true);
    speedups.push((2 * together.perMs) / (before.perMs + after.perMs));
    growths.push((2 * together.cpuUsPerOperation) / (before.cpuUsPerOperation + after.cpuUsPerOperation));
    before = after;
  } while (performance.now() < end && signal?.aborted !== true);
  return { speedup: median(speedups), cpuGrowth: median(growths) };
}
