import type { ViolationRecord, WindowRecord } from '../results/types.ts';
import { wrapText } from './format.ts';
import { lockdepReport } from './lockdep.ts';
import { namedArgs, pagesOf, pointWords } from './point-words.ts';
import { PLAIN, type Style } from './style.ts';

export interface TimelineOptions {
  readonly width?: number;
  readonly style?: Style;
  /** Rows at most; the oldest are left out first. */
  readonly maxRows?: number;
}

const MIN_COLUMN = 24;
const MAX_COLUMNS = 5;
const TIME_WIDTH = 11;
const SEPARATOR = ' | ';

interface Row {
  readonly record: WindowRecord;
  readonly repeat: number;
  readonly marked: boolean;
}

/** The points around a violation, chosen and in order: a column for each thread that has to do with it. */
export interface TimelineLayout {
  /** Threads that get a column, from left to right. */
  readonly threads: readonly { readonly tid: number; readonly name: string }[];
  readonly rows: readonly {
    readonly tid: number;
    readonly us: string;
    readonly text: string;
    readonly marked: boolean;
  }[];
  /** Rows that were left out before the first. */
  readonly earlier: number;
  /** Names of threads that have points and no column. */
  readonly hidden: readonly string[];
}

/** Lays out at most `fit` columns and `maxRows` rows. Times are relative to the violation; the step that it is about is marked. */
export function timelineLayout(violation: ViolationRecord, fit: number, maxRows: number): TimelineLayout {
  const records = [...violation.window].sort((a, b) => a.timeMs - b.timeMs);
  const order = relevantThreads(violation, records);
  const shown = drawnThreads(violation, records, order, fit);
  const marked = violatingStep(violation, records);
  const own = records.filter((record) => shown.includes(record.tid));
  const rows = collapse(dropOtherOperations(violation, own, marked), marked);
  const kept = rows.slice(-maxRows);
  return {
    threads: shown.map((tid) => ({ tid, name: nameOf(violation, tid) })),
    rows: kept.map(({ record, repeat, marked: isMarked }) => ({
      tid: record.tid,
      us: relativeUs(record.timeMs - violation.atMs),
      text: rowText(record, repeat),
      marked: isMarked,
    })),
    earlier: rows.length - kept.length,
    hidden: order.filter((tid) => !shown.includes(tid)).map((tid) => nameOf(violation, tid)),
  };
}

/**
 * Draws the points around a violation as mails on race conditions do: a column for each thread, time going down, one row a
 * point. Times are relative to the violation; the step that it is about is marked with `>`.
 */
export function timeline(violation: ViolationRecord, options: TimelineOptions = {}): string[] {
  const style = options.style ?? PLAIN;
  const width = options.width ?? 110;
  const fit = Math.floor((width - TIME_WIDTH) / (MIN_COLUMN + SEPARATOR.length));
  const { threads, rows, earlier, hidden } = timelineLayout(violation, fit, options.maxRows ?? 40);
  const column = Math.floor((width - TIME_WIDTH) / threads.length) - SEPARATOR.length;

  const lines = headLines(violation, width, style);
  const cells = (time: string, texts: readonly string[]): string =>
    `${time.padStart(TIME_WIDTH - 1)} ${texts.map((text) => fitCell(text, column)).join(SEPARATOR)}`.trimEnd();
  lines.push(
    style.bold(
      cells(
        'us',
        threads.map(({ name }) => name),
      ),
    ),
  );
  lines.push(`${'-'.repeat(TIME_WIDTH)}${threads.map(() => '-'.repeat(column)).join('-+-')}`);
  if (earlier > 0) lines.push(style.dim(`${''.padStart(TIME_WIDTH)}(${earlier} earlier points)`));
  for (const { tid: own, us, text, marked } of rows) {
    const line = cells(
      us,
      threads.map(({ tid }) => (tid === own ? `${marked ? '> ' : ''}${text}` : '')),
    );
    lines.push(marked ? style.red(line) : line);
  }
  if (rows.length === 0)
    lines.push(
      style.dim(`${''.padStart(TIME_WIDTH)}(no points were recorded: tracing is off, or a thread was silent)`),
    );
  if (hidden.length > 0)
    for (const line of wrapText(`not drawn: ${hidden.join(', ')}`, width)) lines.push(style.dim(line));
  return lines;
}

