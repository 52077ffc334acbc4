import { ACCESS, OP_INFO } from '../../sync/control.ts';
import type { Step } from '../control/steps.ts';
import type { Finding } from '../subject/subject.ts';
import { sameFinding } from './replay.ts';
import type { RunWishes } from './shrink.ts';
import { dependencies, isData } from './shrink-segments.ts';

type Pair = readonly [number, number];

/** Schedules that are run at most. */
const MAX_RUNS = 200;

/**
 * The two steps whose order decides: the last two of different threads that do not commute, with nothing but locks to order them, and
 * whose order, turned round, takes the finding away. That is tried, not guessed. Null when there are none, or none was found soon.
 */
export function decidingPair(run: RunWishes, steps: readonly Step[], finding: Finding): Pair | null {
  let runs = 0;
  for (const [i, j] of races(steps)) {
    for (const from of placesBefore(steps, i)) {
      if (runs++ >= MAX_RUNS) return null;
      const { findings, steps: after } = run(reversed(steps, from, j));
      if (!isReversed(steps, after, i, j)) continue;
      if (!findings.some((one) => sameFinding(one, finding))) return [i, j];
      break;
    }
  }
  return null;
}

/** Pairs that race, the last first: accesses to a word, and two turns at one lock. */
export function races(steps: readonly Step[]): Pair[] {
  const ordered = dependencies(steps, false);
  const pairs: Pair[] = [];
  for (let j = steps.length - 1; j > 0; j--) {
    if (!isContended(steps[j]!)) continue;
    const i = lastConflict(steps, j);
    if (i >= 0 && steps[i]!.tid !== steps[j]!.tid && !isOrdered(steps, ordered, i, j)) pairs.push([i, j]);
  }
  return pairs;
}

const isContended = (step: Step): boolean => isData(step) || OP_INFO[step.op]!.lock === 'acquire';

/** The step before `j` with which it does not commute; of a lock, the last that took it. */
function lastConflict(steps: readonly Step[], j: number): number {
  const { addr, access } = steps[j]!;
  return steps.findLastIndex(
    (step, i) =>
      i < j &&
      step.addr === addr &&
      isContended(step) &&
      (access === ACCESS.write || step.access === ACCESS.write || step.tid === steps[j]!.tid),
  );
}

const has = (bits: bigint, k: number): boolean => ((bits >> BigInt(k)) & 1n) === 1n;

/** True when something other than these two steps themselves, and than locks, puts `i` before `j`. */
function isOrdered(steps: readonly Step[], ordered: readonly bigint[], i: number, j: number): boolean {
  for (let k = i + 1; k < j; k++)
    if (has(ordered[k]!, i) && has(ordered[j]!, k) && steps[k]!.tid !== steps[i]!.tid) return true;
  return false;
}

/** Where a thread can be held back so that another one comes first: before step `i`, or before a lock that it holds there. */
function placesBefore(steps: readonly Step[], i: number): number[] {
  const { tid } = steps[i]!;
  const held: number[] = [];
  for (let k = 0; k < i; k++) {
    const step = steps[k]!;
    if (step.tid !== tid) continue;
    const { lock } = OP_INFO[step.op]!;
    if (lock === 'acquire') held.push(k);
    else if (lock === 'release') {
      const at = held.findLastIndex((index) => steps[index]!.addr === step.addr);
      if (at >= 0) held.splice(at, 1);
    }
  }
  return [i, ...held.reverse()];
}

/** The schedule in which the thread of step `j` does everything up to `j` before step `from`. */
function reversed(steps: readonly Step[], from: number, j: number): number[] {
  const { tid } = steps[j]!;
  const first = steps.slice(from, j + 1).filter((step) => step.tid === tid);
  const others = steps.slice(from, j + 1).filter((step) => step.tid !== tid);
  return [...steps.slice(0, from), ...first, ...others, ...steps.slice(j + 1)].map((step) => step.tid);
}

/** True when `j` came before `i` this time; each is found again by how many steps of its thread came before it. */
function isReversed(before: readonly Step[], after: readonly Step[], i: number, j: number): boolean {
  const at = (of: number): number => {
    const { tid } = before[of]!;
    const n = before.slice(0, of).filter((step) => step.tid === tid).length;
    let seen = 0;
    return after.findIndex((step) => step.tid === tid && seen++ === n);
  };
  const [first, second] = [at(j), at(i)];
  return first >= 0 && (second < 0 || first < second);
}
