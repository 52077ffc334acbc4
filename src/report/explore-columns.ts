import type { Label } from '../explore/control/steps.ts';
import type { Picture, PictureStep } from '../explore/replay/picture.ts';
import { pointName } from '../trace/points.ts';
import { collapseSteps, type Drawn } from './explore-repeats.ts';
import { wrapText } from './format.ts';
import { pointWords } from './point-words.ts';
import { PLAIN, type Style } from './style.ts';

export interface ColumnsOptions {
  readonly width?: number;
  readonly style?: Style;
  /** Lines of steps at most; the first are left out then. */
  readonly maxRows?: number;
  /** Points of the protocol as lines of their own; by default they are drawn. */
  readonly labels?: boolean;
}

const MIN_WIDTH = 40;
const MIN_COLUMN = 12;
/** ` ~> ` behind a step's number. */
const MARKS = 4;
const SEPARATOR = ' | ';
/** A lock is held: one for each. */
const HELD = ': ';

/**
 * Draws a schedule as mails on race conditions do: a column a thread, a line a step, time going down. Returns the lines.
 */
export function raceColumns(whole: Picture, options: ColumnsOptions = {}): string[] {
  const picture = options.labels === false ? { ...whole, labels: [] } : whole;
  const style = options.style ?? PLAIN;
  const width = Math.max(MIN_WIDTH, options.width ?? 100);
  const shown = picture.threads.map((_, tid) => tid).filter((tid) => picture.steps.some((step) => step.tid === tid));
  const collapsed = collapseSteps(picture.steps);
  const gutter = String(picture.steps.length).length + MARKS;
  const draw: Draw = { picture, style, shown, gutter, widths: columnWidths(picture, collapsed, shown, width - gutter) };
  const rows = collapsed.flatMap((drawn) => [
    ...labelLines(draw, drawn.from, drawn.index),
    ...divergenceLines(draw, drawn.index, width),
    stepLine(draw, drawn),
  ]);
  const last = picture.steps.length - 1;
  rows.push(...labelLines(draw, last, last + 1));
  const kept = options.maxRows === undefined ? rows : rows.slice(-options.maxRows);
  const left = rows.length - kept.length;
  return [
    ...headLines(draw, width),
    ...(left > 0 ? [style.dim(`${' '.repeat(gutter)}(${left} lines before)`)] : []),
    ...columnHeads(draw),
    ...kept,
    ...divergenceLines(draw, picture.steps.length, width),
    ...endLines(picture, width, style),
  ];
}

interface Draw {
  readonly picture: Picture;
  readonly style: Style;
  /** Threads that have a column. */
  readonly shown: readonly number[];
  /** Of the step's number and its marks. */
  readonly gutter: number;
  /** Of each column. */
  readonly widths: readonly number[];
}

/** `1 preemption`, `12 steps`. */
export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function headLines(draw: Draw, width: number): string[] {
  const { picture, style } = draw;
  const what = picture.finding === null ? picture.outcome : picture.finding.oracle;
  const about = picture.finding === null || picture.finding.object === '' ? '' : ` of ${picture.finding.object}`;
  const size = `${counted(picture.steps.length, 'step')}, ${counted(picture.preemptions, 'preemption')}`;
  return [
    ...wrapText(`${what}${about} in ${picture.name}: ${size}`, width).map(style.bold),
    ...picture.notes.flatMap((note) => wrapText(note, width)),
    ...legendLines(draw, width),
    '',
  ];
}

/** As wide as their texts, and where that is too much, the widest are cut. */
function columnWidths(picture: Picture, drawn: readonly Drawn[], shown: readonly number[], width: number): number[] {
  const widths = shown.map((tid) => {
    const steps = drawn.filter(({ step }) => step.tid === tid).map((one) => textWidth(picture, one));
    const labels = picture.labels
      .filter((label) => label.tid === tid)
      .map((label) => HELD.length * depthOf(picture, label.step - 1, tid) + labelText(label).length);
    return Math.max(MIN_COLUMN, picture.threads[tid]!.length, ...steps, ...labels);
  });
  let over = widths.reduce((sum, one) => sum + one, 0) + (widths.length - 1) * SEPARATOR.length - width;
  for (; over > 0 && Math.max(...widths) > MIN_COLUMN; over--) widths[widths.indexOf(Math.max(...widths))]!--;
  return widths;
}

const textWidth = (picture: Picture, { step, index, times, period }: Drawn): number =>
  HELD.length * ownDepth(picture, index, step.tid) + stepText(step).length + repeatText(times, period).length;