function headLines(violation: ViolationRecord, width: number, style: Style): string[] {
  const title = `${violation.oracle} #${violation.nth} in ${violation.scenario} ${violation.strategy} seed=${violation.seed}, noticed by ${violation.thread.name} at ${violation.atMs.toFixed(3)} ms`;
  const facts = factWords(violation);
  const report = lockdepReport(violation);
  return [
    style.bold(title),
    ...wrapText(violation.detail, width),
    ...(facts.length > 0 ? wrapText(facts.join(' '), width) : []),
    ...(report.length > 0 ? ['', ...report] : []),
    '',
  ];
}

/** What is known of its objects: `key=..`, `range=[..]`, `page=..`. */
export function factWords(violation: ViolationRecord): string[] {
  const words: string[] = [];
  const { range, page, frame, key, generation, identity, counter } = violation;
  if (key !== undefined) words.push(`key=${key}`);
  if (range !== undefined) words.push(`range=[${range.start}..${range.last}]`);
  if (page !== undefined) words.push(`page=${page}`);
  if (frame !== undefined) words.push(`frame=${frame}`);
  if (generation !== undefined) words.push(`generation: entry=${generation.entry} frame=${generation.frame}`);
  if (identity !== undefined)
    words.push(
      `identity: expected=0x${(identity.expected >>> 0).toString(16)} found=0x${(identity.found >>> 0).toString(16)}`,
    );
  if (counter !== undefined)
    words.push(`count=${counter.value} (should be ${counter.expected})${counter.seq < 0 ? '' : ` seq=${counter.seq}`}`);
  return words;
}

const nameOf = (violation: ViolationRecord, tid: number): string => violation.names[tid] ?? `thread ${tid}`;

/** Pages that the violation is about, or null. */
const subject = (violation: ViolationRecord): { start: number; last: number } | null =>
  violation.page !== undefined ? { start: violation.page, last: violation.page } : (violation.range ?? null);

/** True when a record speaks of the pages, the umem, the key or the frame of the violation. */
function concerns(violation: ViolationRecord, record: WindowRecord): boolean {
  const about = subject(violation);
  const pages = pagesOf(record.point, record.args);
  if (about !== null && pages !== null && pages.start <= about.last && about.start <= pages.last) return true;
  return namedArgs(record.point, record.args).some(
    ([name, value]) =>
      (name === 'umem' && value === violation.umem) ||
      (name === 'key' && value === violation.key) ||
      (name === 'frame' && value === violation.frame),
  );
}

/**
 * How much a record tells of the violation: one that names its umem or key is a step of the protocol, one that only touches its pages
 * may be any bystander.
 */
function weight(violation: ViolationRecord, record: WindowRecord): number {
  if (!concerns(violation, record)) return 0;
  if (record.point.startsWith('cpu.') || record.point.startsWith('mm.') || record.point.startsWith('lock.')) return 0.1;
  const named = namedArgs(record.point, record.args);
  const names = named.some(
    ([name, value]) => (name === 'umem' && value === violation.umem) || (name === 'key' && value === violation.key),
  );
  return names ? 4 : 1;
}

/** Operations of which no step concerns the violation are left out: they only push what matters off the page. */
function dropOtherOperations(
  violation: ViolationRecord,
  records: readonly WindowRecord[],
  marked: WindowRecord | null,
): WindowRecord[] {
  const kept = new Set<string>();
  const id = (record: WindowRecord): string => `${record.tid}/${record.op}`;
  for (const record of records) if (record === marked || weight(violation, record) >= 1) kept.add(id(record));
  const left = records.filter((record) => kept.has(id(record)));
  return left.length > 1 ? left : [...records];
}

