import { type ExploredCell, type ExploredViolation, MAX_PREEMPTIONS } from './explored-cell.ts';

const HEAD = ['litmus', 'threads', 'strategy', 'verdict', 'oracles (fewest preemptions)', 'schedules', 'steps', 's'];
/** The columns of numbers, which lean to the right. */
const NUMBERS = [1, 5, 6, 7];

const oracleText = ({ oracle, preemptions }: ExploredViolation): string => `${oracle} (${preemptions ?? 'not known'})`;

/** The verdict in words: what was found, or else for how much of all schedules it is known that there is nothing. */
function verdictOf(cell: ExploredCell): string {
  if (cell.broken !== null) return `broken off: ${cell.broken}`;
  const all = cell.proof === null ? 'not exhausted' : cell.proof;
  if (cell.violations.length > 0) return `violated; ${all}`;
  if (cell.proof !== null) return `proved; ${all}`;
  if (cell.bounded !== null) return `no violation; ${all}: ${cell.bounded}`;
  return `no violation in ${cell.schedules} schedules; ${all}`;
}

/** One cell as the columns of the table. */
export function exploredRow(cell: ExploredCell): string[] {
  const { litmus, threads, strategy, schedules, stepsPerSchedule, seconds, violations, unexpected, missing } = cell;
  const surprises = [
    ...(unexpected.length > 0 ? [`not expected: ${unexpected.join(', ')}`] : []),
    ...(missing.length > 0 ? [`expected, not found: ${missing.join(', ')}`] : []),
  ];
  return [
    litmus,
    `${threads}`,
    strategy,
    [verdictOf(cell), ...surprises].join('; '),
    violations.map(oracleText).join(', '),
    `${schedules}`,
    stepsPerSchedule.toFixed(0),
    seconds.toFixed(1),
  ];
}

export interface ExploredRun {
  readonly command: string;
  readonly machine: string;
  readonly budget: string;
}

/** The page: how it was made, what the columns say, and the table. */
export function exploredDocument(cells: readonly ExploredCell[], run: ExploredRun): string {
  const rule = HEAD.map((_, i) => (NUMBERS.includes(i) ? '--:' : '---'));
  const rows = [HEAD, rule, ...cells.map(exploredRow)];
  return `# Explored litmus tests

Made by

    npm run build && ${run.command}

with ${run.machine}, at most ${run.budget} a cell.

Every litmus scenario under every design, on real threads of which one runs at a time: \`explore\` chooses which, at each operation on
a lock and each atomic operation of the model. *Exhaustive* means that one schedule of each class of schedules that differ only in the order of
steps that commute was run to its end, with all oracles watching, and that there are no others. It holds for the litmus as it is written: these
ranges, these operations, each once; and for the interleavings of atomic operations, which is what \`Atomics\` guarantees. A memory
barrier that hardware would need and that is missing does not show here.

- *oracles*: all that fire in some schedule; behind each, the fewest preemptions (turns taken from a thread that could go on) with
  which it does, up to ${MAX_PREEMPTIONS}.
- *schedules*, *s*: what the search took, audits and oracles included; *steps*: scheduled steps of one schedule, mean.

${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}`;
}
