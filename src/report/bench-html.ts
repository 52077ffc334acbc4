import type { BenchResult } from '../bench/result.ts';
import { RATIO_STYLE, ratioBars, ratioBarsHtml } from './bench-bars.ts';
import { type BenchChart, type BenchHeat, benchPictures, type LockBar } from './bench-charts.ts';
import { BENCH_SCRIPT } from './bench-html-script.ts';
import { type BenchTable, benchTables, COMPARABLE, legend } from './bench-table.ts';
import { escaped, jsonInHtml } from './html-escape.ts';
import type { ChartLibrary } from './html-report.ts';
import { REPORT_STYLE } from './html-style.ts';

/** Groups of one figure to a reference, without a parameter to draw it against. */
const RATIO_GROUPS = ['primitives'];

const BENCH_STYLE = `
.heats { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: .8rem 1.5rem; }
.heats canvas { display: block; width: 100%; height: 170px; }
.heats h4 { margin: .2rem 0; font-weight: 600; font-size: .85rem; overflow-wrap: anywhere; }
.wait { display: grid; grid-template-columns: minmax(9rem, 24rem) minmax(0, 1fr) 3.2rem; gap: .1rem .8rem; align-items: center; font-size: .85rem; margin: .25rem 0; }
.wait .bar { display: flex; height: 1.1rem; background: var(--panel); }
.wait .bar span, .key span { background: hsl(calc(var(--c) * 83 + 20) var(--sat) var(--lit)); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; font-size: .85rem; }
.key span { display: inline-block; width: .9rem; height: .7rem; margin-right: .35rem; }
details.data { margin: .6rem 0; }
details.data > summary { cursor: pointer; padding: .35rem 0; color: var(--dim); }
details.data > div { overflow-x: auto; }
details.data table { font-size: .85rem; }
details.data th, details.data td { overflow-wrap: normal; }
td.better { color: var(--good); font-weight: 600; } td.worse { color: var(--bad); font-weight: 600; }
@media (max-width: 820px) {
  .wait { grid-template-columns: minmax(0, 1fr) 3.2rem; }
  .wait .name { grid-column: 1 / -1; }
  details.data td:empty { display: none; }
}
`;

