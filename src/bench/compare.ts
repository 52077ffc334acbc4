import { GROUP_METRICS } from './metrics.ts';
import type { BenchCell, BenchRatio, BenchResult } from './result.ts';
import { pairedRatios } from './run.ts';
import { differs, finite, MIN_ROUNDS, ratioOfMedians } from './stats.ts';

/** Ratios of two runs, or of two subjects of one. */
export interface Comparison {
  readonly ratios: readonly BenchRatio[];
  /** Cells that only one side has. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  /** What speaks against taking a difference for one of the code. */
  readonly notes: readonly string[];
}

/** A machine that others use less than this is called quiet. */
const OTHERS_NOTED = 0.05;

/** Run B to run A, cell by cell. Their rounds did not run side by side, so each side is resampled by itself. */
export function compareRuns(a: BenchResult, b: BenchResult): Comparison {
  const ofA = new Map(a.cells.map((cell) => [cell.id, cell]));
  const ids = new Set(b.cells.map(({ id }) => id));
  return {
    ratios: b.cells.flatMap((cell) => {
      const base = ofA.get(cell.id);
      return base === undefined ? [] : runRatios(base, cell, a.seed);
    }),
    onlyA: a.cells.filter(({ id }) => !ids.has(id)).map(({ id }) => id),
    onlyB: b.cells.filter(({ id }) => !ofA.has(id)).map(({ id }) => id),
    notes: a.runId === b.runId ? [] : runNotes(a, b),
  };
}

function runRatios(base: BenchCell, cell: BenchCell, seed: number): BenchRatio[] {
  const values = ({ rounds }: BenchCell, metric: string): number[] =>
    rounds.flatMap(({ metrics }) => (metrics[metric] === undefined ? [] : [metrics[metric]]));
  return (GROUP_METRICS[cell.group] ?? []).flatMap((metric) => {
    const [before, after] = [values(base, metric), values(cell, metric)];
    if (before.length === 0 || after.length === 0) return [];
    const ratio = ratioOfMedians(before, after, seed);
    return [{ cell: cell.id, reference: base.id, metric, ratio: finite(ratio), differs: differs(ratio) }];
  });
}

function runNotes(a: BenchResult, b: BenchResult): string[] {
  const notes: string[] = [];
  for (const name of ['node', 'platform', 'cpu', 'cores', 'governor'] as const)
    if (a.environment[name] !== b.environment[name])
      notes.push(`${name}: ${a.environment[name] ?? 'unknown'} against ${b.environment[name] ?? 'unknown'}`);
  for (const name of ['cellMs', 'warmupMs'] as const)
    if (a.options[name] !== b.options[name]) notes.push(`${name}: ${a.options[name]} against ${b.options[name]}`);
  for (const [name, file] of Object.entries(a.options.strategyFiles ?? {}))
    if ((b.options.strategyFiles?.[name] ?? file) !== file) notes.push(`${name}: its file has changed between the two`);
  notes.push(...othersNote('A: ', a), ...othersNote('B: ', b));
  if (a.environment.commit === b.environment.commit)
    notes.push(
      'the two runs are of one commit: a difference between them is one of the machine, or of changes that were not committed',
    );
  notes.push(
    'the runs were made at different times: an interval says how a run varied within itself, not from one to the next',
  );
  return notes;
}

function othersNote(prefix: string, { rounds }: BenchResult): string[] {
  const others = Math.max(0, ...rounds.map((round) => round.others ?? 0));
  return others > OTHERS_NOTED
    ? [`${prefix}other processes used up to ${(others * 100).toFixed(0)} % of the CPU time in a round`]
    : [];
}

/** Within a run: `b` to `a` wherever both have a cell with the same parameters, paired round by round. */
export function compareSubjects(run: BenchResult, a: string, b: string): Comparison {
  const key = ({ group, params }: BenchCell): string => `${group} ${JSON.stringify(params)}`;
  const ofA = new Map(run.cells.filter(({ subject }) => subject === a).map((cell) => [key(cell), cell]));
  const ofB = run.cells.filter(({ subject }) => subject === b);
  const keysB = new Set(ofB.map(key));
  return {
    ratios: ofB.flatMap((cell) => {
      const base = ofA.get(key(cell));
      return base === undefined ? [] : pairedRatios(base, cell, run.seed);
    }),
    onlyA: [...ofA].filter(([one]) => !keysB.has(one)).map(([, { id }]) => id),
    onlyB: ofB.filter((cell) => !ofA.has(key(cell))).map(({ id }) => id),
    notes: othersNote('', run),
  };
}

/** How many of the comparisons say something, and how many would by chance alone. */
export function tally(ratios: readonly BenchRatio[]): {
  differ: number;
  same: number;
  unsaid: number;
  byChance: number;
} {
  const differ = ratios.filter((one) => one.differs === true).length;
  const same = ratios.filter((one) => one.differs === false).length;
  return { differ, same, unsaid: ratios.length - differ - same, byChance: Math.round((differ + same) * 0.05) };
}

export const TOO_FEW = `fewer than ${MIN_ROUNDS} rounds: no difference can be claimed`;
