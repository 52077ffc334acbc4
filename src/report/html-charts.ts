import { thinned } from '../results/series.ts';
import type { SeriesPoint } from '../results/soak-types.ts';
import type { ReportModel } from './soak-model.ts';

/** A chart as the page's script draws it; values as columns beside `t`, null where there is none. */
export interface Chart {
  readonly title: string;
  /** How values are written: a count, nanoseconds, megabytes, milliseconds. */
  readonly unit: 'count' | 'ns' | 'MB' | 'ms';
  readonly log?: true;
  /** A sum: it stays as it is from one point to the next. */
  readonly stepped?: true;
  /** Over both columns of the page. */
  readonly wide?: true;
  /** Which of the page's two time axes. */
  readonly axis: 'series' | 'trends';
  readonly lines: readonly { readonly name: string; readonly v: readonly (number | null)[] }[];
}

export interface ChartData {
  /** Seconds of soak. */
  readonly t: { readonly series: readonly number[]; readonly trends: readonly number[] };
  readonly charts: readonly Chart[];
  /** First sight of signatures, by their row in the table. */
  readonly marks: readonly { readonly t: number; readonly n: number; readonly bad: boolean }[];
  /** Ends of sessions that were resumed. */
  readonly resumes: readonly number[];
}

/** Points of a chart at most: more than a screen has columns to show them in. */
const POINTS_DRAWN = 1200;
const MARKS_DRAWN = 20;

/** Columns of the time series for the page; null when there is nothing to draw. */
export function chartData(model: ReportModel): ChartData | null {
  const points = thinned(model.series, POINTS_DRAWN);
  const charts = [...seriesCharts(points), ...trendCharts(model)];
  if (charts.length === 0) return null;
  let elapsed = 0;
  const ends = model.sessions.map((session) => (elapsed += session.elapsedMs));
  return {
    t: { series: points.map(({ t }) => seconds(t)), trends: model.trends.t.map(seconds) },
    charts,
    marks: model.signatures
      .slice(0, MARKS_DRAWN)
      .map(({ first, expected, canary }, i) => ({ t: seconds(first.t), n: i + 1, bad: expected === 'no' && !canary })),
    resumes: ends.slice(0, -1).map(seconds),
  };
}

const seconds = (ms: number): number => Number((ms / 1000).toFixed(1));
/** A pixel shows no more than four figures. */
const figures = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(4)));
/** A logarithmic axis has no zero. */
const positive = (value: number): number | null => (value > 0 ? value : null);

function seriesCharts(points: readonly SeriesPoint[]): Chart[] {
  if (points.length < 2) return [];
  const line = (name: string, of: (point: SeriesPoint, i: number) => number | null) => ({
    name,
    v: points.map((point, i) => figures(of(point, i))),
  });
  const rate = (name: string) => line(name, (point) => point.rates[name] ?? null);
  const perSecond = (of: (point: SeriesPoint) => number) => (point: SeriesPoint, i: number) => {
    const before = points[i - 1];
    return before === undefined ? null : (Math.max(0, of(point) - of(before)) * 1000) / (point.t - before.t);
  };
  const quantile = (what: 'fault' | 'section', q: 'p50' | 'p99') =>
    line(`${what} ${q}`, ({ latency }) => (latency === null ? null : positive(latency[what][q])));
  const named = [...new Set(points.flatMap(({ rates }) => Object.keys(rates)))];
  const wide = ['operations', 'sections'].filter((name) => named.includes(name));
  const others = named.filter((name) => !wide.includes(name));
  const axis = 'series';
  const charts: Chart[] = [
    {
      title: 'Violations, summed, canaries included',
      unit: 'count',
      axis,
      ...{ stepped: true, wide: true },
      lines: [line('violations', (point) => point.violations)],
    },
    {
      title: 'Exposures a second',
      unit: 'count',
      axis,
      lines: [
        line(
          'exposures',
          perSecond((point) => point.exposures),
        ),
      ],
    },
    { title: 'Faults and registrations a second', unit: 'count', axis, lines: others.map(rate) },
    { title: 'Operations and sections a second', unit: 'count', axis, lines: wide.map(rate) },
    {
      title: 'Latency',
      unit: 'ns',
      log: true,
      axis,
      lines: [
        quantile('fault', 'p50'),
        quantile('fault', 'p99'),
        quantile('section', 'p50'),
        quantile('section', 'p99'),
      ],
    },
    {
      title: 'Memory of the process',
      unit: 'MB',
      axis,
      lines: [line('resident', (point) => point.rssMb), line('heap', (point) => point.heapMb)],
    },
    {
      title: 'Longest stall of the event loop',
      unit: 'ms',
      axis,
      lines: [line('stall', (point) => point.eventLoopMaxMs)],
    },
    {
      title: 'Race log: records a second',
      unit: 'count',
      axis,
      lines: [
        line(
          'written',
          perSecond(({ log }) => log.written),
        ),
        line(
          'lost',
          perSecond(({ log }) => log.lost),
        ),
      ],
    },
    {
      title: 'Race log: size of its last file',
      unit: 'MB',
      axis,
      stepped: true,
      lines: [line('on disk', ({ log }) => log.bytes / 1e6)],
    },
  ];
  return charts.filter(drawable);
}

const drawable = ({ lines }: Chart): boolean => lines.some(({ v }) => v.some((value) => value !== null));

/** A strategy's speed over the soak: whether it, or the machine, grew slower. */
function trendCharts({ kind, trends }: ReportModel): Chart[] {
  if (kind !== 'soak' || trends.rows.length === 0) return [];
  const lines = trends.rows.map(({ strategy, faultsPerSecond }) => ({
    name: strategy,
    v: faultsPerSecond.map(figures),
  }));
  return [{ title: 'Faults a second, by strategy', unit: 'count', axis: 'trends', wide: true, lines }];
}
