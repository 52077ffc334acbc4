import type { Engine } from '../../src/explore/control/engine.ts';
import { type Host, openHost } from '../../src/explore/control/host.ts';
import { OUTCOME, type ScheduleOutcome } from '../../src/explore/control/sched.ts';
import { judgeSchedule, type Search } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import type { Subject } from '../../src/explore/subject/subject.ts';
import { classOf } from './naive-classes.ts';
import { setupCode, stateOf } from './random-program.ts';
import { type CodeOptions, randomCode } from './random-program-code.ts';

export const MAX_STEPS = 100;

/** Threads that run one random program after the other. */
export async function openRandomHost(seed: number, threads: number, timeouts = 0, maxSteps = MAX_STEPS): Promise<Host> {
  const url = new URL(`./random-program.js?seed=${seed}&threads=${threads}`, import.meta.url).href;
  const subject = programSubject(`random ${seed}`, await loadProgram(url));
  const options = { threads, maxSteps, timeouts, hangMs: 20_000, granularity: 'lock' } as const;
  return openHost({ kind: 'program', url }, subject, options);
}

export function loadCode(host: Host, seed: number, threads: number, options?: CodeOptions, most?: number): void {
  const code = randomCode(seed, threads, options, most);
  host.engine.restart((mem) => setupCode(mem, code));
}

/** What a search has seen. */
export interface Seen {
  readonly schedules: number;
  readonly ended: boolean;
  /** Ends of complete schedules. */
  readonly states: ReadonlySet<string>;
  readonly findings: ReadonlySet<string>;
  /** Equivalence classes of all that was not redundant, and how many schedules those were. */
  readonly classes: ReadonlySet<string>;
  readonly executions: number;
}

export class Notes implements Seen {
  schedules = 0;
  ended = false;
  executions = 0;
  readonly states = new Set<string>();
  readonly findings = new Set<string>();
  readonly classes = new Set<string>();

  note(engine: Engine, subject: Subject, outcome: ScheduleOutcome): void {
    this.schedules++;
    if (outcome === OUTCOME.redundant) return;
    this.executions++;
    this.classes.add(classOf(engine.sched));
    if (outcome === OUTCOME.complete) this.states.add(stateOf(engine.mem));
    for (const { oracle, text } of judgeSchedule(engine, subject, outcome)) this.findings.add(`${oracle}: ${text}`);
  }
}

/** Runs a search to its end, or for so many schedules. */
export function runAll({ engine, subject }: Host, search: Search, most = 100_000): Seen {
  const notes = new Notes();
  while (notes.schedules < most) {
    const request = search.next();
    if (request === null) {
      notes.ended = true;
      break;
    }
    const outcome = engine.run(request);
    if (outcome === OUTCOME.diverged || outcome === OUTCOME.hung) throw new Error(`schedule ended with ${outcome}`);
    notes.note(engine, subject, outcome);
    search.learn(engine.sched, outcome);
  }
  return notes;
}

export const sorted = (set: ReadonlySet<string>): string[] => [...set].sort();
