import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { readSteps, type Step } from '../../src/explore/control/steps.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { programSubject } from '../../src/explore/subject/program.ts';
import { OP_NAMES, type OpName } from '../../src/sync/control.ts';
import { type Access, type Action, type Bodies, programOf, WORDS } from './races-random.ts';

/** What happened in a schedule, in its order. */
interface Event {
  readonly tid: number;
  readonly word: number;
  readonly plain: boolean;
  readonly op: OpName | 'plain';
  readonly writes: boolean;
}

const isPlain = (access: Access): boolean => access.op === 'read' || access.op === 'write';

/** A thread's body as a list of steps (null) and plain accesses. */
const flat = (body: readonly Action[]): (Access | null)[] =>
  body.flatMap((action) => {
    const one = (access: Access): Access | null => (isPlain(access) ? access : null);
    return 'body' in action ? [null, ...action.body.map(one), null] : [one(action)];
  });

/** The events of a schedule: a thread's plain accesses happen right behind its last step, the first ones right before its first. */
function eventsOf(bodies: Bodies, steps: readonly Step[]): Event[] {
  const rest = bodies.map(flat);
  const begun = new Set<number>();
  const events: Event[] = [];
  const plains = (tid: number): void => {
    for (let next = rest[tid]![0]; next !== undefined && next !== null; next = rest[tid]![0]) {
      events.push({ tid, word: next.word, plain: true, op: 'plain', writes: next.op === 'write' });
      rest[tid]!.shift();
    }
  };
  for (const { tid, op, addr, access } of steps) {
    if (!begun.has(tid)) plains(tid);
    begun.add(tid);
    if (OP_NAMES[op] === 'start') continue;
    rest[tid]!.shift();
    events.push({ tid, word: addr, plain: false, op: OP_NAMES[op]!, writes: access === 2 });
    plains(tid);
  }
  return events;
}

const RELEASES: readonly string[] = ['mutexUnlock', 'upWrite', 'upRead'];
const ACQUIRES: readonly string[] = ['mutexLock', 'downRead', 'downWrite'];
const ATOMICS: readonly string[] = ['load', 'store', 'add', 'compareExchange'];

/** Does an earlier event order a later one directly? */
function orders(events: readonly Event[], i: number, j: number): boolean {
  const [a, b] = [events[i]!, events[j]!];
  if (a.tid === b.tid) return true;
  if (a.plain || b.plain || a.word !== b.word) return false;
  if (RELEASES.includes(a.op) && ACQUIRES.includes(b.op)) return a.op !== 'upRead' || b.op === 'downWrite';
  if (!ATOMICS.includes(a.op) || !ATOMICS.includes(b.op) || !a.writes || b.op === 'store') return false;
  // Who reads, reads what was written last.
  const last = events.findLastIndex((e, k) => k < j && e.word === b.word && e.writes && ATOMICS.includes(e.op));
  return last === i;
}

/** The words with a data race, by the definition: all pairs, and the transitive closure. */
function racyWords(events: readonly Event[]): number[] {
  const n = events.length;
  const before = Array.from({ length: n }, () => new Set<number>());
  for (let j = 0; j < n; j++)
    for (let i = j - 1; i >= 0; i--) {
      if (before[j]!.has(i) || !orders(events, i, j)) continue;
      before[j]!.add(i);
      for (const k of before[i]!) before[j]!.add(k);
    }
  const words = new Set<number>();
  for (let j = 0; j < n; j++)
    for (let i = 0; i < j; i++) {
      const [a, b] = [events[i]!, events[j]!];
      const conflict = a.word === b.word && a.tid !== b.tid && (a.plain || b.plain) && (a.writes || b.writes);
      if (conflict && !before[j]!.has(i)) words.add(a.word);
    }
  return [...words].sort();
}

const access = fc.record({
  op: fc.constantFrom<Access['op']>('read', 'write', 'load', 'store', 'add', 'cas'),
  word: fc.nat(WORDS - 1),
});
const accesses = fc.array(access, { minLength: 1, maxLength: 3 });
const action: fc.Arbitrary<Action> = fc.oneof(
  access,
  fc.record({ op: fc.constant('mutex' as const), lock: fc.nat(1), body: accesses }),
  fc.record({ op: fc.constantFrom('reader' as const, 'writer' as const), body: accesses }),
);
const bodies = fc.array(fc.array(action, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 4 });

const SEED = 20140624;
const PROGRAMS = 30;
const SCHEDULES = 16;

test('the detector finds exactly the words that race by the definition', async () => {
  let racy = 0;
  let clean = 0;
  const property = fc.asyncProperty(bodies, async (made) => {
    const url = new URL(`./races-random.js?bodies=${encodeURIComponent(JSON.stringify(made))}#made`, import.meta.url)
      .href;
    const subject = programSubject('made', programOf(made));
    const host = await openHost({ kind: 'program', url }, subject, {
      ...{ threads: subject.threads, maxSteps: 200, timeouts: 0, hangMs: 5000 },
      ...{ granularity: 'lock', races: true },
    });
    try {
      for (let i = 1; i <= SCHEDULES; i++) {
        const { engine } = host;
        expect(engine.run({ prefix: [], policy: pickerId('random'), seed: i })).toBe(OUTCOME.complete);
        const expected = racyWords(eventsOf(made, readSteps(engine.sched)));
        const found = engine.races!.list().map(({ word }) => word);
        expect(found.sort()).toEqual(expected);
        if (expected.length > 0) racy++;
        else clean++;
      }
    } finally {
      await host.close();
    }
  });
  await fc.assert(property, { seed: SEED, numRuns: PROGRAMS });
  // Neither kind is rare, or the comparison would say little.
  expect(racy).toBeGreaterThan(PROGRAMS);
  expect(clean).toBeGreaterThan(PROGRAMS);
});
