import { describe, expect, it } from 'vitest';
import { judgeThreshold } from '../../src/results/thresholds.ts';
import { parseThreshold, type Threshold } from '../../src/scenario/threshold.ts';
import { cellResult } from '../report/results-fixture.ts';

const judge = (text: string, cell = cellResult()) => judgeThreshold(parseThreshold(text) as Threshold, cell);

describe('judging thresholds', () => {
  it.each([
    ['fault_latency_ns:p99<10us', 9000, true],
    ['fault_latency_ns:p99<9us', 9000, false],
    ['fault_latency_ns:p99<=9us', 9000, true],
    ['fault_latency_ns:max>2ms', 2.1e6, true],
    ['faults_per_s>4499', 4500, true],
    ['faults_per_s>=4.5k', 4500, true],
    ['faults_per_s>4500', 4500, false],
    ['sections_per_s>2000', 2500, true],
    ['registrations_per_s<100', 350, false],
    ['retries_per_commit:max<=7', 7, true],
    ['fault_timeouts<1', 2, false],
    ['audits_skipped<=1', 1, true],
  ])('%s: the figure is %d, met %s', (text, value, met) => {
    expect(judge(text)).toMatchObject({ value, met, threshold: text, strategy: 'context-count' });
  });

  it('does not call a quantile of nothing fast', () => {
    expect(judge('register_latency_ns:p50<1s')).toMatchObject({ value: null, met: null });
  });

  it('has no rate of a cell that did not run', () => {
    expect(judge('faults_per_s<1', cellResult({ durationMs: 0 }))).toMatchObject({ value: null, met: null });
  });
});
