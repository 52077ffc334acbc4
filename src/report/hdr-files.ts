import type { CellPlan } from '../scenario/plan.ts';
import { type Histogram, joinHistograms } from '../trace/histogram.ts';
import { hdrPercentiles } from './hdr.ts';

/** Distributions of the cells of a run; those that differ in the seed only are one. */
export interface HdrFiles {
  add(plan: Pick<CellPlan, 'scenario' | 'strategy' | 'era'>, name: string, histogram: Histogram): void;
  /** Names, all ending in `.hgrm`, and texts. */
  files(): [name: string, text: string][];
}

export const hdrFileName = (parts: readonly string[]): string =>
  `${parts.join('-').replaceAll(/[^A-Za-z0-9_.-]/g, '-')}.hgrm`;

export function createHdrFiles(): HdrFiles {
  const histograms = new Map<string, Histogram>();
  return {
    add({ scenario, strategy, era }, name, histogram) {
      const file = hdrFileName([scenario, strategy, era, name]);
      const before = histograms.get(file);
      histograms.set(file, before === undefined ? histogram : joinHistograms(before, histogram));
    },
    files: () => [...histograms].map(([file, histogram]) => [file, hdrPercentiles(histogram)]),
  };
}