/** Threads with points in the window: the one that noticed first, then by how many of their points concern the violation, the latest first. */
function relevantThreads(violation: ViolationRecord, records: readonly WindowRecord[]): number[] {
  const score = new Map<number, { concerned: number; latest: number }>();
  for (const record of records) {
    const entry = score.get(record.tid) ?? { concerned: 0, latest: Number.NEGATIVE_INFINITY };
    entry.concerned += weight(violation, record);
    entry.latest = Math.max(entry.latest, record.timeMs);
    score.set(record.tid, entry);
  }
  const noticer = violation.thread.tid;
  const others = [...score.keys()].filter((tid) => tid !== noticer || watches(violation, tid));
  others.sort((a, b) => {
    const x = score.get(a)!;
    const y = score.get(b)!;
    const last = Number(watches(violation, a)) - Number(watches(violation, b));
    return last || y.concerned - x.concerned || y.latest - x.latest || a - b;
  });
  if (others.includes(noticer)) return others;
  return score.has(noticer) || others.length === 0 ? [noticer, ...others] : others;
}

/** The supervisor notices at audits but takes no part in the race: its own steps are only preparation. */
const watches = (violation: ViolationRecord, tid: number): boolean => nameOf(violation, tid) === 'supervisor';

/** Threads that get a column: a thread that has nothing to do with it only takes room, as long as two are left. */
function drawnThreads(
  violation: ViolationRecord,
  records: readonly WindowRecord[],
  order: readonly number[],
  fit: number,
): number[] {
  const speaks = (tid: number): boolean =>
    tid === violation.thread.tid || records.some((record) => record.tid === tid && concerns(violation, record));
  const involved = order.filter((tid) => !watches(violation, tid) && speaks(tid));
  const candidates = involved.length >= 2 ? involved : order;
  return candidates.slice(0, Math.max(1, Math.min(MAX_COLUMNS, fit)));
}

/** The noticing thread's last point up to the violation; failing that, the last one of anybody that concerns it. */
function violatingStep(violation: ViolationRecord, records: readonly WindowRecord[]): WindowRecord | null {
  // Clocks of two threads agree to some microseconds only; the noticer's own record may be stamped a little later.
  const before = records.filter((record) => record.timeMs <= violation.atMs + 0.05);
  return (
    before.findLast((record) => record.tid === violation.thread.tid && !watches(violation, record.tid)) ??
    before.findLast((record) => concerns(violation, record) && !watches(violation, record.tid)) ??
    null
  );
}

/** Runs of one thread at one point become one row, with how often. */
function collapse(records: readonly WindowRecord[], marked: WindowRecord | null): Row[] {
  const rows: Row[] = [];
  for (const record of records) {
    const last = rows.at(-1);
    const isMarked = record === marked;
    if (
      last !== undefined &&
      !last.marked &&
      !isMarked &&
      last.record.tid === record.tid &&
      last.record.point === record.point
    )
      rows[rows.length - 1] = { record: last.record, repeat: last.repeat + 1, marked: false };
    else rows.push({ record, repeat: 1, marked: isMarked });
  }
  return rows;
}

const rowText = (record: WindowRecord, repeat: number): string =>
  `${repeat > 1 ? `${repeat} x ` : ''}${pointWords(record.point, record.args)}`;

const fitCell = (text: string, width: number): string =>
  text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}~`;

/** `-412.3`, `0.0`: microseconds before (negative) or after the violation. */
function relativeUs(ms: number): string {
  const us = ms * 1000;
  const text = Math.abs(us) >= 99_999.5 ? Math.round(us).toString() : us.toFixed(1);
  return us > 0 && text !== '0.0' ? `+${text}` : text === '-0.0' ? '0.0' : text;
}
