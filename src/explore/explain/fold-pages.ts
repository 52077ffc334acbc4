import type { AreaPlan, MemoryPlan } from '../../scenario/plan.ts';
import type { Pages } from './pages.ts';

/** The same shape on fewer pages: pages that every range either holds or leaves out together become one. */
export interface Folded {
  /** Number of pages. */
  readonly pages: number;
  /** The page that stands for `page`; of a page beyond the last, the number of pages. */
  page(page: number): number;
  /** The size of a file that stands for `size` pages of it. */
  size(file: number, size: number): number;
  readonly areas: readonly Omit<AreaPlan, 'mm'>[];
  readonly files: readonly { readonly file: number; readonly pages: number }[];
}

interface FileSize {
  readonly file: number;
  readonly size: number;
}

/** Folds one address space; as it is, when one of its files lies in several areas, or not from its start on. */
export function foldPages(
  memory: MemoryPlan,
  mm: number,
  ranges: readonly Pages[],
  sizes: readonly FileSize[],
): Folded {
  const areas = memory.areas.filter((area) => area.mm === mm);
  const files = areas.filter((area) => area.file >= 0).map((area) => area.file);
  const plain = new Set(files).size === files.length && areas.every((area) => area.offset === 0);
  return plain ? folded(areas, ranges, sizes) : asItIs(memory, areas);
}

function asItIs(memory: MemoryPlan, areas: readonly AreaPlan[]): Folded {
  return {
    pages: memory.pages,
    page: (page) => page,
    size: (_, size) => size,
    areas,
    files: memory.files.map(({ pages }, file) => ({ file, pages })),
  };
}

function folded(areas: readonly AreaPlan[], ranges: readonly Pages[], sizes: readonly FileSize[]): Folded {
  const cuts = new Set<number>();
  for (const { start, last } of ranges) cuts.add(start).add(last + 1);
  for (const { at, pages } of areas) cuts.add(at).add(at + pages);
  const areaOf = (file: number): AreaPlan | undefined => areas.find((area) => area.file === file);
  for (const { file, size } of sizes) {
    const area = areaOf(file);
    if (area !== undefined) cuts.add(area.at + Math.min(size, area.pages));
  }
  const within = (from: number, area: AreaPlan): boolean => area.at <= from && from < area.at + area.pages;
  const used = (from: number): boolean =>
    ranges.some(({ start, last }) => start <= from && from <= last) ||
    sizes.some(({ file }) => areas.some((area) => area.file === file && within(from, area)));
  const starts = [...cuts]
    .sort((a, b) => a - b)
    .filter((from) => used(from) && areas.some((area) => within(from, area)));
  const before = (page: number): number => starts.filter((from) => from < page).length;
  const pieces = areas
    .map((area) => ({ ...area, at: before(area.at), pages: starts.filter((from) => within(from, area)).length }))
    .filter(({ pages }) => pages > 0);
  // A page stands in the last piece that begins at or before it; the end of a file is the piece that begins there.
  const page = (p: number): number => (cuts.has(p) ? before(p) : starts.filter((from) => from <= p).length - 1);
  return {
    pages: starts.length,
    page,
    size(file, size) {
      const area = areaOf(file);
      const at = pieces.find((piece) => piece.file === file)?.at ?? 0;
      return area === undefined ? 0 : page(area.at + Math.min(size, area.pages)) - at;
    },
    areas: pieces,
    files: pieces.filter(({ file }) => file >= 0).map(({ file, pages }) => ({ file, pages })),
  };
}
