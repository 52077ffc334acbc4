import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { seenOf } from './memory-order.ts';

const MS = 1500;

describe('two threads, each with its part of a litmus test', () => {
  it.each([
    'add, loadAfterAtomic',
    'storeRelease; load, loadAfterAtomic',
    'load, loadAfterAtomic, load',
  ] as const)('%s: see each other in the order in which they wrote', async (shape) => {
    const { rounds, wrong } = await seenOf(shape, MS);
    expect(wrong).toBe(0);
    expect(rounds).toBeGreaterThan(100);
  });

  // Without this the ones above might be silent because the two never run at once.
  it.skipIf(availableParallelism() < 2)('plain stores and loads are seen out of order', async () => {
    for (let attempt = 0; attempt < 8; attempt++) if ((await seenOf('store, load', MS)).wrong > 0) return;
    expect.fail('no store was passed by a load: the two threads never ran at the same time');
  });
});
