/**
 * A limit on a figure of a cell's result: `fault_latency_ns:p99<50us`, `faults_per_s>1000`. The condition states what must
 * hold. Parsed here, where scenarios are checked; judged in results/.
 */
export interface Threshold {
  readonly text: string;
  readonly metric: string;
  /** Quantile of a latency, or null for a plain figure. */
  readonly quantile: Quantile | null;
  readonly below: boolean;
  readonly orEqual: boolean;
  readonly value: number;
}

export const QUANTILES = ['mean', 'p50', 'p90', 'p99', 'p999', 'max'] as const;
export type Quantile = (typeof QUANTILES)[number];

/** Latencies and distributions; they need a quantile. */
export const DISTRIBUTION_METRICS = [
  'fault_latency_ns',
  'section_latency_ns',
  'register_latency_ns',
  'deregister_latency_ns',
  'retries_per_commit',
] as const;

/** Plain figures. */
export const FIGURE_METRICS = [
  'faults_per_s',
  'sections_per_s',
  'registrations_per_s',
  'deregistrations_per_s',
  'dma_per_s',
  'operations_per_s',
  'fault_timeouts',
  'audits_skipped',
  'records_dropped',
] as const;

export const METRICS: readonly string[] = [...DISTRIBUTION_METRICS, ...FIGURE_METRICS];

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const UNIT_FACTOR: Readonly<Record<string, number>> = { k: 1e3, M: 1e6 };
const PATTERN = /^\s*([a-z_]+)(?::([a-z0-9]+))?\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|k|M)?\s*$/;

/** A threshold, or a sentence that says what is wrong with the text. */
export function parseThreshold(text: string): Threshold | string {
  const match = PATTERN.exec(text);
  if (match === null)
    return `threshold '${text}' is not of the form metric[:quantile]<value, as in fault_latency_ns:p99<50us`;
  const [, metric, quantile, relation, amount, unit] = match;
  const distribution = (DISTRIBUTION_METRICS as readonly string[]).includes(metric!);
  if (!distribution && !(FIGURE_METRICS as readonly string[]).includes(metric!))
    return `threshold '${text}': no metric '${metric}'; known: ${METRICS.join(', ')}`;
  if (distribution && quantile === undefined)
    return `threshold '${text}': ${metric} needs a quantile, one of ${QUANTILES.join(', ')}`;
  if (!distribution && quantile !== undefined) return `threshold '${text}': ${metric} has no quantiles`;
  if (quantile !== undefined && !(QUANTILES as readonly string[]).includes(quantile))
    return `threshold '${text}': no quantile '${quantile}'; known: ${QUANTILES.join(', ')}`;
  const isTime = metric!.endsWith('_ns');
  if (unit !== undefined && (isTime ? UNIT_NS[unit] : UNIT_FACTOR[unit]) === undefined)
    return `threshold '${text}': ${metric} is ${isTime ? 'a time (ns, us, ms, s)' : 'not a time'}`;
  const factor = unit === undefined ? 1 : isTime ? UNIT_NS[unit]! : UNIT_FACTOR[unit]!;
  return {
    text: text.trim(),
    metric: metric!,
    quantile: (quantile as Quantile | undefined) ?? null,
    below: relation!.startsWith('<'),
    orEqual: relation!.endsWith('='),
    value: Number(amount) * factor,
  };
}
