import { METRICS, type MetricName } from '../bench/metrics.ts';
import type { BenchCell, BenchResult, Heat, Params } from '../bench/result.ts';

/** A figure of several subjects against one parameter, as the page's script draws it. Columns beside `x`; null where there is none. */
export interface BenchChart {
  readonly title: string;
  readonly unit: 'ns' | '/s' | 'share' | 'count';
  /** Latencies spread over decades. */
  readonly log: boolean;
  readonly xTitle: string;
  readonly x: readonly string[];
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

/** Waited time by class of lock, for one cell: parts of the threads' time, the largest first. */
export interface WaitBar {
  readonly title: string;
  readonly parts: readonly { readonly name: string; readonly share: number }[];
}

/** What is drawn of a group of cells. */
export interface BenchPictures {
  readonly charts: readonly BenchChart[];
  readonly heats: readonly BenchHeat[];
  readonly waits: readonly WaitBar[];
}

/** Figures that get a chart for each parameter. */
const DRAWN: Readonly<Record<string, readonly MetricName[]>> = {
  locks: ['opsPerSec', 'waitP99', 'cpuNsPerOp'],
  load: ['faultsPerSec', 'faultP99', 'sectionsPerSec'],
  register: ['registrationsPerSec', 'registerP99'],
  refault: ['refaultNs', 'cpuNsPerOp'],
  scaling: ['refaultsPerSec'],
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

const LATENCY_NAMES: Readonly<Record<string, string>> = { locks: 'time to get the lock', register: 'registration' };
const HEAT_GROUPS = ['locks', 'load', 'register'];

/** What can be drawn of one group. */
export function benchPictures({ cells: all }: Pick<BenchResult, 'cells'>, group: string): BenchPictures {
  const cells = all.filter((cell) => cell.group === group);
  const families = group === 'locks' ? byRead(cells) : [{ suffix: '', cells }];
  return {
    charts: families.flatMap(({ suffix, cells: family }) =>
      (AXES[group] ?? []).flatMap((axis) =>
        (DRAWN[group] ?? []).flatMap((metric) => chartOf(family, axis, metric, suffix)),
      ),
    ),
    heats: HEAT_GROUPS.includes(group) ? heatsOf(group, cells) : [],
    waits: waitsOf(cells),
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
): BenchChart[] {
  const moved = alongAxis(cells, axis);
  const keyOf = ({ params }: BenchCell): string => axis.map((name) => params[name]).join('/');
  const first = new Map(moved.map((cell) => [keyOf(cell), cell]));
  const order = [...first].sort(([, a], [, b]) => compareParams(a.params, b.params, axis));
  if (order.length < 2) return [];
  const subjects = [...new Set(moved.map(({ subject }) => subject))];
  const lines = subjects.map((name) => {
    const own = order.map(
      ([key]) => moved.find((cell) => cell.subject === name && keyOf(cell) === key)?.metrics[metric],
    );
    return {
      name,
      v: own.map((one) => figures(one?.median)),
      lo: own.map((one) => figures(one?.lo)),
      hi: own.map((one) => figures(one?.hi)),
    };
  });
  const drawn = lines.filter(({ v }) => v.some((value) => value !== null));
  if (drawn.length === 0) return [];
  const { title, unit } = METRICS[metric];
  const crowded = order.findIndex(([, cell]) => cell.oversubscribed);
  return [
    {
      title: `${title[0]!.toUpperCase()}${title.slice(1)}${suffix}`,
      unit,
      log: unit === 'ns',
      xTitle: axis.map((name) => AXIS_TITLES[name] ?? name).join(' / '),
      x: order.map(([key]) => key),
      crowdedFrom: crowded < 0 ? order.length : crowded,
      lines: drawn,
    },
  ];
}

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

/** Medians over the rounds, of the cells that differ in threads alone. */
function waitsOf(cells: readonly BenchCell[]): WaitBar[] {
  const bars = alongAxis(cells, ['invalidators', 'threads', 'mms']).map((cell) => ({
    title: `${cell.subject}, ${paramWords(cell.params)}`,
    parts: waitParts(cell),
  }));
  return bars.some(({ parts }) => parts.length > 0) ? bars : [];
}

function waitParts({ rounds }: BenchCell): WaitBar['parts'] {
  const names = [...new Set(rounds.flatMap(({ lockWait }) => Object.keys(lockWait)))];
  return names
    .map((name) => ({
      name,
      share: rounds.reduce((sum, { lockWait }) => sum + (lockWait[name] ?? 0), 0) / rounds.length,
    }))
    .filter(({ share }) => share >= 0.0005)
    .sort((a, b) => b.share - a.share);
}
