import { OP_INFO } from '../../sync/control.ts';
import type { Engine } from '../control/engine.ts';
import { pickerId } from '../policies/index.ts';
import type { Finding, Subject } from '../subject/subject.ts';
import { type Frame, readFrames } from './race-sites.ts';
import {
  ACCESS_FIELDS,
  type AccessKind,
  CAPTURE,
  captureAt,
  KIND,
  MAX_RACES,
  R,
  RACE,
  RACE_WORDS,
  type RaceWords,
  raceView,
  resetRaces,
} from './race-words.ts';

/** The oracle's name in findings; the object is the word. */
export const DATA_RACE = 'data-race';

/** One access of a race: the `access`-th that its thread made in this schedule. */
export interface RacingAccess {
  readonly tid: number;
  readonly kind: AccessKind;
  readonly access: number;
}

/** Two accesses that nothing orders, the later one second. */
export interface Race {
  readonly word: number;
  readonly accesses: readonly [RacingAccess, RacingAccess];
}

/** What the detector did, over all schedules of an engine. These never pass in silence: a report without races says how much was seen. */
export interface RaceTotals {
  /** Accesses that were looked at. */
  seen: number;
  /** Accesses that the code declares to be racy on purpose. */
  exempt: number;
  /** Uses of the memory past the detector: `mem.buffer`, `mem.subarray()`, iterators. */
  escapes: number;
  /** Schedules with more words than the detector has room for: they were looked at up to there. */
  full: number;
  /** Races that found no room in a schedule's list. */
  dropped: number;
}

/** The driver's side of the detector. */
export class RaceLog {
  readonly view: RaceWords;
  /** Of the schedules before the one that ran last. */
  private readonly before: RaceTotals = { seen: 0, exempt: 0, escapes: 0, full: 0, dropped: 0 };

  constructor(buffer: SharedArrayBuffer, words: number, threads: number) {
    this.view = raceView(buffer, words, threads);
  }

  /** Before a schedule. */
  reset(): void {
    Object.assign(this.before, this.totals());
    resetRaces(this.view);
  }

  /** Forgets a run that was no schedule. */
  discard(): void {
    resetRaces(this.view);
    Object.assign(this.before, { seen: 0, exempt: 0, escapes: 0, full: 0, dropped: 0 });
  }

  totals(): RaceTotals {
    const { r } = this.view;
    const { before } = this;
    return {
      seen: before.seen + r[R.seen],
      exempt: before.exempt + r[R.exempt],
      escapes: before.escapes + r[R.escapes],
      full: before.full + r[R.full],
      dropped: before.dropped + r[R.dropped],
    };
  }

  /** The races of the schedule that ran last: of each word the first. */
  list(): Race[] {
    const { r, races } = this.view;
    return Array.from({ length: Math.min(r[R.races], MAX_RACES) }, (_, i) => {
      const at = races + i * RACE_WORDS;
      const accesses = [this.accessAt(at + RACE.first), this.accessAt(at + RACE.second)] as const;
      return { word: r[at + RACE.word], accesses };
    });
  }

  private accessAt(at: number): RacingAccess {
    const { r } = this.view;
    const kind = r[at + ACCESS_FIELDS.kind] as AccessKind;
    return { tid: r[at + ACCESS_FIELDS.tid], kind, access: r[at + ACCESS_FIELDS.access] };
  }
}

const KIND_TEXT: Readonly<Record<AccessKind, string>> = {
  [KIND.plainRead]: 'plain read',
  [KIND.plainWrite]: 'plain write',
  [KIND.markedRead]: 'atomic read',
  [KIND.markedWrite]: 'atomic write',
};

/** The races of the schedule that ran last, as findings. */
export function raceFindings(log: RaceLog, subject: Subject): Finding[] {
  return log.list().map(({ word, accesses }) => {
    const object = subject.nameOf(word);
    const [a, b] = accesses.map(({ tid, kind }) => `${KIND_TEXT[kind]} by ${subject.names[tid]}`);
    return { oracle: DATA_RACE, object, text: `${a} and ${b}, with nothing that orders them` };
  });
}

/** One side of a race, with where it happened. */
export interface RaceSide {
  readonly tid: number;
  readonly thread: string;
  readonly plain: boolean;
  readonly write: boolean;
  /** Of an atomic access: its operation, as `mutex_lock`. */
  readonly op: string | null;
  /** Of a plain access: the word's value, and the one that it wrote. */
  readonly before: number;
  readonly after: number;
  /** Innermost first, without the frames of the scheduler. */
  readonly frames: readonly Frame[];
}

/** A race with both sides, as plain data. */
export interface RaceReport {
  readonly word: number;
  /** As the subject names the word. */
  readonly object: string;
  readonly sides: readonly [RaceSide, RaceSide];
}

/**
 * Runs a schedule that shows a race on `object` twice more: once to find the two accesses again, once to record them with their stacks.
 * Null when the schedule shows no such race. With no `object`, the first race that it shows.
 */
export function captureRace(
  engine: Engine,
  subject: Subject,
  schedule: readonly number[],
  object?: string,
): RaceReport | null {
  const log = engine.races;
  if (log === null) return null;
  const request = { prefix: schedule, policy: pickerId('continue'), seed: 1 };
  engine.run(request);
  const race = log.list().find(({ word }) => object === undefined || subject.nameOf(word) === object);
  if (race === undefined) return null;
  const { r } = log.view;
  race.accesses.forEach(({ tid, access }, i) => {
    const at = captureAt(log.view, i);
    r[at + CAPTURE.tid] = tid;
    r[at + CAPTURE.access] = access;
    r[at + CAPTURE.found] = 0;
  });
  r[R.capture] = 1;
  engine.run(request);
  r[R.capture] = 0;
  const sides = [sideOf(log, subject, race, 0), sideOf(log, subject, race, 1)] as const;
  return { word: race.word, object: subject.nameOf(race.word), sides };
}

function sideOf({ view }: RaceLog, subject: Subject, race: Race, i: 0 | 1): RaceSide {
  const { r } = view;
  const { tid, kind } = race.accesses[i];
  const at = captureAt(view, i);
  if (r[at + CAPTURE.found] === 0)
    throw new Error('a schedule did not repeat: an access of a data race did not come again');
  const op = r[at + CAPTURE.op];
  return {
    tid,
    thread: subject.names[tid],
    plain: kind === KIND.plainRead || kind === KIND.plainWrite,
    write: kind === KIND.plainWrite || kind === KIND.markedWrite,
    op: op < 0 ? null : OP_INFO[op].name,
    before: r[at + CAPTURE.before],
    after: r[at + CAPTURE.after],
    frames: readFrames(textAt(r, at)),
  };
}

function textAt(r: Int32Array, at: number): string {
  const codes = r.subarray(at + CAPTURE.text, at + CAPTURE.text + r[at + CAPTURE.length]);
  return Array.from(codes, (code) => String.fromCharCode(code)).join('');
}
