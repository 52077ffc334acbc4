import type { CellResult, LockPlace } from '../results/types.ts';

type Row = CellResult['locks'][number];

const NAME_WIDTH = 40;
const FIGURE_WIDTH = 14;
/** The columns of /proc/lock_stat; times in microseconds. */
const COLUMNS = [
  ...['con-bounces', 'contentions', 'waittime-min', 'waittime-max', 'waittime-total', 'waittime-avg'],
  ...['acq-bounces', 'acquisitions', 'holdtime-min', 'holdtime-max', 'holdtime-total', 'holdtime-avg'],
];
const LINE_WIDTH = NAME_WIDTH + 1 + COLUMNS.length * (FIGURE_WIDTH + 1);
/** Width of a contention point's address. */
const ADDRESS_WIDTH = 29;
const VERSION = 'lock_stat version 0.4';

/** Rows that belong together: those of a cell, or sums over many. */
export interface LockStatSection {
  /** The line above its table; null: none. */
  readonly title: string | null;
  readonly locks: readonly Row[];
}

/** Whether acquisitions were counted; rows of waits alone are no table of lock_stat. */
export const hasLockStat = ({ locks }: Pick<LockStatSection, 'locks'>): boolean =>
  locks.some((row) => row.acquisitions !== undefined);

/**
 * The lock statistics of cells, as /proc/lock_stat prints them; empty when none were kept. Several cells are sections, each with a
 * line that names it and the whole of its table.
 */
export function lockStatText(cells: readonly CellResult[]): string {
  const counted = cells.filter(hasLockStat);
  return lockStatSections(
    counted.map(({ scenario, strategy, era, seed, locks }) => ({
      title: counted.length === 1 ? null : `${scenario} ${strategy} era=${era} seed=${seed}`,
      locks,
    })),
  );
}

export const lockStatSections = (sections: readonly LockStatSection[]): string =>
  sections
    .map(({ title, locks }) => [...(title === null ? [] : [title]), ...lockStatTable(locks), ''].join('\n'))
    .join('\n');

/** The most contended class first, as there; a class of which nothing was ever acquired has no row. */
function lockStatTable(rows: readonly Row[]): string[] {
  const rule = '-'.repeat(LINE_WIDTH);
  const classes = new Map<string, Row[]>();
  for (const row of rows) classes.set(row.name, [...(classes.get(row.name) ?? []), row]);
  const contentions = (of: readonly Row[]): number => of.reduce((sum, row) => sum + row.contentions, 0);
  const sorted = [...classes.values()].sort((a, b) => contentions(b) - contentions(a));
  return [VERSION, rule, figureLine('class name', ' ', COLUMNS), rule, '', ...sorted.flatMap((of) => classLines(of))];
}

function classLines(rows: readonly Row[]): string[] {
  const used = [...rows].sort((a, b) => (a.mode === 'W' ? -1 : b.mode === 'W' ? 1 : 0));
  const modes = used.some((row) => row.mode === 'R');
  const name = used[0]!.name;
  const lines = used.map((row) => figureLine(`${name}${modes ? `-${row.mode}` : ''}`, ':', figures(row)));
  const waiters = placeLines(name, modes, merged(used.map((row) => row.waiters)));
  const holders = placeLines(name, modes, merged(used.map((row) => row.holders)));
  if (waiters.length + holders.length === 0) return lines;
  return [...lines, ...waiters, ...holders, '', '.'.repeat(LINE_WIDTH), ''];
}

/** A colon stands where the header has a space. */
const figureLine = (name: string, separator: ':' | ' ', figures: readonly string[]): string =>
  name.padStart(NAME_WIDTH) + separator + figures.map((figure) => figure.padStart(FIGURE_WIDTH)).join(' ');

function figures({ conBounces, contentions, waitNs, acqBounces, acquisitions, holdNs }: Row): string[] {
  const times = (of: { min: number; max: number; total: number; mean: number } | undefined): string[] =>
    [of?.min, of?.max, of?.total, of?.mean].map((ns) => ((ns ?? 0) / 1000).toFixed(2));
  return [
    ...[String(conBounces ?? 0), String(contentions), ...times(waitNs)],
    ...[String(acqBounces ?? 0), String(acquisitions ?? 0), ...times(holdNs)],
  ];
}

type Counted = LockPlace & { readonly count: number };
const MOST = 4;

/** The places of a class, of both modes: the kernel, too, keeps them by class. */
function merged(lists: readonly (readonly Counted[] | undefined)[]): Counted[] {
  const byPlace = new Map<string, Counted>();
  for (const place of lists.flatMap((list) => list ?? [])) {
    const key = `${place.role} ${place.point}`;
    byPlace.set(key, { ...place, count: place.count + (byPlace.get(key)?.count ?? 0) });
  }
  return [...byPlace.values()].sort((a, b) => b.count - a.count).slice(0, MOST);
}

/** Count, the role in place of the address, and the last point in place of the symbol. */
function placeLines(name: string, modes: boolean, places: readonly Counted[]): string[] {
  if (places.length === 0) return [];
  const width = name.length + (modes ? 2 : 0);
  return [
    `${' '.repeat(Math.max(0, NAME_WIDTH - width))}${'-'.repeat(width)}`,
    ...places.map(
      ({ role, point, count }) =>
        `${name.padStart(NAME_WIDTH)} ${String(count).padStart(FIGURE_WIDTH)} ${`[<${role}>]`.padStart(ADDRESS_WIDTH)}${point === null ? '' : ` ${point}`}`,
    ),
  ];
}
