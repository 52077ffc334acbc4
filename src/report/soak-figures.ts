import { join } from 'node:path';
import { type EntryFigures, unpacked } from '../results/soak-figures.ts';
import type { EntryTotal } from '../results/soak-types.ts';
import { hdrPercentiles } from './hdr.ts';
import { hdrFileName } from './hdr-files.ts';
import { hasLockStat, lockStatSections } from './lock-stat.ts';

export const LATENCY_FOLDER = 'latency';

/**
 * `lock_stat.txt`, where acquisitions were counted, and `latency/*.hgrm` of a soak, with names and texts: sums over all cells of a
 * scenario, strategy and era.
 */
export function figureFiles(
  figures: readonly EntryFigures[],
  entries: readonly EntryTotal[],
): [name: string, text: string][] {
  const known = figures.flatMap((one) => {
    const total = entries.find(({ entry }) => entry === one.entry);
    return total === undefined ? [] : [{ ...one, total }];
  });
  const sections = known.filter(hasLockStat).map(({ total: { scenario, strategy, era, canary }, cells, locks }) => ({
    title: `${scenario} ${strategy} era=${era} cells=${cells}${canary ? ' canary' : ''}`,
    locks,
  }));
  const files = known.flatMap(({ total: { scenario, strategy, era, canary }, histograms }) =>
    Object.entries(histograms).map(([name, histogram]): [string, string] => [
      join(LATENCY_FOLDER, hdrFileName([scenario, strategy, era, ...(canary ? ['canary'] : []), name])),
      hdrPercentiles(unpacked(histogram)),
    ]),
  );
  return sections.length === 0 ? files : [['lock_stat.txt', lockStatSections(sections)], ...files];
}
