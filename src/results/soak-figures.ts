import { z } from 'zod';
import { HISTOGRAM_BUCKETS, type Histogram } from '../trace/histogram.ts';
import { lockRowSchema } from './summary.ts';

const whole = z.int().min(0);

/** A histogram as it stands in a checkpoint: its counts from the first bucket that is not empty to the last. */
const packedHistogramSchema = z
  .strictObject({
    first: whole.max(HISTOGRAM_BUCKETS),
    counts: z.array(whole).max(HISTOGRAM_BUCKETS).readonly(),
    sum: z.number(),
    max: z.number(),
  })
  .readonly();
export type PackedHistogram = z.output<typeof packedHistogramSchema>;

/**
 * Locks and distributions of all cells of one entry. Their size does not grow with the number of cells: a row a class and mode, and
 * a histogram a name, each of a fixed number of buckets.
 */
export const entryFiguresSchema = z
  .strictObject({
    entry: z.string(),
    cells: whole.meta({ description: 'Cells that these are the sums of.' }),
    locks: z.array(lockRowSchema).readonly().meta({
      description:
        'As those of a cell, without quantiles; waiters and holders: of the most frequent ones of each cell.',
    }),
    histograms: z.record(z.string(), packedHistogramSchema).readonly().meta({ description: 'Nanoseconds, by figure.' }),
  })
  .readonly();
export type EntryFigures = z.output<typeof entryFiguresSchema>;

export function packed({ buckets, sum, max }: Histogram): PackedHistogram {
  const first = buckets.findIndex((n) => n > 0);
  if (first < 0) return { first: 0, counts: [], sum, max };
  const last = buckets.findLastIndex((n) => n > 0);
  return { first, counts: [...buckets.subarray(first, last + 1)], sum, max };
}

export function unpacked({ first, counts, sum, max }: PackedHistogram): Histogram {
  const buckets = new Float64Array(HISTOGRAM_BUCKETS);
  buckets.set(counts.slice(0, HISTOGRAM_BUCKETS - first), first);
  return { buckets, count: counts.reduce((total, n) => total + n, 0), sum, max };
}
