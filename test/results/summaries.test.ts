import { describe, expect, it } from 'vitest';
import { runVerdict, summaryJsonSchema, summarySchema } from '../../src/results/summary.ts';
import { cellResult, failedCell } from '../report/results-fixture.ts';

const cells = summarySchema.shape.cells;

describe('the schema of summary.json', () => {
  it('takes cells as they are, with and without what is optional', () => {
    const full = failedCell({ orders: { complete: 3 }, fault: { kind: 'hang', thread: 'dma-0', message: 'm' } });
    expect(cells.parse([cellResult(), full])).toEqual([cellResult(), full]);
  });

  it.each([
    ['a member that nobody declared', { ...cellResult(), extra: 1 }],
    ['a member that is missing', { ...cellResult(), notes: undefined }],
    ['an oracle that is not one', { ...cellResult(), violations: { 'stale-dna': { count: 1, firstAtMs: 1 } } }],
    ['a count that is not whole', { ...cellResult(), exposures: { x: 0.5 } }],
    ['a number that is none', { ...cellResult(), durationMs: Number.NaN }],
  ])('refuses %s', (_, cell) => {
    expect(cells.safeParse([cell]).success).toBe(false);
  });

  it('is published as JSON Schema', () => {
    const schema = summaryJsonSchema() as { required: string[]; additionalProperties: boolean };
    expect(schema.required).toContain('cells');
    expect(schema.additionalProperties).toBe(false);
  });
});

describe("a run's verdict", () => {
  const unknown = cellResult({ verdict: 'UNKNOWN', asExpected: null });

  it('by violations: one is enough, and evidence must not be missing', () => {
    expect(runVerdict([cellResult(), failedCell(), unknown], 'violations')).toBe('FAILURE');
    expect(runVerdict([cellResult(), unknown], 'violations')).toBe('UNKNOWN');
    expect(runVerdict([cellResult()], 'violations')).toBe('SUCCESS');
    expect(runVerdict([], 'violations')).toBe('UNKNOWN');
  });

  it('by expectations: a failure that was expected is a success', () => {
    expect(runVerdict([cellResult(), failedCell()], 'expectations')).toBe('SUCCESS');
    expect(runVerdict([failedCell({ asExpected: false }), unknown], 'expectations')).toBe('FAILURE');
    expect(runVerdict([failedCell(), unknown], 'expectations')).toBe('UNKNOWN');
  });
});
