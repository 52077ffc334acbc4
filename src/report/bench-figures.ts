import { isMetric, METRICS, type MetricName } from '../bench/metrics.ts';
import type { BenchRatio, FiniteEstimate } from '../bench/result.ts';
import { short, shortNs } from './format.ts';

/** A figure with its unit. */
export function figure(metric: MetricName, value: number | null): string {
  if (value === null) return '-';
  const { unit } = METRICS[metric];
  if (unit === 'ns') return value < 100 ? `${value.toFixed(1)}ns` : shortNs(value);
  if (unit === 'share') return `${(value * 100).toFixed(value < 0.1 ? 1 : 0)}%`;
  if (unit === '/s') return `${short(value)}/s`;
  if (unit === 'ratio') return `x${digits(value)}`;
  return value < 10 ? value.toFixed(2) : short(value);
}

/** `x1.04 1.01..1.09`. */
export const ratioWords = ({ median, lo, hi }: FiniteEstimate): string =>
  median === null || lo === null || hi === null ? '-' : `x${digits(median)} ${digits(lo)}..${digits(hi)}`;

const digits = (value: number): string => (value < 10 ? value.toFixed(value < 0.1 ? 3 : 2) : short(value));

/** `1.93 (1.90..1.95)`. */
export const countWords = ({ median, lo, hi }: FiniteEstimate): string =>
  median === null || lo === null || hi === null ? '-' : `${digits(median)} (${digits(lo)}..${digits(hi)})`;

export const interval = (metric: MetricName, { lo, hi }: FiniteEstimate): string =>
  lo === null || hi === null ? '-' : `${figure(metric, lo)}..${figure(metric, hi)}`;

/** A difference is one only when the interval excludes 1. */
export function verdictWord({ metric, ratio, differs }: BenchRatio): string {
  if (differs === null) return '?';
  if (!differs) return '=';
  const higher = (ratio.median ?? 1) > 1;
  const better = isMetric(metric) ? METRICS[metric].better : 'neither';
  if (better === 'neither') return higher ? 'more' : 'less';
  return higher === (better === 'higher') ? 'better' : 'worse';
}
