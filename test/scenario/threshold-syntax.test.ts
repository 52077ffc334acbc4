import { describe, expect, it } from 'vitest';
import { parseThreshold } from '../../src/scenario/threshold.ts';

describe('the syntax of thresholds', () => {
  it('reads a quantile with a unit', () => {
    expect(parseThreshold('fault_latency_ns:p99<50us')).toEqual({
      text: 'fault_latency_ns:p99<50us',
      metric: 'fault_latency_ns',
      quantile: 'p99',
      below: true,
      orEqual: false,
      value: 50_000,
    });
  });

  it('reads a rate with a factor', () => {
    expect(parseThreshold(' faults_per_s >= 1.5k ')).toMatchObject({
      metric: 'faults_per_s',
      quantile: null,
      below: false,
      orEqual: true,
      value: 1500,
    });
  });

  it.each([
    ['fault_latency_ns<50us', 'needs a quantile'],
    ['faults_per_s:p99>3', 'has no quantiles'],
    ['fault_latency_ns:p42<3us', "no quantile 'p42'"],
    ['latency:p99<3us', "no metric 'latency'"],
    ['faults_per_s>3us', 'not a time'],
    ['fault_latency_ns:p50<3k', 'is a time'],
    ['faults_per_s=3', 'not of the form'],
    ['', 'not of the form'],
  ])("'%s' is refused: %s", (text, reason) => {
    expect(parseThreshold(text)).toContain(reason);
  });
});
