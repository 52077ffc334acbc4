import { logGrowth } from '../bench/claims.ts';
import { METRICS, type Metric, type MetricName } from '../bench/metrics.ts';
import type { BenchCell, BenchResult, BenchRound, Heat, Params, SharedLock } from '../bench/result.ts';
import { grouped } from './format.ts';

/** A figure of several subjects against one parameter, as the page's script draws it. Columns beside `x`; null where there is none. */
export interface BenchChart {
  readonly title: string;
  readonly unit: Metric['unit'];
  /** Latencies spread over decades. */
  readonly log: boolean;
  readonly xTitle: string;
  readonly x: readonly string[];
  /** Where each x stands: one after the other, or on a logarithmic axis. */
  readonly at: readonly number[];
  /** A curve that the lines are held against. */
  readonly bound: { readonly name: string; readonly v: readonly number[] } | null;
  /** Index of the first x with more threads than cores; as many as there are x when none has. */
  readonly crowdedFrom: number;
  readonly lines: readonly {
    readonly name: string;
    readonly v: readonly (number | null)[];
    readonly lo: readonly (number | null)[];
    readonly hi: readonly (number | null)[];
  }[];
}

/** A map of latency over the time of a cell. */
export interface BenchHeat extends Heat {
  readonly title: string;
}

/** A figure by class of lock, for one cell, the largest first. */
export interface LockBar {
  readonly title: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

/** What is drawn of a group of cells. */
export interface BenchPictures {
  readonly charts: readonly BenchChart[];
  readonly heats: readonly BenchHeat[];
  /** Parts of the threads' time. */
  readonly waits: readonly LockBar[];
  /** For each operation: acquisitions of locks that the threads share, and moves of their words from thread to thread. */
  readonly takes: readonly LockBar[];
  readonly moves: readonly LockBar[];
}

/** Figures that get a chart for each parameter. */
const DRAWN: Readonly<Record<string, readonly MetricName[]>> = {
  locks: ['opsPerSec', 'waitP99', 'cpuNsPerOp'],
  load: ['faultsPerSec', 'faultP99', 'sectionsPerSec'],
  register: ['registrationsPerSec', 'registerP99'],
  refault: ['refaultNs', 'cpuNsPerOp', 'growth'],
  scaling: ['refaultsPerSec', 'speedup'],
  observing: ['refaultNs'],
};

/** Parameters that are an axis of a group, each with the others as in most cells. */
const AXES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  locks: [['threads']],
  load: [['invalidators'], ['umems'], ['overlap'], ['vmas']],
  register: [['invalidators'], ['umems'], ['overlap'], ['vmas']],
  refault: [['umems']],
  scaling: [['threads', 'mms']],
  observing: [['observer']],
};

/** Groups whose axis is logarithmic: a law of growth is seen as a line there. */
const LOG_GROUPS = ['refault'];

const LATENCY_NAMES: Readonly<Record<string, string>> = { locks: 'time to get the lock', register: 'registration' };
const HEAT_GROUPS = ['locks', 'load', 'register'];

/** What can be drawn of one group. */
export function benchPictures({ cells: all }: Pick<BenchResult, 'cells'>, group: string): BenchPictures {
  const cells = all.filter((cell) => cell.group === group);
  const families = group === 'locks' ? byRead(cells) : [{ suffix: '', cells }];
  return {
    charts: families.flatMap(({ suffix, cells: family }) =>
      (AXES[group] ?? []).flatMap((axis) =>
        (DRAWN[group] ?? []).flatMap((metric) => chartOf(family, axis, metric, suffix, LOG_GROUPS.includes(group))),
      ),
    ),
    heats: HEAT_GROUPS.includes(group) ? heatsOf(group, cells) : [],
    waits: barsOf(cells, LEAST_WAIT, ({ lockWait }) => lockWait),
    takes: barsOf(cells, LEAST_TAKES, ({ sharedLocks }) => sharedLocks && eachOf(sharedLocks, 'taken')),
    moves: barsOf(cells, LEAST_TAKES, ({ sharedLocks }) => sharedLocks && eachOf(sharedLocks, 'moved')),
  };
}

/** Locks: a picture for each share of reads. */
const byRead = (cells: readonly BenchCell[]): { suffix: string; cells: BenchCell[] }[] =>
  [...new Set(cells.map(({ params }) => params.read))].map((read) => ({
    suffix: `, ${read} % reads`,
    cells: cells.filter(({ params }) => params.read === read),
  }));

/** The value of each parameter that most cells have: what stays while another moves. */
function baseOf(cells: readonly BenchCell[]): Params {
  const names = [...new Set(cells.flatMap(({ params }) => Object.keys(params)))];
  return Object.fromEntries(
    names.map((name) => {
      const counts = new Map<number | string, number>();
      for (const { params } of cells) counts.set(params[name]!, (counts.get(params[name]!) ?? 0) + 1);
      return [name, [...counts].sort((a, b) => b[1] - a[1])[0]![0]];
    }),
  );
}

/** Cells in which only `axis` moves. */
function alongAxis(cells: readonly BenchCell[], axis: readonly string[]): BenchCell[] {
  const base = baseOf(cells);
  return cells.filter(({ params }) =>
    Object.entries(base).every(([name, value]) => axis.includes(name) || params[name] === value),
  );
}

