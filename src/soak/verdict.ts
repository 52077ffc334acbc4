import type { SoakTotals } from '../results/soak-types.ts';
import type { Verdict } from '../results/types.ts';
import { EXIT } from '../scenario/errors.ts';
import { sumOf } from './totals.ts';

export interface Judged {
  readonly verdict: Verdict;
  /** What the reader must know beside it. */
  readonly why: readonly string[];
  /** Of a soak that nobody interrupted. */
  readonly exitCode: number;
}

export interface Evidence {
  readonly totals: SoakTotals;
  readonly judgedBy: 'violations' | 'expectations';
  /** Kinds of cells that the campaign has, canaries included. */
  readonly entries: readonly string[];
  readonly diskFull: boolean;
  /** The soak ended because its memory grew beyond the budget. */
  readonly memoryFull: boolean;
  readonly logDropped: number;
}

/** Oracles of an entry that count against it. */
function held(entry: SoakTotals['entries'][number], judgedBy: Evidence['judgedBy']): string[] {
  const seen = Object.keys(entry.violations);
  if (judgedBy === 'violations') return seen;
  return seen.filter((oracle) => !([...entry.must, ...entry.may] as readonly string[]).includes(oracle));
}

/**
 * Judges a soak. One violation that counts is a FAILURE, whatever else happened. Without one it is a SUCCESS only if every kind of cell
 * came to a conclusion and every canary was caught: a harness that is blind finds nothing either.
 */
export function judgeSoak({ totals, judgedBy, entries, diskFull, memoryFull, logDropped }: Evidence): Judged {
  const own = totals.entries.filter(({ canary }) => !canary);
  const failed = own.filter((entry) => held(entry, judgedBy).length > 0);
  const doubts = [...canaryDoubts(totals), ...entryDoubts(totals, judgedBy, entries)];
  if (memoryFull) doubts.push('it ended early: its memory grew beyond the budget');
  const broken = Object.entries(totals.faults).map(
    ([kind, n]) => `${n} ${n === 1 ? 'cell' : 'cells'} ended by ${kind}`,
  );
  const missed = Object.entries(totals.thresholds).filter(([, { missed }]) => missed > 0);
  const why = [
    ...failed.map((entry) => `${entry.entry}: ${held(entry, judgedBy).join(', ')}`),
    ...broken,
    ...doubts,
    ...missed.map(([text, { missed, met }]) => `${text} was missed in ${missed} of ${missed + met} cells`),
    ...recordNotes(totals, diskFull, logDropped),
  ];
  const verdict: Verdict =
    failed.length > 0 ? 'FAILURE' : doubts.length > 0 || broken.length > 0 ? 'UNKNOWN' : 'SUCCESS';
  return { verdict, why, exitCode: exitCode() };

  function exitCode(): number {
    if (failed.length > 0) return EXIT.violation;
    if (broken.length > 0) return EXIT.crash;
    if (totals.records.lost > 0) return EXIT.io;
    if (missed.length > 0) return EXIT.threshold;
    return doubts.length > 0 ? EXIT.unknown : EXIT.ok;
  }
}

function canaryDoubts({ canary }: SoakTotals): string[] {
  if (canary.missed > 0)
    return [`the canary was missed in ${canary.missed} of ${canary.cells} cells: the harness did not see a known bug`];
  return canary.caught === 0 ? ['no canary was run to its end'] : [];
}

function entryDoubts(totals: SoakTotals, judgedBy: Evidence['judgedBy'], entries: readonly string[]): string[] {
  const doubts: string[] = [];
  const known = new Map(totals.entries.map((entry) => [entry.entry, entry]));
  const idle = entries.filter((key) => !known.has(key));
  if (idle.length > 0) doubts.push(`${idle.length} of ${entries.length} kinds of cells did not run: ${few(idle)}`);
  const vague = totals.entries.filter(({ canary, verdicts }) => !canary && verdicts.SUCCESS + verdicts.FAILURE === 0);
  if (vague.length > 0) doubts.push(`too little evidence in every cell of ${few(vague.map(({ entry }) => entry))}`);
  if (judgedBy === 'expectations')
    for (const { entry, must, violations, canary } of totals.entries) {
      const unseen = must.filter((oracle) => violations[oracle] === undefined);
      if (!canary && unseen.length > 0) doubts.push(`${entry}: expected and not seen: ${unseen.join(', ')}`);
    }
  return doubts;
}

function recordNotes({ records }: SoakTotals, diskFull: boolean, logDropped: number): string[] {
  const notes: string[] = [];
  if (diskFull) notes.push('the disk budget was reached: since then violations are counted, without windows');
  const unlogged = sumOf(records) - records.logged;
  if (unlogged > 0)
    notes.push(
      `${records.logged} of ${sumOf(records)} violations have a record in the race log; not logged: ${records.notMade} only counted in their cell, ${records.sampledOut} beyond the sample of their signature, ${records.overBudget} over the disk budget, ${records.lost} lost`,
    );
  if (logDropped > 0) notes.push(`${logDropped} lines of odptorture.log were left out: its budget was reached`);
  return notes;
}

const few = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
