import { relative } from 'node:path';
import type { RaceReport, RaceSide } from '../explore/races/race-log.ts';
import type { Frame } from '../explore/races/race-sites.ts';

const RULE = '='.repeat(66);

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;

/** A path as short as it can be from here. */
const shortPath = (file: string): string => {
  const near = relative(process.cwd(), file);
  return near.startsWith('..') ? file : near;
};

const functionOf = ({ frames }: RaceSide): string =>
  frames[0]?.name || (frames[0] === undefined ? 'unknown' : lineOf(frames[0]));
const lineOf = (frame: Frame): string => `${shortPath(frame.file)}:${frame.line}`;

function sideLines(side: RaceSide, report: RaceReport): string[] {
  const marked = side.plain ? '' : ` (marked, ${side.op})`;
  const kind = `${side.write ? 'write' : 'read'}${marked}`;
  const head = `${kind} to ${report.object} (word ${report.word}) of 4 bytes by thread ${side.thread} (tid ${side.tid}):`;
  const frames = side.frames.map(
    (frame) => ` ${frame.name === '' ? '(anonymous)' : frame.name} ${lineOf(frame)}:${frame.col}`,
  );
  return [head, ...(frames.length === 0 ? [' (no frame of the program)'] : frames)];
}

/** What a plain write of the two changed; the later one when both did. */
function valueLine({ sides }: RaceReport): string[] {
  const writer = sides.findLast(({ plain, write }) => plain && write);
  if (writer === undefined) return [];
  return writer.before === writer.after
    ? [`value not changed: ${hex(writer.before)}`]
    : [`value changed: ${hex(writer.before)} -> ${hex(writer.after)}`];
}

/**
 * A data race in the layout of the kernel's concurrency sanitizer: the later access first, as there. What is said of a CPU there is
 * said of a schedule here: `reportedBy` tells how it can be run again.
 */
export function kcsanReport(report: RaceReport, reportedBy = 'odptorture explore --races'): string[] {
  const [earlier, later] = report.sides;
  const names = [functionOf(earlier), functionOf(later)].sort();
  return [
    RULE,
    `BUG: KCSAN: data-race in ${names.join(' / ')}`,
    '',
    ...sideLines(later, report),
    '',
    ...sideLines(earlier, report),
    '',
    ...valueLine(report),
    '',
    `Reported by ${reportedBy}`,
    RULE,
  ];
}
