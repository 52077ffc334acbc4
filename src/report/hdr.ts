import { bucketEnd, bucketLast, HISTOGRAM_BUCKETS, type Histogram } from '../trace/histogram.ts';

/** Lines for each halving of what is left to 100 %. */
const TICKS_PER_HALF = 5;
const NS_PER_US = 1000;

/**
 * A histogram of nanoseconds as the percentile distribution that plotters of HdrHistogram read, values in microseconds. A value is the
 * largest that its bucket may hold, at most 1/16 above the exact one.
 */
export function hdrPercentiles(histogram: Histogram): string {
  const { count, max } = histogram;
  const lines = [
    `${'Value'.padStart(12)} ${'Percentile'.padStart(14)} ${'TotalCount'.padStart(10)} ${'1/(1-Percentile)'.padStart(14)}`,
    '',
    ...percentileLines(histogram),
  ];
  const { mean, deviation } = moments(histogram);
  const figure = (value: number, digits: number): string => value.toFixed(digits).padStart(12);
  lines.push(
    `#[Mean    = ${figure(mean / NS_PER_US, 3)}, StdDeviation   = ${figure(deviation / NS_PER_US, 3)}]`,
    `#[Max     = ${figure(max / NS_PER_US, 3)}, Total count    = ${figure(count, 0)}]`,
    `#[Buckets = ${figure(GROUPS, 0)}, SubBuckets     = ${figure(SUB_BUCKETS, 0)}]`,
  );
  return `${lines.join('\n')}\n`;
}

/** Values below this have a bucket each; so many buckets has each power of two above. */
const SUB_BUCKETS = bucketsBelow(1);
const GROUPS = HISTOGRAM_BUCKETS / SUB_BUCKETS;

/** Buckets before the first one that holds more than `width` values. */
function bucketsBelow(width: number): number {
  let bucket = 1;
  while (bucketLast(bucket) - bucketLast(bucket - 1) <= width) bucket++;
  // The first power of two above the linear part still has buckets of one value.
  return bucket / 2;
}

/** Levels come closer to each other towards 100 %; each is told with the value of the bucket that reaches it. */
function percentileLines({ buckets, count, max }: Histogram): string[] {
  const lines: string[] = [];
  let seen = 0;
  let step = 0;
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS && seen < count; bucket++) {
    if (buckets[bucket] === 0) continue;
    seen += buckets[bucket]!;
    for (; seen < count && count - seen <= restAt(step) * count; step++)
      lines.push(percentileLine(bucketEnd(bucket, max), restAt(step), seen));
  }
  if (count > 0) lines.push(percentileLine(max, 0, count));
  return lines;
}

/** What is left to 100 % at a step, as a part of 1. */
function restAt(step: number): number {
  const tick = step % TICKS_PER_HALF;
  return 2 ** -Math.floor(step / TICKS_PER_HALF) * (1 - tick / (2 * TICKS_PER_HALF));
}

function percentileLine(ns: number, rest: number, seen: number): string {
  const inverse = rest === 0 ? 'inf' : (1 / rest).toFixed(2);
  return `${(ns / NS_PER_US).toFixed(3).padStart(12)} ${(1 - rest).toFixed(12)} ${String(seen).padStart(10)} ${inverse.padStart(14)}`;
}

/** The mean is exact; the deviation takes each value as the middle of its bucket. */
function moments({ buckets, count, sum, max }: Histogram): { mean: number; deviation: number } {
  if (count === 0) return { mean: 0, deviation: 0 };
  const mean = sum / count;
  let squares = 0;
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
    if (buckets[bucket] === 0) continue;
    const first = bucket === 0 ? 0 : bucketLast(bucket - 1) + 1;
    squares += buckets[bucket] * ((first + bucketEnd(bucket, max)) / 2 - mean) ** 2;
  }
  return { mean, deviation: Math.sqrt(squares / count) };
}
