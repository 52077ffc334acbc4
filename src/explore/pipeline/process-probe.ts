import { OdpError } from '../../scenario/errors.ts';
import { OP, OP_INFO } from '../../sync/control.ts';
import type { Engine } from '../control/engine.ts';
import { H, OUTCOME, type Sched, T, thread } from '../control/sched.ts';
import { readSchedule, readSteps, type Step } from '../control/steps.ts';
import { pickerId } from '../policies/index.ts';
import type { Subject } from '../subject/subject.ts';
import type { SubjectFacts } from './process-messages.ts';

/** Random schedules that are run twice before any search: does the program do the same again? */
const PROBES = 4;

const place = (subject: Subject, step: Pick<Step, 'op' | 'addr' | 'access'>): string =>
  OP_INFO[step.op].name + (OP_INFO[step.op].access === 0 ? '' : ` ${subject.nameOf(step.addr)}`);

/**
 * Can this program be explored? Throws `OdpError` when the scheduler sees none of it, when it does something else the second time, or
 * when it blocks where the scheduler cannot see it.
 */
export function probe(engine: Engine, subject: Subject): SubjectFacts {
  const run = (prefix: readonly number[], policy: string, seed: number): readonly Step[] => {
    const outcome = engine.run({ prefix, policy: pickerId(policy), seed });
    if (outcome === OUTCOME.hung) throw hungError(engine.sched, subject);
    if (outcome === OUTCOME.diverged) throw divergedError(engine.sched, subject);
    return readSteps(engine.sched);
  };
  const first = run([], 'continue', 1);
  checkSeen(engine.sched, subject, first);
  for (let i = 0; i < PROBES; i++) {
    const steps = i === 0 ? first : run([], 'random', i);
    const schedule = i === 0 ? steps.map((step) => step.tid) : readSchedule(engine.sched);
    compare(subject, steps, run(schedule, 'continue', 1));
  }
  const { s } = engine.sched;
  const unseen = subject.names.filter((_, tid) => s[thread(tid) + T.firstOp] === OP.start);
  return { name: subject.name, names: subject.names, steps: first.length, unseen };
}

function checkSeen({ s }: Sched, subject: Subject, steps: readonly Step[]): void {
  if (steps.some((step) => step.op !== OP.start) || s[H.outcome] === OUTCOME.threw) return;
  throw new OdpError({
    code: 'ODP_E_PROGRAM_UNSEEN',
    message:
      `the scheduler saw no step of the ${subject.threads} threads of '${subject.name}': ` +
      "did it import 'odptorture/sync' of this installation? Plain reads and writes, raw Atomics and another copy's locks are not seen",
  });
}

/** The first step that was another one the second time. */
function compare(subject: Subject, before: readonly Step[], after: readonly Step[]): void {
  const text = (step: Step | undefined): string =>
    step === undefined ? 'nothing' : `${subject.names[step.tid]} ${place(subject, step)}`;
  const n = Math.max(before.length, after.length);
  for (let i = 0; i < n; i++) {
    const [a, b] = [before[i], after[i]];
    const same = a !== undefined && b !== undefined && a.tid === b.tid && a.op === b.op && a.addr === b.addr;
    if (!same) throw nondeterministic(`step ${i + 1} was ${text(a)}, and ${text(b)} when the same schedule ran again`);
    if (a.value !== b.value)
      throw nondeterministic(
        `step ${i + 1}, ${text(a)}, gave ${a.value}, and ${b.value} when the same schedule ran again`,
      );
  }
}

const nondeterministic = (what: string): OdpError =>
  new OdpError({
    code: 'ODP_E_PROGRAM_NONDETERMINISTIC',
    message: `${what}: its threads may depend on shared memory and on nothing else (time, random numbers, variables that live on)`,
  });

/** What a schedule that could not be repeated says. */
export function divergedError(sched: Sched, subject: Subject): OdpError {
  const { s, prefix } = sched;
  const step = s[H.outcomeArg];
  const tid = step < s[H.prefixLength] ? s[prefix + step] : s[H.current];
  return nondeterministic(
    `at step ${step + 1} ${subject.names[tid] ?? `thread ${tid}`} did something else than in an earlier schedule with the same choices`,
  );
}

/** Who has not given the token back, and where it was last seen. */
export function hungError(sched: Sched, subject: Subject): OdpError {
  const { s } = sched;
  const why = 'it blocks where the scheduler cannot see it: raw Atomics.wait or an endless loop?';
  const error = (text: string): OdpError => new OdpError({ code: 'ODP_E_EXPLORE_HUNG', message: `${text}: ${why}` });
  const steps = readSteps(sched);
  const last = steps.at(-1);
  if (last === undefined) {
    const tid = subject.names.findIndex((_, i) => s[thread(i) + T.firstOp] === -1);
    return error(`thread '${subject.names[Math.max(0, tid)]}' does not come to its first step`);
  }
  return error(
    `thread '${subject.names[last.tid]}' does not come back from step ${steps.length}, ${place(subject, last)}`,
  );
}
