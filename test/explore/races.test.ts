import { describe, expect, test } from 'vitest';
import { type Host, openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { readSchedule } from '../../src/explore/control/steps.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { captureRace, DATA_RACE } from '../../src/explore/races/race-log.ts';
import { type Found, judgeSchedule } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import { kcsanReport } from '../../src/report/kcsan.ts';

const urlOf = (name: string): string => new URL(`./races-programs.js#${name}`, import.meta.url).href;

async function open(name: string, granularity: 'lock' | 'atomic' = 'lock'): Promise<Host> {
  const url = urlOf(name);
  const subject = programSubject(name, await loadProgram(url));
  const options = { threads: subject.threads, maxSteps: 500, timeouts: 0, hangMs: 5000, granularity, races: true };
  return openHost({ kind: 'program', url }, subject, options);
}

interface Seen {
  /** Words that raced. */
  readonly races: readonly string[];
  /** Other findings. */
  readonly others: readonly string[];
  readonly first: Pick<Found, 'finding' | 'schedule'> | undefined;
}

/** Runs random schedules and says which words raced in any. */
function sample({ engine, subject }: Host, count: number): Seen {
  const races = new Set<string>();
  const others = new Set<string>();
  let first: Seen['first'];
  for (let i = 1; i <= count; i++) {
    const outcome = engine.run({ prefix: [], policy: pickerId('random'), seed: Math.imul(i, 0x9e3779b9) | 1 });
    expect([OUTCOME.hung, OUTCOME.diverged]).not.toContain(outcome);
    for (const finding of judgeSchedule(engine, subject, outcome)) {
      if (finding.oracle !== DATA_RACE) others.add(`${finding.oracle}: ${finding.text}`);
      else {
        races.add(finding.object);
        first ??= { finding, schedule: readSchedule(engine.sched) };
      }
    }
  }
  return { races: [...races].sort(), others: [...others], first };
}

const SCHEDULES = 60;
/** Where `bump` writes, in races-programs.ts. */
const BUMP_LINE = 55;

async function racesOf(name: string, granularity: 'lock' | 'atomic' = 'lock'): Promise<Seen> {
  const host = await open(name, granularity);
  try {
    return sample(host, SCHEDULES);
  } finally {
    await host.close();
  }
}

describe('programs with data races', () => {
  test.each([
    ['unsynchronised', ['x']],
    ['readAndWrite', ['x']],
    ['wrongLock', ['x']],
    ['writeUnderRead', ['x']],
    ['seqCountedPlain', ['x']],
    ['flaggedByAnother', ['x']],
    ['plainAndAtomic', ['x']],
    ['filled', ['y']],
  ])('%s', async (name, words) => {
    const seen = await racesOf(name);
    expect(seen.races).toEqual(words);
  });

  // One thread after the other: only the missing order tells.
  test.each([
    ['writeUnderRead', [0, 0, 1, 1]],
    ['flaggedByAnother', [0, 1, 2]],
    ['seqCountedPlain', [1, 1, 0, 0]],
  ])('%s, with its accesses far apart', async (name, schedule) => {
    const host = await open(name);
    try {
      const outcome = host.engine.run({ prefix: schedule, policy: pickerId('continue'), seed: 1 });
      expect(outcome).toBe(OUTCOME.complete);
      expect(host.engine.races!.list().map(({ word }) => host.subject.nameOf(word))).toEqual(['x']);
    } finally {
      await host.close();
    }
  });
});

describe('programs without data races', () => {
  const clean = [
    ...[
      'mutexProtected',
      'spinProtected',
      'tryProtected',
      'rwsemProtected',
      'downgraded',
      'seqCounted',
      'waitAndNotify',
    ],
    ...['notifyOnly', 'completed', 'queued', 'flagged', 'countedUp', 'atomicOnly', 'plainReads', 'declared'],
  ];
  test.each(clean)('%s', async (name) => {
    const seen = await racesOf(name);
    expect(seen.races).toEqual([]);
    expect(seen.others).toEqual([]);
  });

  // The insides of the locks are looked at as well.
  test.each(clean)('%s, single atomic operations as steps', async (name) => {
    const seen = await racesOf(name, 'atomic');
    expect(seen.races).toEqual([]);
    expect(seen.others).toEqual([]);
  });
});

describe('what is not looked at is counted', () => {
  test('declared races', async () => {
    const host = await open('declared');
    sample(host, 1);
    expect(host.engine.races!.totals()).toMatchObject({ exempt: 1, escapes: 0, full: 0, dropped: 0 });
    await host.close();
  });

  test('memory that is handed on', async () => {
    const host = await open('escaping');
    const seen = sample(host, 1);
    expect(seen.races).toEqual([]);
    expect(host.engine.races!.totals().escapes).toBe(1);
    await host.close();
  });
});

test('both accesses are found again, with their places in the source', async () => {
  const host = await open('wrongLock');
  const { first } = sample(host, 1);
  const report = captureRace(host.engine, host.subject, first!.schedule, 'x');
  await host.close();
  expect(report!.sides.map(({ plain, tid }) => [plain, tid])).toEqual(
    expect.arrayContaining([
      [true, 0],
      [true, 1],
    ]),
  );
  for (const side of report!.sides) {
    expect(side.frames[0]!.name).toBe('bump');
    expect(side.frames[0]!.file).toMatch(/test[/\\]explore[/\\]races-programs\.ts$/);
    expect(side.frames[0]!.line).toBe(BUMP_LINE);
  }
  const text = kcsanReport(report!).join('\n');
  expect(text).toMatch(/BUG: KCSAN: data-race in bump \/ bump/);
  expect(text).toMatch(/(read|write) to x \(word 49\) of 4 bytes by thread (T2|mutexed) \(tid [01]\)/);
});

test('an atomic access is shown with its operation', async () => {
  const host = await open('plainAndAtomic');
  const { first } = sample(host, 1);
  const report = captureRace(host.engine, host.subject, first!.schedule);
  await host.close();
  const marked = report!.sides.find(({ plain }) => !plain);
  expect(marked).toMatchObject({ op: 'store', write: true, tid: 0 });
  expect(kcsanReport(report!).join('\n')).toMatch(/write \(marked, store\) to x/);
});
