import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { runCell } from '../../src/torture/cell.ts';
import { closePool, collectingSink, forever, shippedPlan, withIterations } from './cells.ts';

afterAll(closePool);

const ITERATIONS = 4;
const files = readdirSync(`${packageRoot()}/scenarios/litmus`).map((file) => file.replace(/\.yaml$/, ''));
const strategies = STRATEGIES.map(({ name }) => name);
const cells = files.flatMap((file) => strategies.map((strategy) => [file, strategy] as const));

/** How the forced order ends where a design does not let it be, by file; all others complete it. */
const ORDERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'seed-madvise-around-register': {
    'mmap-write': 'order-prevented',
    'take-all-locks': 'order-prevented',
    'held-rwsem': 'order-prevented',
    'range-union': 'order-prevented',
  },
  'seed-fault-in-section': {
    'mmap-write': 'order-prevented',
    'context-count': 'retried-past-bound',
    'range-pool': 'retried-past-bound',
    'range-alloc': 'retried-past-bound',
    'range-stack': 'retried-past-bound',
    'pool-overflow': 'retried-past-bound',
    'interval-notifier': 'retried-past-bound',
    'take-all-locks': 'order-prevented',
    'deferred-activation': 'retried-past-bound',
    'held-rwsem': 'order-prevented',
    'range-union': 'order-prevented',
    pinned: 'order-prevented',
  },
};

describe('each litmus test on each design', () => {
  it.each(cells)('%s: %s earns what the file says', async (file, strategy) => {
    const plan = withIterations(shippedPlan(`litmus/${file}`, strategy), ITERATIONS);
    const sink = collectingSink();
    const result = await runCell(plan, sink, forever());
    expect(result.asExpected, `${result.why} ${JSON.stringify(result.violations)}`).toBe(true);
    const { must, may } = plan.expect[strategy]!;
    if (may.includes('deadlock') && result.fault?.kind === 'deadlock') {
      expect(result.violations.deadlock?.count).toBe(1);
      return;
    }
    expect(result.fault).toBeUndefined();
    expect(result.verdict).toBe(must.length > 0 ? 'FAILURE' : 'SUCCESS');
    // In each iteration, not once by luck.
    for (const oracle of must)
      expect(result.violations[oracle as keyof typeof result.violations]!.count).toBeGreaterThanOrEqual(
        // A cycle of locks is told of once in a cell.
        oracle === 'lock-order' ? 1 : ITERATIONS,
      );
    expect(Object.values(result.orders!).reduce((a, b) => a + b, 0)).toBe(ITERATIONS);
    const order = ORDERS[file]?.[strategy];
    if (order !== undefined) expect(result.orders).toEqual({ [order]: ITERATIONS });
    else if (file in ORDERS || must.length > 0) expect(result.orders).toEqual({ complete: ITERATIONS });
    for (const record of sink.records) {
      expect(record).toMatchObject({ scenario: file, strategy, seed: 1 });
      expect(record.signature).toMatch(new RegExp(`^${record.oracle}/${strategy}/(program|supervisor)$`));
      expect(record.window.length).toBeGreaterThan(0);
    }
  });
});
