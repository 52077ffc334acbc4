import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * stringbuffer-jdk1.4: `StringBuffer.append(StringBuffer other)` of JDK 1.4 asks the other for its length and then for that many
 * characters (Flanagan and Qadeer, PLDI 2003). Both are synchronized on the other, but not the two together: when the other is erased
 * in between, `getChars` is asked for more than there is.
 *
 * Published with 2 threads: the one that makes the other is one of them.
 */
const CAPACITY = 16;
const ABC = [97, 98, 99] as const;

const start = layout(['own', 'other'], { ownCount: 0, otherCount: 3, ownValue: [CAPACITY], otherValue: [CAPACITY] });
export const { memory, names } = start;
const { at, item } = start;
const OWN = at('own');
const OTHER = at('other');
const OWN_COUNT = at('ownCount');
const OTHER_COUNT = at('otherCount');

export function setup(mem: Parameters<typeof start.setup>[0]): void {
  start.setup(mem);
  ABC.forEach((c, i) => {
    mem[item('otherValue', i)] = c;
  });
}

/** `length()`, synchronized on the other. */
function lengthOfOther(task: Task): number {
  mutexLock(task, OTHER);
  const length = load(task, OTHER_COUNT);
  mutexUnlock(task, OTHER);
  return length;
}

/** `getChars(0, end, own value, from)`, synchronized on the other. */
function charsOfOther(task: Task, end: number, from: number): void {
  mutexLock(task, OTHER);
  if (end > load(task, OTHER_COUNT)) throw new Error(`StringIndexOutOfBounds: ${end}`);
  for (let i = 0; i < end; i++) store(task, item('ownValue', from + i), load(task, item('otherValue', i)));
  mutexUnlock(task, OTHER);
}

/** `own.append(other)`, synchronized on its own buffer. */
function appends(task: Task): void {
  mutexLock(task, OWN);
  const length = lengthOfOther(task);
  const count = load(task, OWN_COUNT);
  charsOfOther(task, length, count);
  store(task, OWN_COUNT, count + length);
  mutexUnlock(task, OWN);
}

/** `other.delete(0, 3)`, then `other.append("abc")`, each synchronized. */
function replaces(task: Task): void {
  mutexLock(task, OTHER);
  store(task, OTHER_COUNT, load(task, OTHER_COUNT) - ABC.length);
  mutexUnlock(task, OTHER);
  mutexLock(task, OTHER);
  const count = load(task, OTHER_COUNT);
  ABC.forEach((c, i) => {
    store(task, item('otherValue', count + i), c);
  });
  store(task, OTHER_COUNT, count + ABC.length);
  mutexUnlock(task, OTHER);
}

export const threads = [appends, replaces];
