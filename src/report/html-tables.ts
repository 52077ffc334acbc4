import { formatDuration } from '../scenario/duration.ts';
import { grouped, short, shortNs } from './format.ts';
import { escaped } from './html-escape.ts';
import {
  type EntryRow,
  type LatencyRow,
  type LockRow,
  type ReportModel,
  sumOf,
  unexpectedOf,
  violationsOf,
} from './soak-model.ts';
import { clockWords, expectedWords, foundWords } from './soak-words.ts';

interface HtmlColumn {
  readonly title: string;
  readonly right?: boolean;
}
interface HtmlCell {
  readonly text: string;
  readonly tone?: 'good' | 'bad' | 'odd' | 'dim';
}

/** A table that becomes cards on a phone: each cell carries its column's title. */
function tableHtml(columns: readonly HtmlColumn[], rows: readonly (readonly HtmlCell[])[], caption: string): string {
  const classOf = (...names: (string | undefined)[]): string => {
    const all = names.filter((name) => name !== undefined).join(' ');
    return all === '' ? '' : ` class="${all}"`;
  };
  const heads = columns.map(
    ({ title, right }) => `<th scope="col"${classOf(right === true ? 'r' : undefined)}>${escaped(title)}</th>`,
  );
  const body = rows.map(
    (cells) =>
      `<tr>${cells
        .map(({ text, tone }, i) => {
          const { title, right } = columns[i]!;
          const tag = i === 0 ? 'th scope="row"' : 'td';
          return `<${tag}${classOf(right === true ? 'r' : undefined, tone)} data-label="${escaped(title)}">${escaped(text)}</${i === 0 ? 'th' : 'td'}>`;
        })
        .join('')}</tr>`,
  );
  return `<table class="cards"><caption class="hide">${escaped(caption)}</caption><thead><tr>${heads.join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table>`;
}

const ENTRY_COLUMNS: readonly HtmlColumn[] = [
  { title: 'strategy' },
  { title: 'as expected' },
  { title: 'found' },
  { title: 'exposures', right: true },
  { title: 'cells', right: true },
  { title: 'faults/s', right: true },
  { title: 'sections/s', right: true },
  { title: 'registrations/s', right: true },
  { title: 'fault p50', right: true },
  { title: 'fault p99', right: true },
  { title: 'retries/commit', right: true },
];

/** Strategies side by side, a table a scenario. */
export function entriesHtml(entries: readonly EntryRow[]): string {
  if (entries.length === 0) return '';
  const scenarios = [...new Set(entries.map((entry) => entry.scenario))];
  const tables = scenarios.map((scenario) => {
    const own = entries.filter((entry) => entry.scenario === scenario);
    return `<h3>${escaped(scenario)}</h3>\n${tableHtml(ENTRY_COLUMNS, own.map(entryCells(own)), `Strategies under ${scenario}`)}`;
  });
  return `<section aria-labelledby="side"><h2 id="side">Strategies side by side</h2>\n${tables.join('\n')}</section>`;
}

const entryCells =
  (beside: readonly EntryRow[]) =>
  (entry: EntryRow): HtmlCell[] => {
    const seconds = entry.durationMs / 1000;
    const perSecond = (n: number): string => (seconds > 0 ? short(n / seconds) : '-');
    const { fault } = entry.latencyNs;
    const { committed, retries } = entry.faults;
    const eras = new Set(beside.filter(({ strategy }) => strategy === entry.strategy).map(({ era }) => era)).size;
    const name = [entry.strategy, ...(eras > 1 ? [entry.era] : []), ...(entry.canary ? ['(canary)'] : [])].join(' ');
    return [
      { text: name },
      { text: expectedWords(entry), tone: entry.expected.no > 0 ? 'bad' : entry.expected.unknown > 0 ? 'odd' : 'good' },
      {
        text: [foundWords(entry), ...crashWords(entry)].join('; '),
        ...(unexpectedOf(entry).length > 0
          ? { tone: 'bad' as const }
          : violationsOf(entry) > 0
            ? {}
            : { tone: 'dim' as const }),
      },
      { text: grouped(sumOf(entry.exposures)) },
      { text: grouped(entry.cells) },
      { text: perSecond(committed) },
      { text: perSecond(entry.operations.section ?? 0) },
      { text: perSecond(entry.operations.register ?? 0) },
      { text: quantile(fault, fault.p50) },
      { text: quantile(fault, fault.p99) },
      { text: committed > 0 ? (retries / committed).toFixed(2) : '-' },
    ];
  };

const quantile = ({ count, atMost }: LatencyRow, ns: number): string =>
  count === 0 ? '-' : `${atMost ? '<= ' : ''}${shortNs(ns)}`;

const crashWords = ({ crashes }: EntryRow): string[] =>
  Object.entries(crashes).map(([kind, n]) => `${grouped(n)} ${n === 1 ? 'cell' : 'cells'} ended by ${kind}`);

interface LockColumn extends HtmlColumn {
  /** Null where the statistics did not go so far. */
  readonly of: (lock: LockRow, entry: EntryRow) => string | null;
}

