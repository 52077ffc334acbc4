import type { ThresholdResult } from '../results/thresholds.ts';
import type { CellResult } from '../results/types.ts';
import { expectedWord, findings, findingWords, orderWords } from './findings.ts';
import { type Column, grouped, short, shortNs, table, wrapList, wrapText } from './format.ts';
import type { Style } from './style.ts';

export interface ReportOptions {
  readonly style: Style;
  /** Width of the terminal; lines keep within it as far as single words allow. */
  readonly width: number;
  /** Also print what is as it should be in detail. */
  readonly verbose: boolean;
}

const LOAD_COLUMNS: readonly Column[] = [
  { title: 'strategy' },
  { title: 'verdict' },
  { title: 'expected' },
  { title: 'faults/s', right: true },
  { title: 'sections/s', right: true },
  { title: 'regs/s', right: true },
  { title: 'fault p50', right: true },
  { title: 'p99', right: true },
  { title: 'retries/commit', right: true },
];
const LITMUS_COLUMNS: readonly Column[] = [
  { title: 'strategy' },
  { title: 'verdict' },
  { title: 'expected' },
  { title: 'order' },
];

/** The result of a run: for each scenario a table of its cells, with what each one found on the line below. */
export function matrixReport(cells: readonly CellResult[], options: ReportOptions): string[] {
  const lines: string[] = [];
  for (const scenario of new Set(cells.map((cell) => cell.scenario))) {
    const group = cells.filter((cell) => cell.scenario === scenario);
    if (lines.length > 0) lines.push('');
    lines.push(...scenarioTable(scenario, group, options));
  }
  return lines;
}

function scenarioTable(scenario: string, cells: readonly CellResult[], options: ReportOptions): string[] {
  const { style } = options;
  const litmus = cells[0]!.kind === 'litmus';
  const repeated = new Set(cells.map((cell) => cell.seed)).size > 1;
  const names = cells.map((cell) => (repeated ? `${cell.strategy} seed=${cell.seed}` : cell.strategy));
  const rows = cells.map((cell, i) => (litmus ? litmusRow(cell, names[i]!) : loadRow(cell, names[i]!)));
  const { header, lines } = table(litmus ? LITMUS_COLUMNS : LOAD_COLUMNS, rows);
  const result = [style.bold(scenario), `  ${style.dim(header)}`];
  cells.forEach((cell, i) => {
    result.push(`  ${paintRow(lines[i]!, cell, style)}`);
    result.push(...findingLines(cell, options));
  });
  return result;
}

function loadRow(cell: CellResult, name: string): string[] {
  const { retriesPerCommit } = cell.faults;
  const perSecond = (operation: string): string => short(cell.operations[operation]?.perSecond ?? 0);
  const seconds = cell.durationMs / 1000;
  const faulted = cell.latencyNs.fault.count > 0;
  return [
    name,
    cell.verdict,
    expectedWord(cell),
    seconds > 0 ? short(cell.faults.committed / seconds) : '-',
    perSecond('section'),
    perSecond('register'),
    faulted ? shortNs(cell.latencyNs.fault.p50) : '-',
    faulted ? shortNs(cell.latencyNs.fault.p99) : '-',
    retriesPerCommit.count > 0 ? retriesPerCommit.mean.toFixed(2) : '-',
  ];
}

const litmusRow = (cell: CellResult, name: string): string[] => [
  name,
  cell.verdict,
  expectedWord(cell),
  orderWords(cell).join(', ') || 'free',
];

/** Colours after the layout: escape sequences must not count as width. */
function paintRow(line: string, cell: CellResult, style: Style): string {
  const paintVerdict = cell.verdict === 'FAILURE' ? style.red : cell.verdict === 'SUCCESS' ? style.green : style.yellow;
  const painted = line.replace(
    / (SUCCESS|FAILURE|UNKNOWN)(?= |$)/,
    (_, verdict: string) => ` ${paintVerdict(verdict)}`,
  );
  return cell.asExpected === false ? painted.replace(/ NO(?= |$)/, ` ${style.bold(style.red('NO'))}`) : painted;
}

const INDENT = '      ';