function chartOf(
  cells: readonly BenchCell[],
  axis: readonly string[],
  metric: MetricName,
  suffix: string,
  logX: boolean,
): BenchChart[] {
  const moved = alongAxis(cells, axis);
  const keyOf = ({ params }: BenchCell): string => axis.map((name) => params[name]).join('/');
  const first = new Map(moved.map((cell) => [keyOf(cell), cell]));
  const order = [...first].sort(([, a], [, b]) => compareParams(a.params, b.params, axis));
  if (order.length < 2) return [];
  const subjects = [...new Set(moved.map(({ subject }) => subject))];
  const { title, unit } = METRICS[metric];
  const lines = subjects.map((name) => {
    const own = order.map(([key], i) => {
      const cell = moved.find((one) => one.subject === name && keyOf(one) === key);
      // What the others are ratios to is none itself: the line begins at 1.
      return cell?.metrics[metric] ?? (unit === 'ratio' && i === 0 && cell !== undefined ? ONE : undefined);
    });
    return {
      name,
      v: own.map((one) => figures(one?.median)),
      lo: own.map((one) => figures(one?.lo)),
      hi: own.map((one) => figures(one?.hi)),
    };
  });
  const drawn = lines.filter(({ v }) => v.some((value, i) => value !== null && (unit !== 'ratio' || i > 0)));
  if (drawn.length === 0) return [];
  const crowded = order.findIndex(([, cell]) => cell.oversubscribed);
  const numbers = order.map(([, { params }]) => Number(params[axis[0]!]));
  const at = logX && numbers.every((n) => n > 0) ? numbers.map(Math.log10) : order.map((_, i) => i);
  return [
    {
      title: `${title[0]!.toUpperCase()}${title.slice(1)}${suffix}`,
      unit,
      log: unit === 'ns',
      xTitle: axis.map((name) => AXIS_TITLES[name] ?? name).join(' / '),
      x: order.map(([key]) => (logX ? grouped(Number(key)) : key)),
      at,
      bound:
        metric === 'growth' && numbers[0]! > 1
          ? { name: 'log n', v: numbers.map((n) => Number(logGrowth(numbers[0]!, n).toPrecision(4))) }
          : null,
      crowdedFrom: crowded < 0 ? order.length : crowded,
      lines: drawn,
    },
  ];
}

const ONE = { median: 1, lo: 1, hi: 1 };

const AXIS_TITLES: Readonly<Record<string, string>> = {
  invalidators: 'threads that invalidate',
  umems: 'umems in the tree',
  overlap: '% of the sections that overlap',
  vmas: 'VMAs',
  mms: 'mms',
  observer: 'who is told',
};

function compareParams(a: Params, b: Params, axis: readonly string[]): number {
  for (const name of axis) {
    const [x, y] = [a[name], b[name]];
    if (typeof x === 'number' && typeof y === 'number' && x !== y) return x - y;
  }
  return 0;
}

/** A pixel shows no more than four figures; a logarithmic axis has no zero, and no figure here is below it. */
const figures = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Number(value.toPrecision(4));

/** For each subject the cell with the most threads: where waits are longest. */
function heatsOf(group: string, cells: readonly BenchCell[]): BenchHeat[] {
  const what = LATENCY_NAMES[group] ?? 'page fault';
  return busiest(group === 'locks' ? cells : alongAxis(cells, ['invalidators'])).flatMap(({ heat, subject, params }) =>
    heat === null ? [] : [{ ...heat, title: `${subject}: ${what}, ${paramWords(params)}` }],
  );
}

/** Parameters as words: `read 50, threads 4`. */
const paramWords = (params: Params): string =>
  Object.entries(params)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

function busiest(cells: readonly BenchCell[]): BenchCell[] {
  const best = new Map<string, BenchCell>();
  for (const cell of cells) {
    const known = best.get(cell.subject);
    if (cell.heat !== null && (known === undefined || cell.threads > known.threads)) best.set(cell.subject, cell);
  }
  return [...best.values()];
}

/** What would not be seen. */
const LEAST_WAIT = 0.0005;
const LEAST_TAKES = 0.005;

const eachOf = (locks: Readonly<Record<string, SharedLock>>, what: keyof SharedLock): Record<string, number> =>
  Object.fromEntries(Object.entries(locks).map(([name, one]) => [name, one[what]]));

/** Means over the rounds, of the cells that differ in threads alone. */
function barsOf(
  cells: readonly BenchCell[],
  least: number,
  figuresOf: (round: BenchRound) => Readonly<Record<string, number>> | undefined,
): LockBar[] {
  const bars = alongAxis(cells, ['invalidators', 'threads', 'mms']).flatMap((cell) => {
    const rounds = cell.rounds.flatMap((round) => {
      const figures = figuresOf(round);
      return figures === undefined ? [] : [figures];
    });
    const title = `${cell.subject}, ${paramWords(cell.params)}`;
    return rounds.length === 0 ? [] : [{ title, parts: partsOf(rounds, least) }];
  });
  return bars.some(({ parts }) => parts.length > 0) ? bars : [];
}

function partsOf(rounds: readonly Readonly<Record<string, number>>[], least: number): LockBar['parts'] {
  const names = [...new Set(rounds.flatMap((one) => Object.keys(one)))];
  return names
    .map((name) => ({ name, value: rounds.reduce((sum, one) => sum + (one[name] ?? 0), 0) / rounds.length }))
    .filter(({ value }) => value >= least)
    .sort((a, b) => b.value - a.value);
}
