import { GROUP_METRICS, isMetric, METRICS, type MetricName } from '../bench/metrics.ts';
import type { BenchCell, BenchRatio, BenchResult, FiniteEstimate } from '../bench/result.ts';
import { groupNotes } from './bench-claims.ts';
import { countWords, figure, interval, ratioWords, verdictWord } from './bench-figures.ts';
import { type Column, table } from './format.ts';

/** A table as every form of the report shows it. */
export interface BenchTable {
  readonly group: string;
  readonly title: string;
  /** What it comes to, in sentences. */
  readonly notes: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** What a group of cells is, in a sentence. */
export const GROUP_TITLES: Readonly<Record<string, string>> = {
  primitives: 'Primitives alone: one thread, nobody else contends',
  locks: 'Contended locks: real threads, a share of reads, a fixed time',
  load: 'Faults under invalidation: one thread serves page faults, others invalidate',
  register: 'Registration under invalidation: one thread registers and deregisters, others invalidate',
  refault: 'madvise of one page and its refault through the HCA, one thread, against the umems in the tree',
  scaling: 'madvise and refault: one thread, two in one mm on umems of their own, two with an mm each',
  observing: 'What oracles and tracing add to madvise and refault',
};

/** One table for each group that was measured, in the order of the cells. */
export function benchTables(result: BenchResult): BenchTable[] {
  const ratios = new Map(result.ratios.map((ratio) => [`${ratio.cell} ${ratio.metric}`, ratio]));
  return groupsOf(result).map((group) => ({
    notes: groupNotes(result, group),
    ...groupTable(
      group,
      result.cells.filter((cell) => cell.group === group),
      ratios,
    ),
  }));
}

export const groupsOf = ({ cells }: Pick<BenchResult, 'cells'>): string[] => [
  ...new Set(cells.map(({ group }) => group)),
];

function groupTable(
  group: string,
  cells: readonly BenchCell[],
  ratios: ReadonlyMap<string, BenchRatio>,
): Omit<BenchTable, 'notes'> {
  const params = [...new Set(cells.flatMap((cell) => Object.keys(cell.params)))];
  const [main, ...others] = shownMetrics(group, cells);
  const limited = cells.some(({ limit }) => limit !== undefined);
  const right = true;
  const columns: Column[] = [
    { title: group === 'locks' ? 'lock' : group === 'primitives' ? 'operation' : 'strategy' },
    ...params.map((title) => ({ title, right })),
    { title: main === undefined ? 'figure' : main, right },
    { title: '95 %', right },
    { title: `to ${referenceOf(cells, ratios)}`, right },
    { title: '' },
    ...others.map((title) => ({ title, right })),
    ...(limited ? [{ title: 'limiting word' }, ...['taken', 'moved'].map((title) => ({ title, right }))] : []),
    { title: 'marks' },
  ];
  const rows = sortedCells(cells, params).map((cell) => {
    const estimate = main === undefined ? undefined : cell.metrics[main];
    const ratio = main === undefined ? undefined : ratios.get(`${cell.id} ${main}`);
    return [
      cell.subject,
      ...params.map((name) => String(cell.params[name] ?? '')),
      main === undefined || estimate === undefined ? '-' : figure(main, estimate.median),
      main === undefined || estimate === undefined ? '-' : interval(main, estimate),
      ratio === undefined ? '' : ratioWords(ratio.ratio),
      ratio === undefined ? '' : verdictWord(ratio),
      ...others.map((name) => otherFigure(name, cell)),
      ...(limited ? limitCells(cell) : []),
      marks(cell),
    ];
  });
  return { group, title: GROUP_TITLES[group] ?? group, columns, rows };
}

const NONE = { median: null, lo: null, hi: null, n: 0 };

/** Beside the main figure the others are medians; a ratio says nothing without its interval. */
function otherFigure(name: MetricName, { metrics }: BenchCell): string {
  const estimate = metrics[name] ?? NONE;
  return METRICS[name].unit === 'ratio' ? ratioWords(estimate) : figure(name, estimate.median);
}

function limitCells({ limit }: BenchCell): string[] {
  const shared = limit?.shared ?? null;
  if (shared === null) return [limit === undefined ? '-' : 'none', '-', '-'];
  return [shared.lock, shared.taken.median?.toFixed(2) ?? '-', countWords(shared.moved)];
}

/** Cells that are to be compared stand together: first by their parameters, then by what they measure. */
function sortedCells(cells: readonly BenchCell[], params: readonly string[]): BenchCell[] {
  const order = new Map([...new Set(cells.map(({ subject }) => subject))].map((subject, i) => [subject, i]));
  const compare = (a: BenchCell, b: BenchCell): number => {
    for (const name of params) {
      const [x, y] = [a.params[name], b.params[name]];
      if (x !== y) return typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
    }
    return order.get(a.subject)! - order.get(b.subject)!;
  };
  return [...cells].sort(compare);
}

/** Those of the group's figures that any of its cells has. */
export const shownMetrics = (group: string, cells: readonly BenchCell[]): MetricName[] =>
  (GROUP_METRICS[group] ?? []).filter((name) => cells.some(({ metrics }) => metrics[name] !== undefined));

const referenceOf = (cells: readonly BenchCell[], ratios: ReadonlyMap<string, BenchRatio>): string => {
  const ids = new Set(cells.map(({ id }) => id));
  const one = [...ratios.values()].find(({ cell }) => ids.has(cell));
  return cells.find(({ id }) => id === one?.reference)?.subject ?? 'reference';
};

/** `*` oversubscribed, `???` unfair as locktorture marks it, `!!!` rounds that failed. */
export function marks({ oversubscribed, fairness, failures }: BenchCell): string {
  const words = [
    ...(oversubscribed ? ['*'] : []),
    ...(fairness?.unfair === true ? ['???'] : []),
    ...(failures.length > 0 ? [`!!! ${failures.length} failed`] : []),
  ];
  return words.join(' ');
}

/** How to read the tables; the same in every form. */
export function legend({ environment, options, rounds, seed, interrupted }: BenchResult): string[] {
  const worst = (name: 'steal' | 'others'): string => {
    const known = rounds.flatMap((round) => (round[name] === null ? [] : [round[name]]));
    return known.length === 0 ? 'unknown' : `at most ${(Math.max(...known) * 100).toFixed(1)} % in a round`;
  };
  return [
    `${environment.cpu}, ${environment.cores} cores, governor ${environment.governor ?? 'unknown'}, steal time ${worst('steal')}, CPU time of other processes ${worst('others')}, load ${environment.loadavg.toFixed(1)} at the start; Node ${environment.node}, ${environment.platform}, commit ${environment.commit?.slice(0, 12) ?? 'unknown'}.`,
    `${interrupted ? `Interrupted: ${rounds.length} of ` : ''}${options.rounds} rounds; every cell once in each, in a random order (seed ${seed}), for ${options.cellMs} ms after ${options.warmupMs} ms that do not count, on threads of its own; with more threads than cores both so much longer that a thread has as much of a core.`,
    'Figures are medians over the rounds with 95 % bootstrap intervals. Ratios are made within a round, then summed up the same way. better and worse: the interval of the ratio excludes 1; =: it does not, which is no proof that both are the same; ?: too few rounds to say.',
    `*: more threads than the ${environment.cores} cores: such a rank is one of the scheduler too. ???: the busiest thread did more than twice what the idlest did.`,
  ];
}

/** Aligned for a terminal. */
export function plainTables(result: BenchResult): string[] {
  return benchTables(result).flatMap(({ title, notes, columns, rows }) => {
    const { header, lines } = table(columns, rows);
    return ['', title, header, ...lines, ...notes];
  });
}

/** bench.md, which is docs/benchmarks.md of a full run. */
export function benchMarkdown(result: BenchResult): string {
  const tables = benchTables(result).flatMap(({ title, notes, columns, rows }) => [
    `## ${title}`,
    '',
    ...notes.flatMap((note) => [note, '']),
    ...markdownTable(columns, rows),
    '',
  ]);
  return [
    '# Benchmarks',
    '',
    'Made by',
    '',
    `    ${result.command}`,
    '',
    ...legend(result).flatMap((line) => [line, '']),
    ...COMPARABLE.flatMap((line) => [line, '']),
    ...QUOTED.flatMap((line) => [line, '']),
    ...(result.notes.length === 0 ? [] : ['Left out:', '', ...result.notes.map((note) => `- ${note}`), '']),
    ...tables,
  ].join('\n');
}

/** How to go on from here. */
const QUOTED = [
  'To quote a figure, quote its interval and the first two paragraphs; bench.json of the run has every round. Two runs are compared by `odptorture compare RUN_A RUN_B`.',
  'Two strategies or locks of one run are compared by `odptorture compare RUN --strategy context-count,interval-notifier`. It has a line for each figure of each cell that both have in which they differ (with `--all`, also where they do not): `x1.25 1.20..1.31` is the second to the first, made round by round, so that a machine that was slow for a while has slowed both; its interval excludes 1. `worse` judges the second by what the figure is: more time is worse, more operations are better. Of twenty figures that are compared one differs by chance alone, and the last line says how many that would be. No difference means that none was seen in so many rounds; the interval says how large one it could have missed.',
] as const;

/** What may be held against what. */
export const COMPARABLE = [
  'A primitive alone is measured in turn with the inline futex on one thread, a few milliseconds each, and the speedup of two threads in turn with one of them alone: such a ratio is narrower than the figures that it is made of.',
  'What is comparable: all locks do the same work under the lock (four words, raised or compared), take the time of one acquisition in sixteen, and are checked for lost writes. Locks without a mode for readers run at each share of reads too: that is what a reader-writer lock has to beat. The locks of this project publish their holders and keep a class, which the inline futex mutex and the peers do not.',
  'CPU time of an operation is what this process used, spinning and waking with it; other work on the machine is not in it, as it is in everything that is told by the clock.',
  'What is not: the seqcount has no readers that exclude anybody, so its reads are retried, not waited for, and its words are read and written atomically. The peers are measured by their blocking calls; their asynchronous ones return to the event loop and have no place in a thread that holds a model together. ringbuf.js is wait-free for one producer and one consumer and never sleeps; the page-request queue takes many of both, under a lock, and its takers may sleep.',
] as const;

function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, i) => Math.max(3, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, i) => (columns[i]!.right === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = widths.map((width, i) => (columns[i]!.right === true ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(cells[0]!), `| ${rule.join(' | ')} |`, ...rows.map(line)];
}

const CSV_HEAD = [
  ...['id', 'suite', 'group', 'subject', 'params', 'threads', 'oversubscribed', 'metric', 'unit'],
  ...['median', 'lo', 'hi', 'rounds', 'reference', 'ratio', 'ratio_lo', 'ratio_hi', 'differs'],
  ...['base', 'asked', 'bound', 'holds'],
];

/** bench.csv: a line for each figure of each cell. */
export function benchCsv(result: BenchResult): string {
  const ratios = new Map(result.ratios.map((ratio) => [`${ratio.cell} ${ratio.metric}`, ratio]));
  const claims = new Map((result.claims ?? []).map((claim) => [`${claim.cell} ${claim.metric}`, claim]));
  const lines = result.cells.flatMap((cell) =>
    csvFigures(cell).map(([name, { median, lo, hi, n }]) => {
      const found = ratios.get(`${cell.id} ${name}`);
      const claim = claims.get(`${cell.id} ${name}`);
      const params = Object.entries(cell.params).map(([key, value]) => `${key}=${value}`);
      return [
        ...[cell.id, cell.suite, cell.group, cell.subject, params.join(' '), cell.threads, cell.oversubscribed],
        ...[name, isMetric(name) ? METRICS[name].unit : '', median, lo, hi, n],
        ...[found?.reference, found?.ratio.median, found?.ratio.lo, found?.ratio.hi, found?.differs],
        ...[claim?.base, claim?.asked, claim?.bound, claim?.holds],
      ]
        .map(csvField)
        .join(',');
    }),
  );
  return `${[CSV_HEAD.join(','), ...lines].join('\n')}\n`;
}

/** Of locks one at a time: `moved:mmap_lock R` is how often that word moves for each operation. */
const csvFigures = ({ metrics, limit }: BenchCell): [string, FiniteEstimate][] => [
  ...Object.entries(metrics),
  ...namedFigures('taken', limit?.shared?.lock, limit?.shared?.taken),
  ...namedFigures('moved', limit?.shared?.lock, limit?.shared?.moved),
  ...namedFigures('waited', limit?.waited?.lock, limit?.waited?.share),
];

const namedFigures = (
  what: string,
  lock: string | undefined,
  of: FiniteEstimate | undefined,
): [string, FiniteEstimate][] => (lock === undefined || of === undefined ? [] : [[`${what}:${lock}`, of]]);

function csvField(value: string | number | boolean | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
