import { inlineMore } from '../src/cli/inlining.ts';
import type { CellPlan } from '../src/scenario/plan.ts';
import { closeCells, runCell } from '../src/torture/cell.ts';

/** What one cell did. */
export interface MixedCell {
  /** All that its threads count as an operation. */
  readonly operations: number;
  readonly seconds: number;
  /** Of this process. */
  readonly cpuSeconds: number;
  /** Why it ended early; null: it did not. */
  readonly fault: string | null;
}

/** Runs the cells that it is sent, one after the other, on threads that stay: they have compiled what they run. */
if (process.send !== undefined) {
  inlineMore();
  const send = process.send.bind(process);
  process.on('message', (plan: CellPlan) => void cell(plan).then(send));
  process.on('disconnect', () => void closeCells().then(() => process.exit()));
}

async function cell(plan: CellPlan): Promise<MixedCell> {
  const before = process.cpuUsage();
  const sink = { violation() {}, progress() {}, log() {} };
  const { operations, durationMs, fault } = await runCell(plan, sink, new AbortController().signal);
  const { user, system } = process.cpuUsage(before);
  return {
    operations: Object.values(operations).reduce((sum, { count }) => sum + count, 0),
    seconds: durationMs / 1000,
    cpuSeconds: (user + system) / 1e6,
    fault: fault === undefined ? null : `${fault.kind}: ${fault.message}`,
  };
}
