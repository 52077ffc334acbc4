import { formatDuration } from '../scenario/duration.ts';
import { grouped } from './format.ts';
import { type Chart, chartData } from './html-charts.ts';
import { escaped, jsonInHtml } from './html-escape.ts';
import { REPORT_SCRIPT } from './html-script.ts';
import { signaturesHtml } from './html-signatures.ts';
import { REPORT_STYLE } from './html-style.ts';
import { entriesHtml, environmentHtml, locksHtml } from './html-tables.ts';
import { type ReportModel, sumOf, violationsOf } from './soak-model.ts';
import { clockWords, judgedEntries, stateWords, verdictLines, verdictWords } from './soak-words.ts';

/** uPlot as its package ships it for a script element: it goes into the page, which asks nothing of the network. */
export interface ChartLibrary {
  readonly script: string;
  readonly style: string;
}

/** The morning's page: the verdict, what was found, and how the night went. */
export function reportHtml(model: ReportModel, library: ChartLibrary): string {
  const data = chartData(model);
  const title = `${verdictWords(model)}: ${model.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${data === null ? '' : library.style}${REPORT_STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(model.name)}</h1>
<p class="dim">${escaped(`odptorture ${model.command}, seed ${model.seed}, started ${clockWords(model.startedAt)}, ${stateWords(model.state)}`)}</p>
${verdictHtml(model)}
${model.notes.length === 0 ? '' : `<ul class="notes">${model.notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`}
</header>
<main>
${signaturesHtml(model.signatures)}
${data === null ? '' : chartsHtml(model, data.charts)}
${entriesHtml(model.entries)}
${locksHtml(model.entries)}
${environmentHtml(model)}
</main>
${data === null ? '' : scriptsHtml(data, library)}</body>
</html>
`;
}

function verdictHtml(model: ReportModel): string {
  const entries = judgedEntries(model);
  const sum = (of: (entry: (typeof entries)[number]) => number): number =>
    entries.reduce((total, entry) => total + of(entry), 0);
  const facts: [string, string][] = [
    ['ran for', formatDuration(model.elapsedMs)],
    ['cells', grouped(model.cells)],
    ['violations', grouped(sum(violationsOf))],
    ['exposures', grouped(sum((entry) => sumOf(entry.exposures)))],
    ['faults', grouped(sum((entry) => entry.faults.committed))],
    ['sections', grouped(sum((entry) => entry.operations.section ?? 0))],
    ['signatures', grouped(model.signatures.filter((row) => !row.canary).length)],
  ];
  return `<div class="verdict ${model.verdict}">
<p class="word">${escaped(verdictWords(model))}</p>
<ul>${verdictLines(model)
    .map((line) => `<li>${escaped(line)}</li>`)
    .join('')}</ul>
<dl class="facts">${facts.map(([name, text]) => `<div><dt>${name}</dt><dd>${text}</dd></div>`).join('')}</dl>
</div>`;
}

function chartsHtml({ signatures, sessions }: ReportModel, charts: readonly Chart[]): string {
  const marks =
    signatures.length > 0 ? ' A numbered mark: the first sight of the signature in that row of the table.' : '';
  const resumed = sessions.length > 1 ? ' A dotted line: the soak was resumed there.' : '';
  const frames = charts.map(
    ({ title, wide }, i) =>
      `<div class="chart${wide === true ? ' wide' : ''}"><h3>${escaped(title)}</h3><div id="chart${i}" role="img" aria-label="${escaped(title)}"></div></div>`,
  );
  return `<section aria-labelledby="time"><h2 id="time">Over time</h2>
<p class="dim">Time that the soak ran, without pauses between its sessions, in hours, minutes and seconds. Drag to zoom, double-click for all.${marks}${resumed}</p>
<noscript><p class="dim">The charts need a script.</p></noscript>
<div class="charts">
${frames.join('\n')}
</div></section>`;
}

const scriptsHtml = (data: unknown, library: ChartLibrary): string => `<script>${library.script}</script>
<script type="application/json" id="data">${jsonInHtml(data)}</script>
<script>${REPORT_SCRIPT}</script>
`;
