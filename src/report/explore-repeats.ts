import type { PictureStep } from '../explore/replay/picture.ts';

/** A step that is drawn, for itself or for many. */
export interface Drawn {
  readonly step: PictureStep;
  /** Of the last step that it stands for. */
  readonly index: number;
  /** Of the last step drawn before it; -1: none. */
  readonly from: number;
  /** How often: it alone (`period` 1), or the last `period` drawn steps together. */
  readonly times: number;
  readonly period: number;
}

const MAX_PERIOD = 6;
/** Less than this often in a row is drawn in full; one step alone is collapsed from two times on. */
const MIN_TIMES = 3;

const sameStep = (a: PictureStep, b: PictureStep): boolean =>
  a.tid === b.tid && a.op === b.op && a.object === b.object && a.value === b.value;

/**
 * Leaves out what repeats: a thread that spins fills a page with the same few steps, and what it waits for is lost in them. Steps
 * that are marked, or where another thread comes in, are always drawn.
 */
export function collapseSteps(steps: readonly PictureStep[]): Drawn[] {
  const drawn: Drawn[] = [];
  let from = -1;
  const push = (index: number, times: number, period: number): void => {
    drawn.push({ step: steps[index]!, index, from, times, period });
    from = index;
  };
  for (let i = 0; i < steps.length; ) {
    const { period, times } = repeatAt(steps, i);
    if (times === 1) {
      push(i, 1, 1);
      i++;
      continue;
    }
    const end = i + period * times;
    for (let k = i; k < i + period - 1; k++) push(k, 1, 1);
    push(end - 1, times, period);
    i = end;
  }
  return drawn;
}

/** The shortest pattern that begins at `i` and repeats at once. */
function repeatAt(steps: readonly PictureStep[], i: number): { period: number; times: number } {
  for (let period = 1; period <= MAX_PERIOD && i + 2 * period <= steps.length; period++) {
    let n = i;
    const same = (at: number): boolean =>
      sameStep(steps[at]!, steps[at - period]!) &&
      !isMarked(steps[at]!) &&
      !isMarked(steps[at - period]!, at - period === i);
    for (n = i + period; n < steps.length && same(n); n++);
    const times = Math.floor((n - i) / period);
    if (times >= (period === 1 ? 2 : MIN_TIMES)) return { period, times };
  }
  return { period: 1, times: 1 };
}

/** The first of a run may be where its thread comes in. */
const isMarked = (step: PictureStep, first = false): boolean => step.racing || (step.preempts && !first);
