import { OP_INFO } from '../../sync/control.ts';
import type { Engine, ScheduleRequest } from '../control/engine.ts';
import { H, OUTCOME, type Sched, type ScheduleOutcome, T, thread } from '../control/sched.ts';
import { readMessage } from '../control/stepper.ts';
import { readSchedule } from '../control/steps.ts';
import { raceFindings } from '../races/race-log.ts';
import { throwProgramError } from '../subject/program-error.ts';
import type { Finding, Subject } from '../subject/subject.ts';

/**
 * The half of a policy that runs between schedules, on the driver's thread, with ordinary objects: says which schedule comes next,
 * and learns from what came of it.
 */
export interface Search {
  readonly name: string;
  /** The next schedule; null when the search is at its end. */
  next(): ScheduleRequest | null;
  /** What came of it; the log is in `sched` until the next one runs. */
  learn(sched: Sched, outcome: ScheduleOutcome): void;
  /** What may be said when it has come to its end, as in "exhaustive: 112 executions"; before that, null. */
  guarantee(): string | null;
  /** False: the schedule that was learned from last is counted and judged by another process. */
  ownsLast?(): boolean;
}

/** A finding, with the schedule that shows it. */
export interface Found {
  readonly finding: Finding;
  /** How many schedules this search had run, with this one. */
  readonly schedules: number;
  /** Tids of its steps: the prefix that repeats it. */
  readonly schedule: readonly number[];
  readonly preemptions: number;
}

const NO_FINDING: readonly Finding[] = [];

/** What is wrong with the schedule that ran last; empty when nothing is. */
export function judgeSchedule(engine: Engine, subject: Subject, outcome: ScheduleOutcome): readonly Finding[] {
  const races = engine.races === null ? NO_FINDING : raceFindings(engine.races, subject);
  const findings = judgeOutcome(engine, subject, outcome);
  return races.length === 0 ? findings : [...findings, ...races];
}

function judgeOutcome(engine: Engine, subject: Subject, outcome: ScheduleOutcome): readonly Finding[] {
  const { sched, mem } = engine;
  switch (outcome) {
    case OUTCOME.complete:
      return subject.check(mem, sched);
    case OUTCOME.threw:
      throwProgramError(readMessage(sched));
      return [{ oracle: 'assertion', object: '', text: readMessage(sched) }, ...observed(engine, subject)];
    case OUTCOME.deadlock:
    case OUTCOME.livelock:
      return [
        stuckFinding(sched, subject, outcome === OUTCOME.deadlock ? 'deadlock' : 'livelock'),
        ...observed(engine, subject),
      ];
    case OUTCOME.stepLimit:
      return observed(engine, subject);
    default:
      return [];
  }
}

const observed = (engine: Engine, subject: Subject): readonly Finding[] => subject.observed?.(engine.mem) ?? NO_FINDING;

/** Who waits for what, of the threads that have not ended. */
function stuckFinding(sched: Sched, subject: Subject, oracle: string): Finding {
  const { s } = sched;
  const waits: string[] = [];
  const objects: string[] = [];
  for (let tid = 0; tid < sched.threads; tid++) {
    const t = thread(tid);
    if (s[t + T.stuck] === 0) continue;
    const object = subject.nameOf(s[t + T.addr]);
    waits.push(`${subject.names[tid]} in ${OP_INFO[s[t + T.op]].name} ${object}`);
    objects.push(object);
  }
  return { oracle, object: [...new Set(objects)].sort().join(', '), text: waits.join('; ') };
}

/** How a bounded stretch of a search ended. */
export interface Stretch {
  readonly schedules: number;
  /** The search is at its end. */
  readonly ended: boolean;
  readonly found: readonly Found[];
  /** The last outcome, when it was `diverged` or `hung`: the stretch ends there. */
  readonly broken: ScheduleOutcome | null;
}

export interface StretchOptions {
  /** Schedules at most. */
  readonly schedules: number;
  /** performance.now() at which it ends. */
  readonly until: number;
  /** Ends at the first finding. */
  readonly stopAtFirst: boolean;
  /** After each schedule, before the next: for coverage. */
  readonly onSchedule?: (sched: Sched, outcome: ScheduleOutcome) => void;
}

/** The same for findings that are the same one. An assertion has no object: there the text decides, without its numbers. */
export const findingKey = ({ oracle, object, text }: Finding): string =>
  `${oracle}\n${object === '' ? text.replaceAll(/-?\d+/g, '#') : object}`;

/** Runs a search for a while. Of each finding (oracle and object) only the first schedule is kept. */
export function runStretch(engine: Engine, subject: Subject, search: Search, options: StretchOptions): Stretch {
  const found = new Map<string, Found>();
  let runs = 0;
  let schedules = 0;
  let broken: ScheduleOutcome | null = null;
  let ended = false;
  while (schedules < options.schedules && broken === null) {
    const request = search.next();
    if (request === null) {
      ended = true;
      break;
    }
    const outcome = engine.run(request);
    runs++;
    if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) {
      broken = outcome;
      break;
    }
    search.learn(engine.sched, outcome);
    const own = search.ownsLast?.() !== false;
    if (own) {
      schedules++;
      options.onSchedule?.(engine.sched, outcome);
    }
    const judged = own && outcome !== OUTCOME.redundant;
    const findings = judged ? judgeSchedule(engine, subject, outcome) : NO_FINDING;
    for (const finding of findings) {
      const key = findingKey(finding);
      if (found.has(key)) continue;
      found.set(key, {
        finding,
        schedules,
        schedule: readSchedule(engine.sched),
        preemptions: engine.sched.s[H.preemptions],
      });
    }
    if (found.size > 0 && options.stopAtFirst) break;
    // A clock read now and then: it costs as much as two steps.
    if ((runs & 15) === 0 && performance.now() >= options.until) break;
  }
  return { schedules, ended, found: [...found.values()], broken };
}
