import { contendedCells, othersOf, perTenfold, umemsOf } from '../bench/claims.ts';
import type { BenchCell, BenchClaim, BenchResult } from '../bench/result.ts';
import { MIN_ROUNDS } from '../bench/stats.ts';
import { countWords, figure, ratioWords } from './bench-figures.ts';
import { grouped } from './format.ts';

/** What the figures of a group come to, in sentences under its title; none for most groups. */
export function groupNotes({ cells, claims = [], rounds }: BenchResult, group: string): string[] {
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const own = claims.filter(({ cell }) => byId.get(cell)?.group === group);
  if (group === 'locks') return lockNotes(cells, own, byId);
  if (group === 'refault') return own.map((claim) => growthNote(claim, byId));
  if (group !== 'scaling') return [];
  const there = cells.filter((cell) => cell.group === group);
  const notes = [...new Set(there.map(({ subject }) => subject))].flatMap((subject) =>
    scalingNote(
      there.filter((cell) => cell.subject === subject),
      own,
      othersOf(rounds),
    ),
  );
  return notes.length === 0 ? [] : [...notes, HOW];
}

const HOW =
  'speedup: what the threads do together to what the first of them does alone, in the same cell, ten milliseconds each in turn; cpuGrowth: the same of the CPU time of an operation. The word that limits is the one of all locks taken by both threads that moves most often: that a thread takes and finds last taken by the other. It is counted in a run beside the timed one. Words that are no locks, such as counters, are not counted. Moves and speedup need two cores: where other processes leave the threads no two, a word moves at most as often as the threads are exchanged, and the times that it is taken say how often it could.';

/** `mutex: in 15 contended cells ...`, the worst of them. */
function lockNotes(
  cells: readonly BenchCell[],
  claims: readonly BenchClaim[],
  byId: ReadonlyMap<string, BenchCell>,
): string[] {
  const subjectOf = ({ cell }: BenchClaim): string => byId.get(cell)!.subject;
  const contended = contendedCells(cells);
  return [...new Set(claims.map(subjectOf))].map((lock) => {
    const parts = claims
      .filter((claim) => subjectOf(claim) === lock)
      .map((claim) => {
        const { cell, base, metric, figure: of } = claim;
        const where = `at ${parameterWords(byId.get(cell)!)}`;
        const [worst, what] =
          metric === 'maxMin'
            ? ['the least fair', 'busiest to idlest thread']
            : ['the slowest', `to the fastest npm peer (${byId.get(base)!.subject})`];
        return `${worst} ${where}: ${what} ${ratioWords(of)}, ${claimWords(claim, 0)}`;
      });
    const count = contended.filter(({ subject }) => subject === lock).length;
    return `${lock}: of ${count} ${count === 1 ? 'cell' : 'cells'} of two threads and more, ${parts.join('; ')}.`;
  });
}

const parameterWords = ({ params }: BenchCell): string =>
  Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** `interval-notifier: ...` with an mm each, and in one mm with the word that moves. */
function scalingNote(cells: readonly BenchCell[], claims: readonly BenchClaim[], others: number): string[] {
  const parts = cells.flatMap((cell) => {
    const { speedup } = cell.metrics;
    if (speedup === undefined) return [];
    const claim = claims.find((one) => one.cell === cell.id);
    const what = cell.params.mms === 1 ? 'in one mm' : 'with an mm each';
    return [
      `${what} ${ratioWords(speedup)}${claim === undefined ? '' : `, ${claimWords(claim, others)}`}${limitWords(cell)}`,
    ];
  });
  return parts.length === 0 ? [] : [`${cells[0]!.subject}: two threads ${parts.join('; ')}.`];
}

function limitWords({ limit }: BenchCell): string {
  if (limit === undefined) return '';
  const { shared, waited } = limit;
  const words =
    shared === null
      ? 'they share no lock'
      : `limited by ${shared.lock} (taken ${shared.taken.median?.toFixed(2)} times a refault, moved ${countWords(shared.moved)} times)`;
  return `, ${words}${waited === null ? '' : `, and waiting for ${waited.lock} ${figure('lockWait', waited.share.median)} of the time`}`;
}

function growthNote(claim: BenchClaim, byId: ReadonlyMap<string, BenchCell>): string {
  const [base, cell] = [byId.get(claim.base)!, byId.get(claim.cell)!];
  const [from, to] = [umemsOf(base), umemsOf(cell)];
  const each = ratioWords(perTenfold(claim.figure, from, to));
  const { cpuGrowth } = cell.metrics;
  const cpu = cpuGrowth === undefined ? '' : ` (by CPU time ${ratioWords(cpuGrowth)})`;
  return `${cell.subject}: from ${grouped(from)} to ${grouped(to)} umems ${ratioWords(claim.figure)}${cpu}, for each tenfold ${each}; log n grows ${figure('growth', claim.bound)}: ${claimWords(claim, 0)}.`;
}

/** Which side of the bound the interval lies on; when it cannot be told, why not. */
function claimWords({ metric, asked, bound, holds, figure: { n, hi } }: BenchClaim, others: number): string {
  const what = metric === 'growth' ? 'at most proportional to log n' : `${asked} ${figure('speedup', bound)}`;
  if (holds === true) return what;
  if (holds === false) return `not ${what}`;
  const missed = asked === 'at least' && hi !== null && hi < bound && n >= MIN_ROUNDS;
  const why = missed
    ? `, as other processes used ${figure('lockWait', others)} of the machine`
    : n < MIN_ROUNDS
      ? ' of so few rounds'
      : '';
  return `whether ${what} cannot be told${why}`;
}
