import { type EntryFigures, packed, unpacked } from '../results/soak-figures.ts';
import type { CellLine } from '../results/soak-types.ts';
import type { LockPlace } from '../results/types.ts';
import { type Histogram, joinHistograms } from '../trace/histogram.ts';

type LockRow = CellLine['locks'][number];
type Times = Pick<LockRow['waitNs'], 'min' | 'max' | 'total' | 'mean'>;
type Place = LockPlace & { readonly count: number };

/** Places of waiters, and of holders, that a row keeps: the most frequent. A report prints four. */
const PLACES_KEPT = 16;

/** The figures with those of one more cell. Exact, but for places: a cell names only its most frequent ones. */
export function addFigures(
  all: readonly EntryFigures[],
  { entry, locks }: Pick<CellLine, 'entry' | 'locks'>,
  histograms: ReadonlyMap<string, Histogram>,
): EntryFigures[] {
  const before = all.find((one) => one.entry === entry);
  const now: EntryFigures = {
    entry,
    cells: (before?.cells ?? 0) + 1,
    locks: addLocks(before?.locks ?? [], locks),
    histograms: addHistograms(before?.histograms ?? {}, histograms),
  };
  return before === undefined ? [...all, now] : all.map((one) => (one === before ? now : one));
}

function addHistograms(
  before: EntryFigures['histograms'],
  cell: ReadonlyMap<string, Histogram>,
): EntryFigures['histograms'] {
  const out = { ...before };
  for (const [name, histogram] of cell) {
    const known = out[name];
    out[name] = packed(known === undefined ? histogram : joinHistograms(unpacked(known), histogram));
  }
  return out;
}

/** The longest total wait first, as in a cell. */
function addLocks(before: readonly LockRow[], cell: readonly LockRow[]): LockRow[] {
  const rows = new Map(before.map((row) => [`${row.name} ${row.mode}`, row]));
  for (const row of cell) {
    const key = `${row.name} ${row.mode}`;
    const known = rows.get(key);
    rows.set(key, known === undefined ? withoutQuantiles(row) : joined(known, row));
  }
  return [...rows.values()].sort(
    (a, b) => b.waitNs.total - a.waitNs.total || (b.acquisitions ?? 0) - (a.acquisitions ?? 0),
  );
}

/** Quantiles of sums are read off the joined histograms. */
const withoutQuantiles = (row: LockRow): LockRow => joined({ ...NO_ROW, name: row.name, mode: row.mode }, row);

const NO_ROW = { contentions: 0, waitNs: { min: 0, max: 0, total: 0, mean: 0 } } as const;

function joined(a: LockRow, b: LockRow): LockRow {
  const contentions = a.contentions + b.contentions;
  const held = [a.holdNs, b.holdNs].filter((one) => one !== undefined);
  return {
    name: a.name,
    mode: a.mode,
    ...sums(a, b),
    contentions,
    waitNs: timesOf([
      { count: a.contentions, ...a.waitNs },
      { count: b.contentions, ...b.waitNs },
    ]),
    ...(held.length === 0 ? {} : { holdNs: { count: held.reduce((n, { count }) => n + count, 0), ...timesOf(held) } }),
    ...places('waiters', a, b),
    ...places('holders', a, b),
  };
}

const COUNTED = ['acquisitions', 'acqBounces', 'conBounces'] as const;

/** What was counted in either: it depends on the level of the statistics. */
function sums(a: LockRow, b: LockRow): Pick<LockRow, (typeof COUNTED)[number]> {
  const known = COUNTED.filter((name) => a[name] !== undefined || b[name] !== undefined);
  return Object.fromEntries(known.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}

/** The least time of nothing is written as 0, and is none. */
function timesOf(parts: readonly (Times & { readonly count: number })[]): Times {
  const some = parts.filter(({ count }) => count > 0);
  const count = some.reduce((sum, part) => sum + part.count, 0);
  const total = some.reduce((sum, part) => sum + part.total, 0);
  return {
    min: count === 0 ? 0 : Math.min(...some.map(({ min }) => min)),
    max: Math.max(0, ...some.map(({ max }) => max)),
    total,
    mean: count === 0 ? 0 : total / count,
  };
}

function places(which: 'waiters' | 'holders', a: LockRow, b: LockRow): Pick<LockRow, 'waiters' | 'holders'> {
  if (a[which] === undefined && b[which] === undefined) return {};
  const byPlace = new Map<string, Place>();
  for (const place of [...(a[which] ?? []), ...(b[which] ?? [])]) {
    const key = `${place.role} ${place.point}`;
    byPlace.set(key, { ...place, count: place.count + (byPlace.get(key)?.count ?? 0) });
  }
  const most = [...byPlace.values()].sort((x, y) => y.count - x.count).slice(0, PLACES_KEPT);
  return { [which]: most };
}
