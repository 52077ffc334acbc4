import { OUTCOME } from '../../src/explore/control/sched.ts';
import type { Step } from '../../src/explore/control/steps.ts';
import type { Play } from '../../src/explore/replay/replay.ts';
import type { Finding } from '../../src/explore/subject/subject.ts';
import { ACCESS, OP } from '../../src/sync/control.ts';

/** A step of a thread: `[tid, n]`, n from 0. */
export type Place = readonly [number, number];
/** The first comes before the second. */
export type Before = readonly [Place, Place];

export const FOUND: Finding = { oracle: 'assertion', object: '', text: 'found' };

/**
 * Threads without threads: thread `tid` has `lengths[tid]` steps on words that nobody shares, all of them possible at any time; the
 * schedule shows its finding when all of `rules` hold. The wishes are taken as the `follow` policy takes them.
 */
export function fakeRun(lengths: readonly number[], rules: readonly Before[]): (wishes: readonly number[]) => Play {
  return (wishes) => {
    const left = [...lengths];
    const steps: Step[] = [];
    const take = (tid: number): void => {
      const enabled = left.reduce((mask, n, i) => (n > 0 ? mask | (1 << i) : mask), 0);
      left[tid]!--;
      const local = { value: 0, arg: 0, sleep: 0, cause: -1 };
      steps.push({ tid, op: OP.store, addr: 100 * tid + left[tid]!, access: ACCESS.write, enabled, ...local });
    };
    for (const wish of wishes) {
      if (wish < 32 && left[wish]! > 0) take(wish);
      if (wish >= 32) while (left[wish - 32]! > 0) take(wish - 32);
    }
    for (let last = steps.at(-1)?.tid ?? 0; left.some((n) => n > 0); ) {
      if (left[last] === 0) last = left.findIndex((n) => n > 0);
      take(last);
    }
    const shown = rules.every(([a, b]) => at(steps, a) < at(steps, b));
    return { outcome: OUTCOME.complete, findings: shown ? [FOUND] : [], steps };
  };
}

function at(steps: readonly Step[], [tid, n]: Place): number {
  let seen = 0;
  return steps.findIndex((step) => step.tid === tid && seen++ === n);
}

/** All schedules of threads with so many steps. */
export function* allSchedules(lengths: readonly number[]): Generator<number[]> {
  if (lengths.every((n) => n === 0)) yield [];
  for (let tid = 0; tid < lengths.length; tid++) {
    if (lengths[tid] === 0) continue;
    const rest = lengths.map((n, i) => (i === tid ? n - 1 : n));
    for (const schedule of allSchedules(rest)) yield [tid, ...schedule];
  }
}
