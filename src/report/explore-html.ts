import type { Picture } from '../explore/replay/picture.ts';
import { pointName } from '../trace/points.ts';
import { counted, repeatText, stepText } from './explore-columns.ts';
import { PAGE_SCRIPT } from './explore-html-script.ts';
import { PAGE_STYLE } from './explore-html-style.ts';
import { collapseSteps, type Drawn } from './explore-repeats.ts';
import { escaped, jsonInHtml } from './html-escape.ts';
import { pointWords } from './point-words.ts';

/** What the page's script gets; see there. */
interface PageData {
  readonly steps: number;
  readonly words: readonly { readonly name: string; readonly initial: number | null }[];
  readonly locks: readonly string[];
  readonly rows: readonly {
    /** Number of its step, from 1. */
    readonly n: number;
    readonly switch: boolean;
    /** Words that it, and the steps it stands for, have read or written: index, value. */
    readonly set: readonly (readonly [number, number])[];
    /** Who holds each lock then, by index. */
    readonly locks: Readonly<Record<number, string>>;
  }[];
  /** For each label the row before which it stands. */
  readonly labels: readonly number[];
}

const MAX_BARS = 6;

/** A schedule as a page of its own, without anything from the network: a column a thread, to be stepped through. */
export function raceHtml(picture: Picture): string {
  const shown = picture.threads.map((_, tid) => tid).filter((tid) => picture.steps.some((step) => step.tid === tid));
  const drawn = collapseSteps(picture.steps);
  const data = pageData(picture, drawn);
  const title = `${picture.finding?.oracle ?? picture.outcome} in ${picture.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<p>${counted(picture.steps.length, 'step')}, ${counted(picture.preemptions, 'preemption')}</p>
${picture.notes.map((note) => `<p class="note">${escaped(note)}</p>`).join('\n')}
${findingHtml(picture)}
</header>
${navHtml(drawn.length)}
<main>
<section>
${tableHtml(picture, drawn, shown, data)}
<p class="legend">${escaped(legend(picture, shown))}</p>
</section>
${asideHtml(data)}
</main>
<script type="application/json" id="data">${jsonInHtml(data)}</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function findingHtml({ finding, outcome }: Picture): string {
  const text = finding === null ? `Nothing was found; the schedule ended: ${outcome}` : finding.text;
  const strong = finding === null ? '' : `<strong>${escaped(finding.oracle)}</strong> `;
  return `<p id="finding" class="finding${finding === null ? ' none' : ''}">${strong}${escaped(text)}</p>`;
}

const navHtml = (rows: number): string => `<nav id="nav" aria-label="Steps" hidden>
<button id="first" title="Before the first step (Home)" aria-label="First">|&#x25c0;</button>
<button id="back" title="A step back (left arrow)" aria-label="Back">&#x25c0;</button>
<button id="on" title="A step on (right arrow)" aria-label="On">&#x25b6;</button>
<button id="last" title="To the end (End)" aria-label="Last">&#x25b6;|</button>
<button id="switch" title="To the next preemption (s)">Next switch</button>
<input id="slider" type="range" min="0" max="${rows}" value="${rows}" aria-label="Step">
<output id="where" aria-live="polite"></output>
</nav>`;

function tableHtml(picture: Picture, drawn: readonly Drawn[], shown: readonly number[], data: PageData): string {
  const heads = shown.map((tid) => `<th class="thread" style="--t:${tid}">${escaped(picture.threads[tid]!)}</th>`);
  let label = 0;
  const labelsBefore = (row: number): string => {
    let html = '';
    for (; label < data.labels.length && data.labels[label]! <= row; label++)
      html += labelRow(picture, shown, label, drawn[row - 1]?.index ?? -1);
    return html;
  };
  const rows = drawn.map(
    (one, k) => `${labelsBefore(k)}${divergedRow(picture, shown, one)}${stepRow(picture, shown, one, k)}`,
  );
  return `<table>
<thead><tr><th class="n">step</th>${heads.join('')}</tr></thead>
<tbody>
${rows.join('')}${labelsBefore(drawn.length)}${divergedRow(picture, shown, null)}</tbody>
</table>`;
}

/** The cells of a row: `text` in the column of its thread, the locks that each thread holds as bars. */
function cells(picture: Picture, shown: readonly number[], at: number, tid: number, text: string): string {
  return shown
    .map((one) => {
      const bars = Math.min(MAX_BARS, at < 0 ? 0 : (picture.steps[at]!.held[one]?.length ?? 0));
      const own = one === tid ? ` own" data-thread="${escaped(picture.threads[one]!)}` : '';
      return `<td class="c${own}" style="--bars:${bars};--t:${one}">${one === tid ? escaped(text) : ''}</td>`;
    })
    .join('');
}

function stepRow(picture: Picture, shown: readonly number[], { step, index, times, period }: Drawn, k: number): string {
  const classes = `step${step.preempts ? ' switch' : ''}${step.racing ? ' race' : ''}`;
  return `<tr id="s${k}" class="${classes}"><td class="n">${index + 1}</td>${cells(picture, shown, index, step.tid, stepText(step) + repeatText(times, period))}</tr>\n`;
}

function labelRow(picture: Picture, shown: readonly number[], n: number, at: number): string {
  const label = sortedLabels(picture)[n]!;
  const text = pointWords(pointName(label.point), label.args);
  return `<tr id="p${n}" class="label"><td class="n"></td>${cells(picture, shown, at, label.tid, text)}</tr>\n`;
}

/** `one` null: behind the last step. */
function divergedRow({ divergence, steps }: Picture, shown: readonly number[], one: Drawn | null): string {
  const at = one === null ? steps.length : one.index;
  if (divergence === null || divergence.step !== at) return '';
  const text = `Not as recorded: expected ${divergence.expected}; found ${divergence.found}`;
  return `<tr class="odd"><td class="n">${at + 1}</td><td colspan="${shown.length}">${escaped(text)}</td></tr>\n`;
}

const sortedLabels = (picture: Picture) => [...picture.labels].sort((a, b) => a.step - b.step);

function asideHtml(data: PageData): string {
  const list = (title: string, names: readonly string[], prefix: string): string =>
    names.length === 0
      ? ''
      : `<h2>${title}</h2>\n<dl>${names.map((name, i) => `<dt>${escaped(name)}</dt><dd id="${prefix}${i}"></dd>`).join('')}</dl>\n`;
  const words = list(
    'Words',
    data.words.map((word) => word.name),
    'w',
  );
  return `<aside aria-label="State">\n${words}${list('Locks', data.locks, 'l')}</aside>`;
}

function pageData(picture: Picture, drawn: readonly Drawn[]): PageData {
  const words = new Map<string, { index: number; initial: number | null }>();
  const locks = new Map<string, number>();
  for (const step of picture.steps) {
    if (step.after !== null && !words.has(step.object))
      words.set(step.object, { index: words.size, initial: step.before });
    for (const held of step.held) for (const { name } of held) if (!locks.has(name)) locks.set(name, locks.size);
  }
  const rows = drawn.map(({ step, index, from }) => ({
    n: index + 1,
    switch: step.preempts,
    set: picture.steps
      .slice(from + 1, index + 1)
      .flatMap(({ object, after }) => (after === null ? [] : [[words.get(object)!.index, after] as const])),
    locks: holders(picture, index, locks),
  }));
  return {
    steps: picture.steps.length,
    words: [...words].map(([name, { initial }]) => ({ name, initial })),
    locks: [...locks.keys()],
    rows,
    labels: sortedLabels(picture).map((label) => {
      const row = drawn.findIndex((one) => one.index >= label.step);
      return row < 0 ? drawn.length : row;
    }),
  };
}

function holders(picture: Picture, index: number, locks: ReadonlyMap<string, number>): Record<number, string> {
  const by: Record<number, string> = {};
  picture.steps[index]!.held.forEach((held, tid) => {
    for (const { name, mode } of held) {
      const l = locks.get(name)!;
      const who = `${picture.threads[tid]} ${mode}`;
      by[l] = by[l] === undefined ? who : `${by[l]}, ${who}`;
    }
  });
  return by;
}

function legend(picture: Picture, shown: readonly number[]): string {
  const silent = picture.threads.filter((_, tid) => !shown.includes(tid));
  return [
    'A bar: the thread holds a lock. ~ and a dashed line: another thread was stopped here that could have gone on.',
    ...(picture.steps.some((step) => step.racing) ? ['Race: the two steps whose order decides.'] : []),
    ...(silent.length > 0 ? [`Not drawn, without a step: ${silent.join(', ')}.`] : []),
  ].join(' ');
}