/** The page of a bench, with its pictures and the table behind each; it asks nothing of the network. */
export function benchHtml(result: BenchResult, library: ChartLibrary): string {
  const charts: BenchChart[] = [];
  const heats: BenchHeat[] = [];
  const sections = benchTables(result).map((table) => {
    const pictures = benchPictures(result, table.group);
    const html = `<section><h2>${escaped(table.title)}</h2>
${table.notes.map((note) => `<p>${escaped(note)}</p>`).join('\n')}
${chartsHtml(pictures.charts, charts.length)}
${RATIO_GROUPS.includes(table.group) ? ratioBarsHtml(ratioBars(result, table.group)) : ''}
${lockBarsHtml("Part of the threads' time spent waiting, by class of lock", pictures.waits, 1, percent)}
${lockBarsHtml('Locks that both threads take: acquisitions for each refault, by class', pictures.takes, mostOf(pictures.takes), times)}
${lockBarsHtml('Of these, moves of the word from one thread to the other', pictures.moves, mostOf(pictures.takes), times, namesOf(pictures.takes))}
${heatsHtml(pictures.heats, heats.length)}
${tableHtml(table)}
</section>`;
    charts.push(...pictures.charts);
    heats.push(...pictures.heats);
    return html;
  });
  // The machine and the rounds belong to every figure; how to read them can be looked up.
  const [machine, rounds, ...explained] = legend(result);
  const seen = [machine!, rounds!];
  const failed = result.cells.filter(({ failures }) => failures.length > 0);
  const notes = [...result.notes, ...failed.slice(0, 20).map(({ id, failures }) => `${id}: ${failures[0]}`)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escaped(`Bench ${result.runId}`)}</title>
<style>${library.style}${REPORT_STYLE}${BENCH_STYLE}${RATIO_STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(`Bench ${result.runId}`)}</h1>
<pre class="cmd">${escaped(result.command)}</pre>
${paragraphs(seen)}
<p class="dim">In the pictures: a vertical line is the interval; where the ground is shaded there are more threads than cores.</p>
<details class="data"><summary>How to read the figures, and what is comparable</summary>
${paragraphs([...explained, ...COMPARABLE])}
</details>
${notes.length === 0 ? '' : `<ul class="notes">${notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`}
<noscript><p class="dim">The pictures need a script; the tables do not.</p></noscript>
</header>
<main>
${sections.join('\n')}
</main>
<script>${library.script}</script>
<script type="application/json" id="data">${jsonInHtml({ charts, heats })}</script>
<script>${BENCH_SCRIPT}</script>
</body>
</html>
`;
}

const paragraphs = (lines: readonly string[]): string =>
  lines.map((line) => `<p class="dim">${escaped(line)}</p>`).join('\n');

const chartsHtml = (charts: readonly BenchChart[], first: number): string =>
  charts.length === 0
    ? ''
    : `<div class="charts">
${charts
  .map(
    ({ title }, i) =>
      `<div class="chart"><h3>${escaped(title)}</h3><div id="chart${first + i}" role="img" aria-label="${escaped(title)}"></div></div>`,
  )
  .join('\n')}
</div>`;

const heatsHtml = (heats: readonly BenchHeat[], first: number): string =>
  heats.length === 0
    ? ''
    : `<h3>Latency over the time of a cell</h3>
<div class="heats">
${heats
  .map(
    ({ title }, i) =>
      `<div><h4>${escaped(title)}</h4><canvas id="heat${first + i}" role="img" aria-label="${escaped(title)}"></canvas></div>`,
  )
  .join('\n')}
</div>`;

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
const namesOf = (bars: readonly LockBar[]): string[] => [
  ...new Set(bars.flatMap(({ parts }) => parts.map(({ name }) => name))),
];
const times = (n: number): string => n.toFixed(2);
const sumOf = ({ parts }: LockBar): number => parts.reduce((total, { value }) => total + value, 0);
const mostOf = (bars: readonly LockBar[]): number => Math.max(0, ...bars.map(sumOf));

/** Bars side by side, each part in the colour of its class; `whole` is as long as the track. */
function lockBarsHtml(
  title: string,
  bars: readonly LockBar[],
  whole: number,
  words: (value: number) => string,
  names: readonly string[] = namesOf(bars),
): string {
  if (bars.length === 0) return '';
  const rows = bars.map((bar) => {
    const spans = bar.parts.map(
      ({ name, value }) =>
        `<span style="--c:${names.indexOf(name)};width:${percent(Math.min(1, value / whole))}" title="${escaped(`${name} ${words(value)}`)}"></span>`,
    );
    return `<div class="wait"><span class="name">${escaped(bar.title)}</span><span class="bar">${spans.join('')}</span><span class="r">${words(sumOf(bar))}</span></div>`;
  });
  const key = names.map((name, i) => `<li><span style="--c:${i}"></span>${escaped(name)}</li>`);
  return `<h3>${escaped(title)}</h3>
<ul class="key">${key.join('')}</ul>
${rows.join('\n')}`;
}

function tableHtml({ columns, rows, title }: BenchTable): string {
  const head = columns.map((column) => `<th${column.right === true ? ' class="r"' : ''}>${escaped(column.title)}</th>`);
  const cell = (text: string, i: number): string => {
    const column = columns[i]!;
    const classes = [...(column.right === true ? ['r'] : []), ...(text === 'better' || text === 'worse' ? [text] : [])];
    return `<td${classes.length === 0 ? '' : ` class="${classes.join(' ')}"`} data-label="${escaped(column.title)}">${escaped(text)}</td>`;
  };
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`);
  return `<details class="data"><summary>Table: ${escaped(title)} (${rows.length} rows)</summary>
<div><table class="cards"><thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div></details>`;
}
