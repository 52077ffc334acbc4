import { ACCESS, OP, OP_INFO } from '../../sync/control.ts';
import { OUTCOME_NAMES, type ScheduleOutcome } from '../control/sched.ts';
import type { Label, Step } from '../control/steps.ts';
import type { Finding, Subject } from '../subject/subject.ts';
import type { Divergence } from './replay.ts';
import { isData, isPreemption } from './shrink-segments.ts';

/** A lock that a thread holds. */
export interface HeldLock {
  readonly name: string;
  /** `R` a reader, `W` alone. */
  readonly mode: 'R' | 'W';
}

/** One step, in words. */
export interface PictureStep {
  readonly tid: number;
  /** `add`, `down_read`. */
  readonly op: string;
  /** Empty for steps that touch nothing. */
  readonly object: string;
  /** What it read or wrote: `-> 0`, `: 1 -> 2`, `= 5`; may be empty. */
  readonly value: string;
  /** Locks of each thread when the step has happened, by tid. */
  readonly held: readonly (readonly HeldLock[])[];
  /** The step before was of a thread that could have gone on. */
  readonly preempts: boolean;
  /** One of the two steps whose order decides. */
  readonly racing: boolean;
  /** What the word that it read or wrote held before, and holds then; null: not known, or no plain word. */
  readonly before: number | null;
  readonly after: number | null;
}

/** All that a drawing of a schedule needs: plain data. */
export interface Picture {
  readonly name: string;
  /** Thread names, by tid. */
  readonly threads: readonly string[];
  readonly steps: readonly PictureStep[];
  readonly labels: readonly Label[];
  readonly outcome: string;
  /** Null: the schedule shows nothing. */
  readonly finding: Finding | null;
  readonly preemptions: number;
  /** Lines under the title: how it was found. */
  readonly notes: readonly string[];
  readonly divergence: Divergence | null;
}

export interface PictureInput {
  readonly subject: Pick<Subject, 'name' | 'names' | 'nameOf'>;
  readonly steps: readonly Step[];
  readonly labels?: readonly Label[];
  readonly outcome: ScheduleOutcome;
  readonly finding?: Finding | null;
  /** The two steps whose order decides: see `decidingPair`. */
  readonly race?: readonly [number, number] | null;
  readonly notes?: readonly string[];
  readonly divergence?: Divergence | null;
}

export function pictureOf({
  subject,
  steps,
  labels,
  outcome,
  finding,
  race,
  notes,
  divergence,
}: PictureInput): Picture {
  const nameOf = (addr: number): string => subject.nameOf(addr);
  const locks = heldLocks(steps, subject.names.length, nameOf);
  const drawn = steps.map((step, i): PictureStep => {
    const { name, access } = OP_INFO[step.op]!;
    return {
      tid: step.tid,
      op: name,
      object: access === ACCESS.local ? '' : nameOf(step.addr),
      value: valueText(step),
      held: locks[i]!,
      preempts: isPreemption(steps, i),
      racing: race?.includes(i) === true,
      before: isData(step) && step.op !== OP.store ? step.value : null,
      after: valueAfter(step),
    };
  });
  return {
    name: subject.name,
    threads: subject.names,
    steps: drawn,
    labels: labels ?? [],
    outcome: OUTCOME_NAMES[outcome] ?? 'running',
    finding: finding ?? null,
    preemptions: drawn.filter((step) => step.preempts).length,
    notes: notes ?? [],
    divergence: divergence ?? null,
  };
}

/** What a read-modify-write makes of a word; null for other steps. */
function result(step: Step): number | null {
  switch (step.op) {
    case OP.add:
      return (step.value + step.arg) | 0;
    case OP.or:
      return step.value | step.arg;
    case OP.and:
      return step.value & step.arg;
    case OP.exchange:
      return step.arg;
    case OP.compareExchange:
      return step.access === ACCESS.write ? step.arg : null;
    default:
      return null;
  }
}

function valueText(step: Step): string {
  const after = result(step);
  if (after !== null) return `: ${step.value} -> ${after}`;
  switch (step.op) {
    case OP.load:
      return ` -> ${step.value}`;
    case OP.store:
      return ` = ${step.arg}`;
    case OP.compareExchange:
      return `: is ${step.value}, not changed`;
    case OP.wait:
      return step.access === ACCESS.write ? ` while ${step.arg}` : ` not: no longer ${step.arg}`;
    case OP.resume:
      return step.value === 1 ? '' : ': timed out';
    case OP.until:
      return step.value === 1 ? ` not ${step.arg}` : ` not ${step.arg}: timed out`;
    case OP.notify:
      return ` wakes ${step.value}`;
    case OP.mutexTrylock:
    case OP.spinTrylock:
    case OP.downReadTrylock:
    case OP.downWriteTrylock:
      return step.value === 0 ? ': busy' : '';
    default:
      return '';
  }
}

function valueAfter(step: Step): number | null {
  if (!isData(step)) return null;
  if (step.op === OP.load) return step.value;
  if (step.op === OP.store) return step.arg;
  return result(step) ?? step.value;
}

const TAKES_R: readonly number[] = [OP.downRead, OP.downReadTrylock];
const TAKES_W: readonly number[] = [
  OP.mutexLock,
  OP.mutexTrylock,
  OP.spinLock,
  OP.spinTrylock,
  OP.downWrite,
  OP.downWriteTrylock,
];
const TRIES: readonly number[] = [OP.mutexTrylock, OP.spinTrylock, OP.downReadTrylock, OP.downWriteTrylock];

/** Locks of each thread behind each step. */
function heldLocks(
  steps: readonly Step[],
  threads: number,
  nameOf: (addr: number) => string,
): (readonly (readonly HeldLock[])[])[] {
  const now = Array.from({ length: threads }, (): (HeldLock & { addr: number })[] => []);
  let shown: readonly (readonly HeldLock[])[] = now.map(() => []);
  return steps.map((step) => {
    const mine = now[step.tid]!;
    const at = mine.findLastIndex((lock) => lock.addr === step.addr);
    const takes = TAKES_R.includes(step.op) ? 'R' : TAKES_W.includes(step.op) ? 'W' : null;
    if (takes !== null) {
      if (TRIES.includes(step.op) && step.value === 0) return shown;
      mine.push({ name: nameOf(step.addr), mode: takes, addr: step.addr });
    } else if (step.op === OP.downgradeWrite && at >= 0) mine[at] = { ...mine[at]!, mode: 'R' };
    else if (OP_INFO[step.op]!.lock === 'release' && at >= 0) mine.splice(at, 1);
    else return shown;
    shown = shown.map((held, tid) => (tid === step.tid ? mine.map(({ name, mode }) => ({ name, mode })) : held));
    return shown;
  });
}
