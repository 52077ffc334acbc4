import { H, L, LABEL_WORDS, LOG_WORDS, type Sched } from './sched.ts';

/** One step of a schedule, read from the log. See `L` for the fields. */
export interface Step {
  readonly tid: number;
  /** Index into OP_NAMES. */
  readonly op: number;
  /** Word of the arena; 0 for local steps. */
  readonly addr: number;
  readonly arg: number;
  readonly value: number;
  readonly access: number;
  /** Threads that could have taken this step, as bits; those of them that slept. */
  readonly enabled: number;
  readonly sleep: number;
  /** For `resume`: index of the step that notified, -1 for a time-out. */
  readonly cause: number;
}

/** A point of the protocol, just before step `step`. */
export interface Label {
  readonly step: number;
  readonly tid: number;
  readonly point: number;
  readonly args: readonly [number, number, number];
}

export function readStep({ s, log }: Sched, i: number): Step {
  const at = log + i * LOG_WORDS;
  return {
    tid: s[at + L.tid],
    op: s[at + L.op],
    addr: s[at + L.addr],
    arg: s[at + L.arg],
    value: s[at + L.value],
    access: s[at + L.access],
    enabled: s[at + L.enabled],
    sleep: s[at + L.sleep],
    cause: s[at + L.cause],
  };
}

/** The steps of the schedule that ran last. */
export const readSteps = (sched: Sched): Step[] =>
  Array.from({ length: sched.s[H.steps] }, (_, i) => readStep(sched, i));

/** Its tids alone: the prefix that repeats it. */
export function readSchedule({ s, log }: Sched): number[] {
  return Array.from({ length: s[H.steps] }, (_, i) => s[log + i * LOG_WORDS + L.tid]);
}

export function readLabels({ s, labels }: Sched): Label[] {
  return Array.from({ length: s[H.labelCount] }, (_, i) => {
    const at = labels + i * LABEL_WORDS;
    return { step: s[at], tid: s[at + 1], point: s[at + 2], args: [s[at + 3], s[at + 4], s[at + 5]] as const };
  });
}
