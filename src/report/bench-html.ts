import type { BenchResult } from '../bench/result.ts';
import { type BenchChart, type BenchHeat, benchPictures, type WaitBar } from './bench-charts.ts';
import { BENCH_SCRIPT } from './bench-html-script.ts';
import { type BenchTable, benchTables, COMPARABLE, legend } from './bench-table.ts';
import { escaped, jsonInHtml } from './html-escape.ts';
import type { ChartLibrary } from './html-report.ts';
import { REPORT_STYLE } from './html-style.ts';

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
${chartsHtml(pictures.charts, charts.length)}
${waitsHtml(pictures.waits)}
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
<style>${library.style}${REPORT_STYLE}${BENCH_STYLE}</style>
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

function waitsHtml(waits: readonly WaitBar[]): string {
  if (waits.length === 0) return '';
  const names = [...new Set(waits.flatMap(({ parts }) => parts.map(({ name }) => name)))];
  const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
  const bars = waits.map(({ title, parts }) => {
    const spans = parts.map(
      ({ name, share }) =>
        `<span style="--c:${names.indexOf(name)};width:${percent(Math.min(1, share))}" title="${escaped(`${name} ${percent(share)}`)}"></span>`,
    );
    const sum = parts.reduce((total, { share }) => total + share, 0);
    return `<div class="wait"><span class="name">${escaped(title)}</span><span class="bar">${spans.join('')}</span><span class="r">${percent(sum)}</span></div>`;
  });
  const key = names.map((name, i) => `<li><span style="--c:${i}"></span>${escaped(name)}</li>`);
  return `<h3>Part of the threads' time spent waiting, by class of lock</h3>
<ul class="key">${key.join('')}</ul>
${bars.join('\n')}`;
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
