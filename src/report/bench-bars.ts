import { GROUP_METRICS } from '../bench/metrics.ts';
import type { BenchRatio, BenchResult, FiniteEstimate } from '../bench/result.ts';
import { figure, ratioWords, verdictWord } from './bench-figures.ts';
import { escaped } from './html-escape.ts';

/** Ratios of a group's main figure to its reference, as bars on one logarithmic axis. */
export interface RatioBars {
  /** `inline-futex (20.2ns)`. */
  readonly reference: string;
  readonly rows: readonly RatioBar[];
  /** Round values, and where they stand: 0 left, 1 right. */
  readonly ticks: readonly { readonly label: string; readonly at: number }[];
}

interface RatioBar {
  readonly name: string;
  readonly ratio: FiniteEstimate;
  readonly verdict: string;
  /** `20.2ns`. */
  readonly figure: string;
  /** Places on the axis: of the ratio 1, where a bar begins; of the median; and of the interval's ends. */
  readonly one: number;
  readonly median: number;
  readonly lo: number;
  readonly hi: number;
}

/** Beside the outermost values, as a part of a tenfold. */
const MARGIN = 0.08;

/** Null where nothing can be drawn: no ratios, or none above 0. */
export function ratioBars({ cells, ratios }: Pick<BenchResult, 'cells' | 'ratios'>, group: string): RatioBars | null {
  const metric = GROUP_METRICS[group]?.[0];
  if (metric === undefined) return null;
  const own = cells.flatMap((cell) => {
    const ratio = ratios.find((one) => one.cell === cell.id && one.metric === metric);
    return cell.group !== group || ratio === undefined || !drawable(ratio) ? [] : [{ cell, ratio }];
  });
  if (own.length === 0) return null;
  const ends = own.flatMap(({ ratio }) => [Math.log10(ratio.ratio.lo!), Math.log10(ratio.ratio.hi!)]);
  const from = Math.min(0, ...ends) - MARGIN;
  const to = Math.max(0, ...ends) + MARGIN;
  const place = (value: number): number => (Math.log10(value) - from) / (to - from);
  const reference = cells.find(({ id }) => id === own[0]!.ratio.reference);
  return {
    reference:
      reference === undefined
        ? 'the reference'
        : `${reference.subject} (${figure(metric, reference.metrics[metric]?.median ?? null)})`,
    rows: own.map(({ cell, ratio }) => ({
      name: cell.subject,
      ratio: ratio.ratio,
      verdict: verdictWord(ratio),
      figure: figure(metric, cell.metrics[metric]?.median ?? null),
      one: place(1),
      median: place(ratio.ratio.median!),
      lo: place(ratio.ratio.lo!),
      hi: place(ratio.ratio.hi!),
    })),
    ticks: ticksBetween(from, to).map((value) => ({ label: `x${value}`, at: place(value) })),
  };
}

/** Powers of ten between two logarithms; where these are few, twice and five times each as well. */
function ticksBetween(from: number, to: number): number[] {
  const steps = to - from > 2 ? [1] : [1, 2, 5];
  const tens = Array.from({ length: Math.ceil(to) - Math.floor(from) }, (_, i) => Math.floor(from) + i);
  return tens
    .flatMap((ten) => steps.map((step) => Number((step * 10 ** ten).toPrecision(1))))
    .filter((value) => Math.log10(value) >= from && Math.log10(value) <= to);
}

const drawable = ({ ratio: { median, lo, hi } }: BenchRatio): boolean =>
  [median, lo, hi].every((value) => value !== null && value > 0);

export const RATIO_STYLE = `
.ratio { display: grid; grid-template-columns: minmax(9rem, 15rem) minmax(0, 1fr) 4.5rem 10.5rem; gap: .1rem .8rem; align-items: center; font-size: .85rem; margin: .2rem 0; }
.ratio .track { position: relative; height: 1.1rem; background: var(--panel); }
.ratio .track > * { position: absolute; }
.ratio .tick { top: 0; bottom: 0; width: 1px; background: var(--line); }
.ratio .tick.one { background: var(--dim); }
.ratio .bar { top: .15rem; bottom: .15rem; min-width: 2px; background: hsl(215 var(--sat) var(--lit) / .55); }
.ratio .interval { top: calc(50% - .75px); height: 1.5px; min-width: 1.5px; background: var(--text); }
.ratio.axis .track { background: none; }
.ratio.axis .track span { transform: translateX(-50%); color: var(--dim); }
@media (max-width: 820px) {
  .ratio { grid-template-columns: minmax(0, 1fr) 4.5rem 10rem; }
  .ratio .track { grid-column: 1 / -1; grid-row: 2; }
}
`;

const percent = (part: number): string => `${(part * 100).toFixed(2)}%`;

/** The bars as elements: they need no script. */
export function ratioBarsHtml(bars: RatioBars | null): string {
  if (bars === null) return '';
  const lines = bars.ticks.map(
    ({ label, at }) => `<i class="tick${label === 'x1' ? ' one' : ''}" style="left:${percent(at)}"></i>`,
  );
  const rows = bars.rows.map(({ name, ratio, verdict, figure: time, one, median, lo, hi }) => {
    const words = ratioWords(ratio);
    const bar = `<span class="bar" style="left:${percent(Math.min(one, median))};width:${percent(Math.abs(median - one))}"></span>`;
    const interval = `<span class="interval" style="left:${percent(lo)};width:${percent(hi - lo)}"></span>`;
    return `<div class="ratio" title="${escaped(`${name}: ${time}, ${words}, ${verdict}`)}"><span class="name">${escaped(name)}</span><span class="track">${lines.join('')}${bar}${interval}</span><span class="r">${escaped(time)}</span><span class="r">${escaped(words)}</span></div>`;
  });
  const labels = bars.ticks.map(({ label, at }) => `<span style="left:${percent(at)}">${escaped(label)}</span>`);
  return `<h3>${escaped(`Time of one operation, to that of ${bars.reference} in the same round`)}</h3>
<p class="dim">A bar goes from x1 to the median; the line on it is the interval. Logarithmic.</p>
${rows.join('\n')}
<div class="ratio axis" aria-hidden="true"><span class="name"></span><span class="track">${labels.join('')}</span><span></span><span></span></div>`;
}
