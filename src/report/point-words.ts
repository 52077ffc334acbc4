import { outcomeName } from '../mm/outcome.ts';
import { VERBS } from '../scenario/plan.ts';
import { LOCK_CLASSES } from '../sync/lock-class.ts';
import { HELD } from '../sync/task.ts';
import { CAPABILITIES } from '../trace/inject.ts';
import { POINT, POINT_TABLE, type PointName } from '../trace/points.ts';

/** A record's arguments by name, as POINT_TABLE states them. */
export function namedArgs(point: PointName, args: readonly number[]): readonly (readonly [string, number])[] {
  const names: readonly string[] = POINT_TABLE[POINT[point]]?.[1] ?? [];
  return names.flatMap((name, i) => (name === '' ? [] : [[name, args[i] ?? 0] as const]));
}

/** Pages that a record is about, or null. */
export function pagesOf(point: PointName, args: readonly number[]): { start: number; last: number } | null {
  const named = new Map(namedArgs(point, args));
  const start = named.get('start') ?? named.get('page');
  return start === undefined ? null : { start, last: named.get('last') ?? start };
}

/** Arguments that only tell one object from another; they stand last, where a narrow column cuts them off. */
const NAMES_OF_OBJECTS: readonly string[] = ['umem', 'key', 'section', 'qp', 'identity', 'lock'];
const rank = (name: string): number => (NAMES_OF_OBJECTS.includes(name) ? 1 : 0);

/** `section.started [3..6] section=2`: a range in brackets, the rest by name. */
export function pointWords(point: PointName, args: readonly number[]): string {
  const words: string[] = [point];
  const named = namedArgs(point, args);
  const range = new Map(named);
  for (const [name, value] of [...named].sort(([a], [b]) => rank(a) - rank(b))) {
    if (name === 'start' && range.has('last')) {
      const last = range.get('last')!;
      words.push(last === value ? `[${value}]` : `[${value}..${last}]`);
    } else if (name !== 'last') words.push(wordOf(name, value));
  }
  return words.join(' ');
}

const HELD_NAMES = Object.keys(HELD);

/** One argument in words: numbers that stand for names are given by name. */
function wordOf(name: string, value: number): string {
  switch (name) {
    case 'class':
      return LOCK_CLASSES[value] ?? `class=${value}`;
    case 'mode':
      return HELD_NAMES[value] ?? `mode=${value}`;
    case 'verb':
      return VERBS[value] ?? `verb=${value}`;
    case 'capability':
      return CAPABILITIES[value] ?? `capability=${value}`;
    case 'outcome':
      return outcomeName(value);
    case 'identity':
      return `${name}=${hex(value)}`;
    default:
      return `${name}=${value}`;
  }
}

/** Identities are bit fields; the poison is known by its hexadecimal form. */
const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