function columnHeads({ picture, style, shown, gutter, widths }: Draw): string[] {
  const names = shown.map((tid, i) => fit(picture.threads[tid]!, widths[i]!));
  return [
    style.bold(`${' '.repeat(gutter)}${names.join(SEPARATOR)}`.trimEnd()),
    `${'-'.repeat(gutter)}${widths.map((one) => '-'.repeat(one)).join('-+-')}`,
  ];
}

const fit = (text: string, width: number): string =>
  text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}~`;

/** What one step says: `add count: 1 -> 2`. */
export const stepText = (step: PictureStep): string =>
  `${step.op}${step.object === '' ? '' : ` ${step.object}`}${step.value}`;

const MAX_DEPTH = 5;

/** Locks that a thread holds behind step `at`. */
const depthOf = (picture: Picture, at: number, tid: number): number =>
  Math.min(MAX_DEPTH, at < 0 ? 0 : (picture.steps[at]!.held[tid]?.length ?? 0));
/** Where a step stands in its own column: taking a lock before its section, giving it back behind it. */
const ownDepth = (picture: Picture, at: number, tid: number): number =>
  Math.min(depthOf(picture, at, tid), depthOf(picture, at - 1, tid));

/** How often a step is repeated, or a few together. */
export const repeatText = (times: number, period: number): string =>
  times === 1 ? '' : ` ... ${period === 1 ? '' : `the last ${period} `}${times} times`;

const labelText = (label: Label): string => `-- ${pointWords(pointName(label.point), label.args)}`;

/** One line: `text` in the column of its thread at its depth, the locks of the others in theirs. */
function line(draw: Draw, head: string, at: number, tid: number, depth: number, text: string): string {
  const cells = draw.shown.map((one, i) => {
    const own = `${HELD.repeat(depth)}${text}`;
    return fit(one === tid ? own : HELD.repeat(depthOf(draw.picture, at, one)).trimEnd(), draw.widths[i]!);
  });
  return `${head.padEnd(draw.gutter)}${cells.join(SEPARATOR)}`.trimEnd();
}

function stepLine(draw: Draw, { step, index, times, period }: Drawn): string {
  const marks = `${step.preempts ? '~' : ' '}${step.racing ? '>' : ' '}`;
  const depth = ownDepth(draw.picture, index, step.tid);
  const words = stepText(step) + repeatText(times, period);
  const text = line(draw, `${String(index + 1).padStart(draw.gutter - MARKS)} ${marks}`, index, step.tid, depth, words);
  return step.racing ? draw.style.red(text) : text;
}

/** Points of the protocol that come behind step `from` and before step `to`. */
function labelLines(draw: Draw, from: number, to: number): string[] {
  const { picture, style } = draw;
  return picture.labels
    .filter((label) => label.step > from && label.step <= to && draw.shown.includes(label.tid))
    .map((label) => {
      const at = Math.min(to, picture.steps.length) - 1;
      return style.dim(line(draw, '', at, label.tid, depthOf(picture, at, label.tid), labelText(label)));
    });
}

function divergenceLines({ picture, style }: Draw, index: number, width: number): string[] {
  const { divergence } = picture;
  if (divergence === null || divergence.step !== index) return [];
  const text = `step ${index + 1} is not as recorded: expected ${divergence.expected}; found ${divergence.found}`;
  return wrapText(text, width - 4).map((part) => style.yellow(`*** ${part}`));
}

function endLines(picture: Picture, width: number, style: Style): string[] {
  const { finding } = picture;
  if (finding === null) return [style.bold(`==> ${endWords(picture)}`)];
  return wrapText(`${finding.oracle}: ${finding.text}`, width - 4).map((part, i) =>
    style.red(style.bold(`${i === 0 ? '==> ' : '    '}${part}`)),
  );
}

const endWords = (picture: Picture): string =>
  picture.outcome === 'complete' ? 'all threads ended, nothing was found' : `the schedule ended: ${picture.outcome}`;

function legendLines({ picture, style, shown }: Draw, width: number): string[] {
  const legend: string[] = [];
  if (picture.steps.some((step) => step.held.some((locks) => locks.length > 0))) legend.push('`:` a lock is held');
  if (picture.preemptions > 0) legend.push('`~` a thread was stopped here that could have gone on');
  if (picture.steps.some((step) => step.racing)) legend.push('`>` the two steps whose order decides');
  const silent = picture.threads.filter((_, tid) => !shown.includes(tid));
  if (silent.length > 0) legend.push(`without a step: ${silent.join(', ')}`);
  return wrapText(legend.join('; '), width).map(style.dim);
}