function findingLines(cell: CellResult, { style, width, verbose }: ReportOptions): string[] {
  const room = Math.max(40, width - INDENT.length);
  const unexpected = new Set(
    findings(cell)
      .map((finding) => finding.oracle)
      .filter((oracle) => !cell.expected.must.includes(oracle) && !cell.expected.may.includes(oracle)),
  );
  const lines = wrapList(findingWords(cell), room).map((line) => INDENT + style.dim(line));
  const say = (text: string, paint: (t: string) => string): void => {
    for (const line of wrapText(text, room)) lines.push(INDENT + paint(line));
  };
  if (cell.why !== '' && (cell.asExpected !== true || verbose))
    say(cell.why, cell.asExpected === false ? style.red : style.yellow);
  else if (cell.asExpected === false && unexpected.size > 0)
    say(`not expected: ${[...unexpected].join(', ')}`, style.red);
  if (cell.fault !== undefined && !cell.why.includes(cell.fault.message))
    say(`${cell.fault.kind} in ${cell.fault.thread}: ${cell.fault.message}`, style.red);
  if (cell.interrupted) say('interrupted', style.yellow);
  if (cell.records.dropped > 0) say(`${cell.records.dropped} full records dropped (all counted)`, style.yellow);
  const { inject, stalls, readerPipe } = cell;
  if (inject !== undefined)
    say(
      `injected: ${Object.entries(inject)
        .map(([capability, n]) => `${capability} ${grouped(n)}`)
        .join(', ')}`,
      style.dim,
    );
  if (stalls !== undefined) say(`stalls: ${grouped(stalls)}`, style.dim);
  // As rcutorture prints it: all that is not in the first place is an error.
  if (verbose || readerPipe.slice(1).some((n) => n > 0)) say(`Reader Pipe: ${readerPipe.join(' ')}`, style.dim);
  if (verbose) {
    say(
      `expected: must ${cell.expected.must.join(', ') || 'none'}; may ${cell.expected.may.join(', ') || 'none'} - ${cell.expected.reason}`,
      style.dim,
    );
    const exposures = Object.entries(cell.exposures).filter(([, n]) => n > 0);
    if (exposures.length > 0)
      for (const line of wrapList(
        exposures.map(([name, n]) => `${name} ${short(n)}`),
        room,
      ))
        lines.push(INDENT + style.dim(line));
    const waits = cell.locks
      .filter(({ contentions }) => contentions > 0)
      .map(
        ({ name, mode, contentions, waitNs }, i) =>
          `${i === 0 ? 'waits: ' : ''}${name}-${mode} ${short(contentions)} x ${shortNs(waitNs.mean)}`,
      );
    if (waits.length > 0) for (const line of wrapList(waits, room)) lines.push(INDENT + style.dim(line));
    for (const note of cell.notes) say(note, style.dim);
  }
  return lines;
}

/** One line for each threshold that was missed, or all of them. */
export function thresholdReport(results: readonly ThresholdResult[], { style, verbose }: ReportOptions): string[] {
  return results
    .filter((result) => verbose || result.met !== true)
    .map((result) => {
      const word =
        result.met === true
          ? style.green('met')
          : result.met === false
            ? style.red('missed')
            : style.yellow('no figure');
      const value = result.value === null ? '' : ` (${short(result.value)})`;
      return `threshold ${result.threshold} ${word}${value}: ${result.scenario} ${result.strategy} seed=${result.seed}`;
    });
}

/** The last line: how many cells, and how they did. */
export function closingLine(cells: readonly CellResult[], judgedBy: 'violations' | 'expectations'): string {
  const n = (count: number): string => `${count} ${count === 1 ? 'cell' : 'cells'}`;
  const tally = (words: readonly (readonly [string, number])[]): string =>
    words
      .filter(([, count], i) => count > 0 || i === 0)
      .map(([word, count]) => `${count} ${word}`)
      .join(', ');
  const having = (test: (cell: CellResult) => boolean): number => cells.filter(test).length;
  if (judgedBy === 'expectations')
    return `${n(cells.length)}: ${tally([
      ['as expected', having((cell) => cell.asExpected === true)],
      ['NOT as expected', having((cell) => cell.asExpected === false)],
      ['unknown', having((cell) => cell.asExpected === null)],
    ])}`;
  return `${n(cells.length)}: ${tally([
    ['without a violation', having((cell) => cell.verdict === 'SUCCESS')],
    ['with violations', having((cell) => cell.verdict === 'FAILURE')],
    ['unknown', having((cell) => cell.verdict === 'UNKNOWN')],
  ])}`;
}
