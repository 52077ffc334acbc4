import type { ScheduleRequest } from '../control/engine.ts';
import { H, L, LOG_WORDS, lowestBit, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import { pickerId } from '../policies/index.ts';
import type { Search } from './search.ts';

const POLICY = pickerId('continue');

/**
 * Depth-first search over all schedules there are. Their number rises so fast with the length of a program that this is for small ones, and
 * for checking the searches that leave schedules out.
 */
export class DepthFirst implements Search {
  readonly name = 'dfs';
  private readonly maxSteps: number;
  /** The schedule that ran last: its steps; at each node who could run, and who was tried. */
  private readonly tid: Int32Array;
  private readonly enabled: Int32Array;
  private readonly tried: Int32Array;
  private depth = 0;
  private planned = -1;
  private schedules = 0;
  private limited = 0;
  private forced = false;
  private ended = false;
  private broken = false;

  constructor(options: { readonly maxSteps: number }) {
    const words = options.maxSteps + 1;
    this.maxSteps = options.maxSteps;
    this.tid = new Int32Array(words);
    this.enabled = new Int32Array(words);
    this.tried = new Int32Array(words);
  }

  next(): ScheduleRequest | null {
    if (this.ended || this.broken) return null;
    if (this.planned < 0) {
      this.planned = 0;
      return { prefix: [], policy: POLICY, seed: 1 };
    }
    for (let d = this.depth - 1; d >= 0; d--) {
      const left = this.enabled[d] & ~this.tried[d];
      if (left === 0) continue;
      this.tid[d] = lowestBit(left);
      this.tried[d] |= left & -left;
      this.planned = d + 1;
      return { prefix: this.tid.subarray(0, d + 1), policy: POLICY, seed: 1 };
    }
    this.ended = true;
    return null;
  }

  learn({ s, log }: Sched, outcome: ScheduleOutcome): void {
    if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) {
      this.broken = true;
      return;
    }
    this.schedules++;
    if (outcome === OUTCOME.stepLimit) this.limited++;
    if (s[H.forced] !== 0) this.forced = true;
    this.depth = s[H.steps];
    for (let i = this.planned; i < this.depth; i++) {
      const at = log + i * LOG_WORDS;
      this.tid[i] = s[at + L.tid];
      this.enabled[i] = s[at + L.enabled];
      this.tried[i] = 1 << this.tid[i];
    }
  }

  guarantee(): string | null {
    if (!this.ended || this.broken) return null;
    const assuming = this.forced ? ', assuming a time-out only when nobody else can run' : '';
    if (this.limited === 0) return `exhaustive: ${this.schedules} schedules${assuming}`;
    return `exhaustive up to ${this.maxSteps} steps: ${this.schedules} schedules, ${this.limited} cut off there${assuming}`;
  }
}
