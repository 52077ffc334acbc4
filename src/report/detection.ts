import type { Detection } from '../results/detection.ts';
import { type Column, short, shortNs, table, wrapText } from './format.ts';
import type { ReportOptions } from './terminal.ts';

const COLUMNS: readonly Column[] = [
  { title: 'known bug' },
  { title: 'no.', right: true },
  { title: 'found', right: true },
  { title: 'by' },
  { title: 'first, median', right: true },
  { title: 'min..max', right: true },
  { title: '1/s', right: true },
];

/** Two tables: each known bug in its own litmus, and under load. What was missed is red where it has to be found. */
export function detectionReport(detections: readonly Detection[], options: ReportOptions): string[] {
  const own = detections.filter((detection) => detection.own);
  const loads = detections.filter((detection) => !detection.own);
  return [
    ...detectionTable('Known bugs, each in its own litmus, run freely', 'per iteration', own, options),
    ...(own.length > 0 && loads.length > 0 ? [''] : []),
    ...detectionTable('Known bugs under load', 'per exposure', loads, options),
  ];
}

function detectionTable(
  title: string,
  rate: string,
  detections: readonly Detection[],
  { style, width, verbose }: ReportOptions,
): string[] {
  if (detections.length === 0) return [];
  const columns = [...COLUMNS, { title: rate, right: true }, { title: 'scenario' }];
  const { header, lines } = table(columns, detections.map(row));
  return [
    style.bold(title),
    `  ${style.dim(header)}`,
    ...detections.flatMap((detection, i) => {
      const missed = detection.found < detection.cells;
      const paint = missed ? (detection.own ? style.red : style.yellow) : (text: string): string => text;
      const about = `${detection.family}, in ${detection.base}: ${detection.origin}`;
      return [
        `  ${paint(lines[i]!)}`,
        ...(verbose ? wrapText(about, Math.max(40, width - 6)).map((line) => `      ${style.dim(line)}`) : []),
      ];
    }),
  ];
}

const row = (detection: Detection): string[] => [
  detection.variant,
  detection.bug,
  `${detection.found}/${detection.cells}`,
  detection.oracle ?? 'MISSED',
  firstWords(detection),
  rangeWords(detection),
  detection.found === 0 ? '-' : short(detection.perSecond),
  detection.found === 0 ? '-' : rateWords(detection),
  detection.scenario,
];

/** Median of the times until it was found: `12ms`. */
export const firstWords = ({ firstMs }: Detection): string => (firstMs === null ? '-' : shortNs(firstMs.median * 1e6));

/** The shortest and the longest of these times. */
export const rangeWords = ({ firstMs }: Detection): string =>
  firstMs === null ? '-' : `${shortNs(firstMs.min * 1e6)}..${shortNs(firstMs.max * 1e6)}`;

/** Violations an iteration, or an exposure, as `0.17` or `2.1e-4`. */
export function rateWords({ perIteration, perExposure }: Detection): string {
  const rate = perIteration ?? perExposure ?? 0;
  return rate >= 0.01 || rate === 0 ? rate.toFixed(2) : rate.toExponential(1);
}

/** The last line: how many were found, and where. */
export function detectionLine(detections: readonly Detection[]): string {
  const words = (title: string, those: readonly Detection[]): string[] => {
    if (those.length === 0) return [];
    const missed = those.filter(({ found }) => found === 0).map(({ variant }) => variant);
    const rest = missed.length === 0 ? '' : ` (missed: ${missed.join(', ')})`;
    return [`${those.length - missed.length} of ${those.length} found ${title}${rest}`];
  };
  const own = detections.filter((detection) => detection.own);
  const loads = detections.filter((detection) => !detection.own);
  return `known bugs: ${[...words('in their own litmus', own), ...words('under load', loads)].join(', ') || 'none was run'}`;
}
