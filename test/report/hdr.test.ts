import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hdrPercentiles } from '../../src/report/hdr.ts';
import { createHdrFiles } from '../../src/report/hdr-files.ts';
import { HISTOGRAM_DOUBLES, type Histogram, histogramAdd, sumHistograms } from '../../src/trace/histogram.ts';

function histogramOf(values: readonly number[]): Histogram {
  const f64 = new Float64Array(HISTOGRAM_DOUBLES);
  for (const value of values) histogramAdd(f64, 0, value);
  return sumHistograms(f64, [0]);
}

interface Line {
  readonly ns: number;
  readonly level: number;
  readonly total: number;
  readonly inverse: number;
}

/** Reads a distribution as plotters do: lines of four figures, `inf` or nothing at 100 %. */
function read(text: string): { lines: Line[]; footer: string[] } {
  const [head, empty, ...rest] = text.trimEnd().split('\n');
  expect(head).toMatch(/^ +Value +Percentile +TotalCount +1\/\(1-Percentile\)$/);
  expect(empty).toBe('');
  const lines = rest.filter((line) => !line.startsWith('#'));
  const footer = rest.filter((line) => line.startsWith('#'));
  return {
    footer,
    lines: lines.map((line) => {
      const match = /^ *(\d+\.\d{3}) (\d\.\d{12}) +(\d+) +(\d+\.\d\d|inf)$/.exec(line);
      expect(match, line).not.toBeNull();
      const [, us, level, total, inverse] = match!;
      return {
        ns: Math.round(Number(us) * 1000),
        level: Number(level),
        total: Number(total),
        inverse: inverse === 'inf' ? Number.POSITIVE_INFINITY : Number(inverse),
      };
    }),
  };
}

const ns = fc.integer({ min: 0, max: 39 }).chain((e) => fc.integer({ min: 0, max: 2 ** e }));

describe('a percentile distribution', () => {
  it('has at each level a value that is at most 1/16 above the exact one, and rises to the largest (property)', () => {
    fc.assert(
      fc.property(fc.array(ns, { minLength: 1, maxLength: 300, size: 'max' }), (values) => {
        const sorted = [...values].sort((a, b) => a - b);
        const { lines } = read(hdrPercentiles(histogramOf(values)));
        for (const [i, { ns, level, total, inverse }] of lines.entries()) {
          const exact = sorted[Math.max(1, Math.ceil(level * sorted.length - 1e-6)) - 1]!;
          expect(ns).toBeGreaterThanOrEqual(exact);
          expect(ns).toBeLessThanOrEqual(exact + exact / 16);
          expect(total).toBe(sorted.filter((value) => value <= ns).length);
          if (level < 1) expect(inverse).toBeCloseTo(1 / (1 - level), 1);
          if (i > 0) {
            expect(level).toBeGreaterThan(lines[i - 1]!.level);
            expect(ns).toBeGreaterThanOrEqual(lines[i - 1]!.ns);
          }
        }
        expect(lines.at(-1)).toMatchObject({ ns: sorted.at(-1), level: 1, total: sorted.length });
      }),
      { seed: 401, numRuns: 200 },
    );
  });

  it('has five levels for each halving of what is left', () => {
    const { lines } = read(hdrPercentiles(histogramOf(Array.from({ length: 1000 }, (_, i) => i * 1000))));
    expect(lines.slice(0, 11).map(({ level }) => level)).toEqual([
      0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75,
    ]);
  });

  it('says mean, deviation, the largest value and how it was counted', () => {
    const { footer } = read(hdrPercentiles(histogramOf([1000, 1000, 5000, 5000])));
    // The values stand at the middle of their buckets, of which the largest value ends the last.
    expect(footer[0]).toMatch(/^#\[Mean {4}= {8}3\.000, StdDeviation {3}= {8}[12]\.\d{3}\]$/);
    expect(footer[1]).toBe('#[Max     =        5.000, Total count    =            4]');
    expect(footer[2]).toBe('#[Buckets =           37, SubBuckets     =           16]');
  });

  it('of nothing has no line', () => {
    expect(read(hdrPercentiles(histogramOf([]))).lines).toEqual([]);
  });
});

describe('files of distributions', () => {
  it('are one for each scenario, strategy, era and figure: seeds are joined', () => {
    const files = createHdrFiles();
    const plan = { scenario: 'litmus/a', strategy: './mine.mjs', era: 'v5.5' } as const;
    files.add(plan, 'fault', histogramOf([1000]));
    files.add(plan, 'section', histogramOf([2000]));
    files.add(plan, 'fault', histogramOf([3000]));
    const [fault, section, ...rest] = files.files();
    expect(rest).toEqual([]);
    expect(fault![0]).toBe('litmus-a-.-mine.mjs-v5.5-fault.hgrm');
    expect(section![0]).toBe('litmus-a-.-mine.mjs-v5.5-section.hgrm');
    expect(read(fault![1]).lines.at(-1)).toMatchObject({ ns: 3000, total: 2 });
  });
});
