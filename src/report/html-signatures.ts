import { grouped, short } from './format.ts';
import { escaped } from './html-escape.ts';
import { lockdepReport } from './lockdep.ts';
import type { SignatureRow } from './soak-model.ts';
import { clockWords, countWords, expectationWords, placeWords, timeWords } from './soak-words.ts';
import { factWords, type TimelineLayout, timelineLayout } from './timeline.ts';

/** Timelines drawn in a page, and rows of each: what keeps it small whatever was found. */
const TIMELINES_DRAWN = 60;
const ROWS_DRAWN = 40;
const COLUMNS = 5;
/** Rows of the table that stand open, and in all; the checkpoint has all. */
const SIGNATURES_OPEN = 20;
const SIGNATURES_SHOWN = 400;

/** The table of signatures. Row `n` (from 1) is element `sig<n>`; marks over the charts carry the same number. */
export function signaturesHtml(signatures: readonly SignatureRow[]): string {
  if (signatures.length === 0) return '';
  const shown = signatures.slice(0, SIGNATURES_SHOWN);
  const left = signatures.length - shown.length;
  const rows = shown.map((row, i) => signatureHtml(row, i + 1));
  const rest = rows.slice(SIGNATURES_OPEN);
  const more = left > 0 ? `<p class="dim">${grouped(left)} more, less frequent: see checkpoint.json.</p>` : '';
  return `<section aria-labelledby="found">
<h2 id="found">Signatures</h2>
<p class="dim">One row for each kind of violation: who noticed it, and where that thread stood. Open a row for its first timeline and the command that repeats it.</p>
<div class="sigs">
<div class="sig-head" aria-hidden="true"><span></span><span>oracle</span><span>strategy</span><span>at</span><span class="r">count</span><span class="r">an hour</span><span class="r">first</span><span class="r">last</span><span></span></div>
${rows.slice(0, SIGNATURES_OPEN).join('\n')}
${rest.length === 0 ? '' : `<details class="more"><summary>${grouped(rest.length)} less frequent</summary>\n${rest.join('\n')}\n</details>`}
</div>
${more}</section>`;
}

function signatureHtml(row: SignatureRow, n: number): string {
  const open = n === 1 && row.expected === 'no' && !row.canary ? ' open' : '';
  const kind = row.canary ? 'canary' : row.expected;
  const cell = (name: string, label: string, text: string): string =>
    `<span class="${name}"${label === '' ? '' : ` data-label="${label}"`}>${escaped(text)}</span>`;
  return `<details id="sig${n}" class="sig ${kind}"${open}>
<summary>${[
    cell('num', '', String(n)),
    cell('oracle', '', row.oracle),
    cell('strategy', '', row.strategy),
    cell('at', '', placeWords(row)),
    cell('r', 'count', countWords(row)),
    cell('r', 'an hour', row.atLeast ? '-' : short(row.perHour)),
    cell('r', 'first', timeWords(row.first.t)),
    cell('r', 'last', timeWords(row.last.t)),
    cell('tag', '', expectationWords(row)),
  ].join('')}</summary>
${bodyHtml(row, n <= TIMELINES_DRAWN)}
</details>`;
}

function bodyHtml(row: SignatureRow, draw: boolean): string {
  const seen = [
    `seen in ${grouped(row.cells)} ${row.cells === 1 ? 'cell' : 'cells'} of ${row.scenarios.join(', ')}`,
    `first in cell ${row.first.cell}${row.first.at === null ? '' : `, ${clockWords(row.first.at)}`}`,
    `last in cell ${row.last.cell}${row.last.at === null ? '' : `, ${clockWords(row.last.at)}`}`,
  ].join('; ');
  const { record } = row;
  const drawn =
    record === null
      ? '<p class="dim">No record of it is in the race log: only its count is known.</p>'
      : draw
        ? timelineHtml(row, record)
        : '<p class="dim">Not drawn here: its record is in the race log.</p>';
  return `<div class="sig-body"><p class="dim">${escaped(seen)}.</p>${drawn}${repeatHtml(row.repeat)}</div>`;
}

function repeatHtml(repeat: SignatureRow['repeat']): string {
  if (repeat.length === 0) return '';
  const commands = repeat.map(
    ({ command, how }) => `<pre class="cmd">${escaped(command)}</pre><p class="how">${escaped(how)}</p>`,
  );
  return `<h4>Repeat it</h4>${commands.join('')}`;
}

function timelineHtml(row: SignatureRow, record: NonNullable<SignatureRow['record']>): string {
  const layout = timelineLayout(record, COLUMNS, ROWS_DRAWN);
  const title = `${record.oracle} in ${record.scenario} ${record.strategy} seed=${record.seed}, noticed by ${record.thread.name} at ${record.atMs.toFixed(3)} ms of its cell`;
  const facts = factWords(record).join(' ');
  const lockdep = lockdepReport(record);
  return `<p><strong>${escaped(record.detail)}</strong></p>
<p class="dim">${escaped(title)}${facts === '' ? '' : `; ${escaped(facts)}`}. Times in microseconds from there.</p>
${lockdep.length === 0 ? '' : `<pre class="cmd lockdep">${escaped(lockdep.join('\n'))}</pre>\n`}${columnsHtml(row, layout)}`;
}

function columnsHtml({ oracle }: SignatureRow, layout: TimelineLayout): string {
  const { rows, earlier } = layout;
  if (rows.length === 0) return '<p class="dim">No points were recorded: tracing is off, or a thread was silent.</p>';
  // A thread of which only earlier points are left would be an empty column.
  const threads = layout.threads.filter(({ tid }) => rows.some((row) => row.tid === tid));
  const hidden = [
    ...layout.threads.filter((thread) => !threads.includes(thread)).map(({ name }) => name),
    ...layout.hidden,
  ];
  const heads = threads.map(({ name }, i) => `<th scope="col" style="--t:${i}">${escaped(name)}</th>`).join('');
  const body = rows.map(({ tid, us, text, marked }) => {
    const cells = threads.map(({ tid: own, name }, i) =>
      own === tid
        ? `<td class="own" style="--t:${i}" data-thread="${escaped(name)}">${escaped(text)}</td>`
        : '<td></td>',
    );
    return `<tr${marked ? ' class="mark"' : ''}><td class="us">${us}</td>${cells.join('')}</tr>`;
  });
  const left = earlier > 0 ? `<p class="dim">${grouped(earlier)} earlier points are not drawn.</p>` : '';
  const silent = hidden.length > 0 ? `<p class="dim">Without a column: ${escaped(hidden.join(', '))}.</p>` : '';
  return `${left}<table class="timeline"><caption class="hide">Points around ${escaped(oracle)}, a column a thread</caption>
<thead><tr><th scope="col" class="us">us</th>${heads}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table>${silent}`;
}
