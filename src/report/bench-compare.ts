import { type Comparison, TOO_FEW, tally } from '../bench/compare.ts';
import type { BenchRatio } from '../bench/result.ts';
import { ratioWords, verdictWord } from './bench-figures.ts';
import { table } from './format.ts';

/** A comparison for people: what differs, and how much of it chance would give. With `all`, what does not differ too. */
export function comparisonLines(
  { ratios, onlyA, onlyB, notes }: Comparison,
  names: readonly [string, string],
  all: boolean,
): string[] {
  const { differ, same, unsaid, byChance } = tally(ratios);
  const shown = all ? ratios : ratios.filter((one) => one.differs === true);
  const missing = (ids: readonly string[], name: string): string[] =>
    ids.length === 0 ? [] : [`only in ${name}: ${ids.length} cells, such as ${ids[0]}`];
  return [
    ...(shown.length === 0 ? [] : rows(shown, names)),
    ...notes.map((note) => `note: ${note}`),
    ...missing(onlyA, names[0]),
    ...missing(onlyB, names[1]),
    ...(unsaid === 0 ? [] : [`${unsaid} figures: ${TOO_FEW}`]),
    closing(differ, same, byChance),
  ];
}

function rows(ratios: readonly BenchRatio[], [a, b]: readonly [string, string]): string[] {
  const { header, lines } = table(
    [{ title: 'cell' }, { title: 'figure' }, { title: `${b} to ${a}`, right: true }, { title: '' }],
    ratios.map((one) => [one.cell, one.metric, ratioWords(one.ratio), verdictWord(one)]),
  );
  return [header, ...lines];
}

function closing(differ: number, same: number, byChance: number): string {
  if (differ + same === 0) return 'no figure could be compared';
  if (differ === 0) return `no difference in ${same} figures`;
  return `${differ} of ${differ + same} figures differ; about ${byChance} would by chance alone`;
}
