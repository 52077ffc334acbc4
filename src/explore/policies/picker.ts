import type { Sched } from '../control/sched.ts';

/**
 * The half of a policy that runs inside a schedule, on whichever thread holds the token: so it keeps its state in `Sched` words
 * (`H.scratch`, `T.policy`) and allocates nothing.
 */
export interface Picker {
  readonly name: string;
  /** Before the first step of each schedule, on the driver's thread. */
  start?(sched: Sched): void;
  /** The thread that runs next; `enabled` is a bit mask with at least one bit. `current` is who ran last, -1 at first. */
  pick(sched: Sched, enabled: number, current: number): number;
  /** The step that was chosen last has happened: see its record in the log. */
  ran?(sched: Sched, step: number): void;
  /** True: threads in the sleep set are not offered. */
  readonly sleeps?: boolean;
  /** True: the prefix is left to the picker, which may take it as wishes. */
  readonly wishes?: boolean;
}
