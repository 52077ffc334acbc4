import { describe, expect, it } from 'vitest';
import { entryFrame, keyIndex } from '../../src/hca/device.ts';
import { entryAddr } from '../../src/hca/device-page-table.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { COUNTER, PIPE_BUCKETS } from '../../src/trace/counters.ts';
import {
  type Bed,
  countedBy,
  createBed,
  dma,
  entryOf,
  faultOnce,
  madvise,
  register,
  touch,
} from '../oracles/fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

const pipeOf = (bed: Bed, tid: number): number[] => {
  const base = bed.world.counters[tid]! + COUNTER['pipe.0'];
  return [...bed.world.f64.subarray(base, base + PIPE_BUCKETS)];
};

describe('the reader pipe', () => {
  it('has each access by how often its frame was freed since the entry was made, as stale-dma counts them', () => {
    const bed = createBed(contextCount);
    touch(bed, T1, 4);
    const key = register(bed, T2, 4, 4);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    const entry = entryOf(bed, key, 0);
    const expected = new Array<number>(PIPE_BUCKETS).fill(0);
    for (let frees = 0; frees <= 12; frees++) {
      // A device that was never told: the entry is put back as it was.
      bed.world.mem[entryAddr(bed.world.hca, keyIndex(key), 0)] = entry;
      expect(dma(bed, T4, key, 0)).toBe(OUTCOME.ok);
      expected[Math.min(frees, PIPE_BUCKETS - 1)]!++;
      expect(pipeOf(bed, T4)).toEqual(expected);
      // What was freed last is handed out first, so this is the same frame again.
      expect(madvise(bed, T1, 4, 4)).toBe(OUTCOME.ok);
      touch(bed, T1, 4);
    }
    expect(expected).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3]);
    expect(entryFrame(entry)).toBeGreaterThan(0);
    expect(countedBy(bed, 'stale-dma')).toBe(12);
    expect(pipeOf(bed, T1)).toEqual(new Array(PIPE_BUCKETS).fill(0));
  });

  it('knows nothing of accesses that reached no page', () => {
    const bed = createBed(contextCount);
    const key = register(bed, T2, 4, 4);
    expect(dma(bed, T4, key, 0)).toBe(OUTCOME.efault);
    expect(dma(bed, T4, key + 1, 0)).toBe(OUTCOME.einval);
    expect(pipeOf(bed, T4).every((n) => n === 0)).toBe(true);
  });
});