const right = true;
const nullOr = <T>(value: T | null, text: (value: T) => string): string | null => (value === null ? null : text(value));
/** The columns of lock_stat, in its order, without the least times, which say little over many cells. */
const LOCK_COLUMNS: readonly LockColumn[] = [
  { title: 'class name', of: ({ name, mode }) => `${name}-${mode}` },
  { title: 'con-bounces', right, of: ({ conBounces }) => nullOr(conBounces, grouped) },
  { title: 'contentions', right, of: ({ contentions }) => grouped(contentions) },
  { title: 'waittime-max', right, of: ({ waitNs }) => shortNs(waitNs.max) },
  { title: 'waittime-total', right, of: ({ waitNs }) => shortNs(waitNs.total) },
  {
    title: 'waittime-avg',
    right,
    of: ({ contentions, waitNs }) => (contentions === 0 ? '-' : shortNs(waitNs.total / contentions)),
  },
  { title: 'acq-bounces', right, of: ({ acqBounces }) => nullOr(acqBounces, grouped) },
  { title: 'acquisitions', right, of: ({ acquisitions }) => nullOr(acquisitions, grouped) },
  { title: 'holdtime-max', right, of: ({ holdNs }) => nullOr(holdNs, ({ max }) => shortNs(max)) },
  { title: 'holdtime-total', right, of: ({ holdNs }) => nullOr(holdNs, ({ total }) => shortNs(total)) },
  {
    title: 'holdtime-avg',
    right,
    of: ({ holdNs }) => nullOr(holdNs, ({ total, count }) => (count === 0 ? '-' : shortNs(total / count))),
  },
  { title: 'waiting', right, of: ({ waitNs }, entry) => waiting(waitNs.total, entry) },
];
const LOCKS_SHOWN = 8;
/** Tables of single strategies, the most waiting first: what keeps the page small. */
const LOCK_TABLES = 40;

/** Threads that waited at a time, on average. */
const waiting = (ns: number, { durationMs }: EntryRow): string =>
  durationMs > 0 ? (ns / 1e6 / durationMs).toFixed(2) : '-';
const waited = ({ locks, durationMs }: EntryRow): number =>
  locks.reduce((sum, { waitNs }) => sum + waitNs.total, 0) / Math.max(durationMs, 1);

/** Contention by strategy, where threads waited most first: the locks that were waited for longest, in the columns of lock_stat. */
export function locksHtml(entries: readonly EntryRow[]): string {
  const shown = entries.filter((entry) => entry.locks.length > 0).sort((a, b) => waited(b) - waited(a));
  if (shown.length === 0) return '';
  return `<section aria-labelledby="locks"><h2 id="locks">Contention</h2>
<p class="dim">Locks for which threads had to wait, in the columns of lock_stat: -R shared, -W exclusive or without modes. "waiting" is how many threads waited at a time, on average. Acquisitions and hold times are known where the cells ran with --lock-stat.</p>
${shown.slice(0, LOCK_TABLES).map(lockTableHtml).join('\n')}
${shown.length > LOCK_TABLES ? `<p class="dim">${grouped(shown.length - LOCK_TABLES)} more with less waiting are not shown.</p>` : ''}</section>`;
}

function lockTableHtml(entry: EntryRow): string {
  const locks = entry.locks.slice(0, LOCKS_SHOWN);
  const columns = LOCK_COLUMNS.filter(({ of }) => locks.some((lock) => of(lock, entry) !== null));
  const rows = locks.map((lock) => columns.map(({ of }): HtmlCell => ({ text: of(lock, entry) ?? '-' })));
  const all = waiting(waited(entry) * entry.durationMs, entry);
  const top = entry.locks[0]!;
  const where = [entry.scenario, entry.era, ...(entry.canary ? ['canary'] : [])].join(', ');
  return `<details class="locks"><summary><span>${escaped(entry.strategy)}</span> <span class="dim">${escaped(`${where}: ${all} threads waiting, most for ${top.name}-${top.mode}`)}</span></summary>
${tableHtml(columns, rows, `Contention of ${entry.strategy}`)}</details>`;
}

/** Where and how it ran. */
export function environmentHtml(model: ReportModel): string {
  const { environment: e } = model;
  const facts: [string, string][] = [
    ['Folder', model.dir],
    ['Run', model.runId],
    ['Command', model.command],
    ['Seed', String(model.seed)],
    ['Judged by', model.judgedBy],
    ['Started', clockWords(model.startedAt)],
    [model.state === 'running' || model.state === 'died' ? 'Last saved' : 'Ended', clockWords(model.savedAt)],
    ['odptorture', e.commit === null ? e.version : `${e.version}, commit ${e.commit.slice(0, 12)}`],
    ['Node', e.node],
    ['Machine', `${e.cpu}, ${e.cores} cores, ${e.platform}`],
    ['Race log', `${grouped(model.records.logged)} records, ${grouped(model.records.lost)} lost`],
  ];
  const list = facts.map(([name, text]) => `<div><dt>${name}</dt><dd>${escaped(text)}</dd></div>`).join('\n');
  const sessions =
    model.sessions.length === 0
      ? ''
      : `<h3>Sessions</h3>${tableHtml(
          [
            { title: 'session' },
            { title: 'started' },
            { title: 'ended' },
            { title: 'because' },
            { title: 'ran for', right: true },
            { title: 'from cell', right: true },
            { title: 'most memory', right: true },
          ],
          model.sessions.map((session, i): HtmlCell[] => [
            { text: String(i + 1) },
            { text: clockWords(session.startedAt) },
            { text: session.endedAt === null ? '-' : clockWords(session.endedAt) },
            { text: session.reason === '' ? '-' : session.reason },
            { text: formatDuration(session.elapsedMs) },
            { text: String(session.firstCell) },
            { text: `${Math.round(session.maxRssMb)} MB` },
          ]),
          'Sessions',
        )}`;
  return `<section aria-labelledby="env"><h2 id="env">Environment</h2>
<dl class="env">
${list}
</dl>
${sessions}</section>`;
}
