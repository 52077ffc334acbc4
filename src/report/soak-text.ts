import { formatDuration } from '../scenario/duration.ts';
import { type Column, grouped, short, table, wrapText } from './format.ts';
import { escaped } from './markdown.ts';
import { type ReportModel, type SignatureRow, sumOf, unexpectedOf } from './soak-model.ts';
import {
  countWords,
  expectationWords,
  expectedWords,
  foundWords,
  placeWords,
  stateWords,
  timeWords,
  verdictLines,
  verdictWords,
} from './soak-words.ts';
import type { Style } from './style.ts';

const SIGNATURES_PRINTED = 12;

const SIGNATURE_COLUMNS: readonly Column[] = [
  { title: '#', right: true },
  { title: 'oracle' },
  { title: 'strategy' },
  { title: 'at' },
  { title: 'count', right: true },
  { title: 'an hour', right: true },
  { title: 'first', right: true },
  { title: 'last', right: true },
  { title: '' },
];

const signatureCells = (row: SignatureRow, i: number): string[] => [
  String(i + 1),
  row.oracle,
  row.strategy,
  placeWords(row),
  countWords(row),
  row.atLeast ? '-' : short(row.perHour),
  timeWords(row.first.t),
  timeWords(row.last.t),
  expectationWords(row),
];

const headWords = (model: ReportModel): string =>
  `${model.name}: ${grouped(model.cells)} ${model.cells === 1 ? 'cell' : 'cells'} in ${formatDuration(model.elapsedMs)}, seed ${model.seed}, ${stateWords(model.state)}`;

/** The report for a terminal. */
export function reportText(
  model: ReportModel,
  { style, width }: { readonly style: Style; readonly width: number },
): string[] {
  const paint = model.verdict === 'FAILURE' ? style.red : model.verdict === 'SUCCESS' ? style.green : style.yellow;
  const indented = (text: string, indent = '  '): string[] =>
    wrapText(text, width - indent.length).map((line) => indent + line);
  const lines = [style.bold(paint(verdictWords(model))), ...indented(headWords(model))];
  for (const line of verdictLines(model)) lines.push(...indented(line));
  for (const note of model.notes) lines.push(...indented(note).map(style.yellow));
  if (model.signatures.length > 0) lines.push('', ...signatureLines(model, style));
  if (model.entries.length > 0) lines.push('', ...entryLines(model, style));
  return lines;
}

function signatureLines({ signatures }: ReportModel, style: Style): string[] {
  const shown = signatures.slice(0, SIGNATURES_PRINTED);
  const { header, lines } = table(SIGNATURE_COLUMNS, shown.map(signatureCells));
  const left = signatures.length - shown.length;
  return [
    style.bold('signatures'),
    `  ${style.dim(header)}`,
    ...lines.map((line, i) => `  ${shown[i]!.expected === 'no' && !shown[i]!.canary ? style.red(line) : line}`),
    ...(left > 0 ? [`  ${style.dim(`${left} more in report.html`)}`] : []),
    ...shown
      .filter((row) => row.expected === 'no' && !row.canary)
      .slice(0, 3)
      .flatMap((row) =>
        row.repeat.slice(0, 1).map(({ command }) => `  repeat #${signatures.indexOf(row) + 1}: ${command}`),
      ),
  ];
}

function entryLines({ entries }: ReportModel, style: Style): string[] {
  const columns: readonly Column[] = [
    { title: 'scenario' },
    { title: 'strategy' },
    { title: 'expected' },
    { title: 'cells', right: true },
    { title: 'faults/s', right: true },
    { title: 'exposures', right: true },
    { title: 'found' },
  ];
  const { header, lines } = table(
    columns,
    entries.map((entry) => [
      entry.scenario,
      `${entry.strategy}${entry.canary ? ' (canary)' : ''}`,
      expectedWords(entry),
      grouped(entry.cells),
      entry.durationMs > 0 ? short((entry.faults.committed * 1000) / entry.durationMs) : '-',
      grouped(sumOf(entry.exposures)),
      foundWords(entry),
    ]),
  );
  return [
    style.bold('strategies'),
    `  ${style.dim(header)}`,
    ...lines.map((line, i) => `  ${unexpectedOf(entries[i]!).length > 0 ? style.red(line) : line}`),
  ];
}

/** summary.md: what a CI job shows on its page. */
export function reportMarkdown(model: ReportModel): string {
  const row = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = (n: number): string => `|${'---|'.repeat(n)}`;
  const signatures = model.signatures.slice(0, SIGNATURES_PRINTED);
  return [
    `### odptorture: ${escaped(verdictWords(model))}`,
    '',
    escaped(headWords(model)),
    '',
    ...[...verdictLines(model), ...model.notes].map((line) => `- ${escaped(line)}`),
    '',
    ...(signatures.length === 0
      ? []
      : [
          row(['#', 'oracle', 'strategy', 'at', 'count', 'an hour', 'first', 'last', 'expected', 'repeat it']),
          rule(10),
          ...signatures.map((one, i) =>
            row([...signatureCells(one, i), one.repeat[0] === undefined ? '' : `\`${one.repeat[0].command}\``]),
          ),
          ...(model.signatures.length > signatures.length
            ? ['', `${model.signatures.length - signatures.length} more in report.html.`]
            : []),
          '',
        ]),
    row(['scenario', 'strategy', 'as expected', 'cells', 'exposures', 'found']),
    rule(6),
    ...model.entries.map((entry) =>
      row([
        entry.scenario,
        `${entry.strategy}${entry.canary ? ' (canary)' : ''}`,
        expectedWords(entry),
        grouped(entry.cells),
        grouped(sumOf(entry.exposures)),
        foundWords(entry),
      ]),
    ),
    '',
  ].join('\n');
}
