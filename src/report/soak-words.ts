import { formatDuration } from '../scenario/duration.ts';
import { rateBound95, windows } from './findings.ts';
import { grouped } from './format.ts';
import {
  type EntryRow,
  type ReportModel,
  type RunState,
  type SignatureRow,
  standingOf,
  sumOf,
  unexpectedOf,
  violationsOf,
} from './soak-model.ts';

const STATE_WORDS: Readonly<Record<RunState, string>> = {
  finished: 'finished',
  interrupted: 'ended early by its user',
  failed: 'failed',
  running: 'still running',
  died: 'died: its process is gone and has not written how it ended',
};
export const stateWords = (state: RunState): string => STATE_WORDS[state];

/** `FAILURE`, or `FAILURE so far` while more may come, or could have come. */
export const verdictWords = ({ verdict, state }: ReportModel): string =>
  state === 'running' || state === 'died' ? `${verdict} so far` : verdict;

const some = (n: number, one: string, many = `${one}s`): string => `${grouped(n)} ${n === 1 ? one : many}`;

export const judgedEntries = ({ entries }: ReportModel): EntryRow[] => entries.filter((entry) => !entry.canary);
const total = (entries: readonly EntryRow[], of: (entry: EntryRow) => number): number =>
  entries.reduce((sum, entry) => sum + of(entry), 0);

/** `0 violations` never stands alone: what was tried stands beside it, and how rare a case could still be. */
export function cleanWords(entry: EntryRow): string {
  const exposures = sumOf(entry.exposures);
  if (exposures === 0) return 'no exposures: says nothing';
  const window = windows(entry)[0];
  if (window === undefined) return `0 in ${grouped(exposures)} exposures`;
  return `0 in ${grouped(window.count)} ${window.name} (a rate below ${rateBound95(window.count).toExponential(1)} each, at 95 %)`;
}

/** What an entry found: each oracle with its count, or what was tried for nothing. */
export function foundWords(entry: EntryRow): string {
  const found = Object.entries(entry.violations)
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a);
  return found.length === 0 ? cleanWords(entry) : found.map(([oracle, n]) => `${oracle} ${grouped(n)}`).join(', ');
}

/** How an entry did against what is expected of it. */
export function expectedWords(entry: EntryRow): string {
  const standing = standingOf(entry);
  if (standing === 'none') return 'no expectation';
  if (standing !== 'unknown') return standing === 'no' ? 'NO' : 'yes';
  const unseen = entry.must.filter((oracle) => (entry.violations[oracle] ?? 0) === 0);
  return unseen.length === 0 ? 'unknown' : `unknown: no ${unseen.join(', ')} yet`;
}

/** The verdict in sentences, the worst first. */
export function verdictLines(model: ReportModel): string[] {
  const entries = judgedEntries(model);
  const lines: string[] = [];
  const bad = entries.filter((entry) => unexpectedOf(entry).length > 0);
  const among = (own: readonly EntryRow[]): string =>
    `in ${some(
      total(own, (entry) => sumOf(entry.exposures)),
      'exposure',
    )}`;
  if (bad.length > 0) {
    const n = total(bad, (entry) =>
      unexpectedOf(entry).reduce((sum, oracle) => sum + (entry.violations[oracle] ?? 0), 0),
    );
    const who = bad.map((entry) => `${entry.strategy}: ${unexpectedOf(entry).join(', ')}`);
    lines.push(`${some(n, 'violation')} that nobody expected, ${among(bad)} (${shortList(who, '; ')}).`);
  }
  const expected = entries.filter((entry) => violationsOf(entry) > 0 && unexpectedOf(entry).length === 0);
  if (expected.length > 0) {
    const n = total(expected, violationsOf);
    const judged = expected.some((entry) => entry.expected.none > 0) ? '' : ' as expected of';
    lines.push(
      `${some(n, 'violation')}${judged === '' ? ' of' : judged} ${shortList(unique(expected), ', ')}, ${among(expected)}.`,
    );
  }
  // A strategy that is clean under one scenario only is in the table.
  const dirty = new Set(entries.filter((entry) => violationsOf(entry) > 0).map(({ strategy }) => strategy));
  const clean = entries.filter(({ strategy }) => !dirty.has(strategy));
  const tried = clean.filter((entry) => sumOf(entry.exposures) > 0);
  if (tried.length > 0) lines.push(`No violation of ${shortList(unique(tried), ', ')} ${among(tried)}.`);
  const idle = unique(clean.filter((entry) => !tried.includes(entry))).filter((name) => !unique(tried).includes(name));
  if (idle.length > 0) lines.push(`Nothing is known of ${shortList(idle, ', ')}: not one exposure.`);
  const crashed = total(entries, (entry) => sumOf(entry.crashes));
  if (crashed > 0) lines.push(`${some(crashed, 'cell')} did not end by itself.`);
  if (model.canary !== null) lines.push(canaryWords(model.canary));
  if (model.cells === 0) lines.push('No cell was finished.');
  lines.push(...model.why);
  return lines;
}

function canaryWords({ cells, caught, missed }: NonNullable<ReportModel['canary']>): string {
  if (caught + missed === 0) return 'No canary ran to its end yet: nothing shows that this soak catches a violation.';
  return missed === 0
    ? `The canary, a known bug, was caught in ${caught === 1 ? 'its only cell' : `each of its ${grouped(caught)} cells`}.`
    : `The canary was MISSED in ${grouped(missed)} of ${some(cells, 'cell')}: a clean result says less than it seems to.`;
}

const unique = (entries: readonly EntryRow[]): string[] => [...new Set(entries.map((entry) => entry.strategy))];

const LIST_MOST = 6;
const shortList = (words: readonly string[], separator: string): string =>
  words.length <= LIST_MOST
    ? words.join(separator)
    : `${words.slice(0, LIST_MOST - 1).join(separator)} and ${words.length - LIST_MOST + 1} more`;

/** When a signature was seen: soak time, `3h07m`. */
export const timeWords = (t: number): string => formatDuration(t);

/** A wall clock: `2026-11-22 21:00:20 UTC`. */
export const clockWords = (iso: string): string =>
  iso === '' ? '-' : iso.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');

/** Who noticed it, and where that thread stood; `none`: it has passed no point, or there is no trace. */
export const placeWords = ({ role, point }: Pick<SignatureRow, 'role' | 'point'>): string =>
  point === 'none' ? role : `${role} at ${point}`;

export const countWords = ({ count, atLeast }: Pick<SignatureRow, 'count' | 'atLeast'>): string =>
  `${atLeast ? '>= ' : ''}${grouped(count)}`;

const EXPECTATION_WORDS = { no: 'NOT expected', must: 'expected', may: 'allowed', unknown: '-' } as const;
export const expectationWords = ({ expected, canary }: SignatureRow): string =>
  canary ? 'canary' : EXPECTATION_WORDS[expected];
