import { afterEach, describe, expect, it } from 'vitest';
import { type Host, openHost } from '../../src/explore/control/host.ts';
import { H, OUTCOME, OUTCOME_NAMES } from '../../src/explore/control/sched.ts';
import { readSchedule, readSteps } from '../../src/explore/control/steps.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { type Found, judgeSchedule } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import { OP } from '../../src/sync/control.ts';

let host: Host | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

async function open(name: string, granularity: 'lock' | 'atomic' = 'lock', hangMs = 10_000): Promise<Host> {
  const url = new URL(`./control-programs.js#${name}`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  host = await openHost({ kind: 'program', url }, subject, {
    threads: subject.threads,
    maxSteps: 400,
    timeouts: 0,
    hangMs,
    granularity,
  });
  return host;
}

/** Random schedules with fixed seeds: how often each outcome was seen, and the first schedule of each finding. */
function sample({ engine, subject }: Host, schedules: number): { outcomes: Record<string, number>; found: Found[] } {
  const outcomes: Record<string, number> = {};
  const found: Found[] = [];
  for (let i = 1; i <= schedules; i++) {
    const outcome = engine.run({ prefix: [], policy: pickerId('random'), seed: Math.imul(i, 0x9e3779b1) | 1 });
    outcomes[OUTCOME_NAMES[outcome]!] = (outcomes[OUTCOME_NAMES[outcome]!] ?? 0) + 1;
    for (const finding of judgeSchedule(engine, subject, outcome))
      if (!found.some((other) => other.finding.oracle === finding.oracle && other.finding.object === finding.object))
        found.push({
          finding,
          schedules: i,
          schedule: readSchedule(engine.sched),
          preemptions: engine.sched.s[H.preemptions]!,
        });
  }
  return { outcomes, found };
}

const SOUND = [
  'mutex',
  'spinLocked',
  'rwsem',
  'trylock',
  'waitAndNotify',
  'completion',
  'waitQueue',
  'seqcount',
  'srcu',
  'spinning',
  'compareAndSwapLoop',
  'timedWait',
];

describe('threads under control', () => {
  it.each(SOUND)('%s: no schedule of a correct program shows anything', async (name) => {
    const { outcomes, found } = sample(await open(name), 300);
    expect(found).toEqual([]);
    expect(outcomes).toEqual({ complete: 300 });
  });

  it.each(SOUND)('%s: nor do its locks from the inside, one atomic operation at a time', async (name) => {
    const { outcomes, found } = sample(await open(name, 'atomic'), 300);
    expect(found).toEqual([]);
    expect(outcomes).toEqual({ complete: 300 });
  });

  it('finds a lost update, and the schedule shows it again', async () => {
    const { engine, subject } = await open('lostUpdate');
    const { found } = sample(host!, 50);
    expect(found.map((f) => f.finding)).toEqual([{ oracle: 'assertion', object: '', text: '1 instead of 2' }]);
    for (let i = 0; i < 100; i++) {
      const outcome = engine.run({ prefix: found[0]!.schedule, policy: pickerId('continue'), seed: 1 });
      expect(judgeSchedule(engine, subject, outcome)).toEqual([found[0]!.finding]);
      expect(readSchedule(engine.sched)).toEqual(found[0]!.schedule);
    }
  });

  it('names who waits for what in a deadlock', async () => {
    const { found, outcomes } = sample(await open('deadlock'), 100);
    expect(outcomes.deadlock).toBeGreaterThan(5);
    expect(found.map((f) => f.finding)).toEqual([
      { oracle: 'deadlock', object: 'left, right', text: 'T1 in mutex_lock right; T2 in mutex_lock left' },
    ]);
  });

  it('lets a queued writer keep a nested reader out', async () => {
    const { found, outcomes } = sample(await open('nestedRead'), 200);
    expect(outcomes.complete).toBeGreaterThan(5);
    expect(found.map((f) => f.finding)).toEqual([
      { oracle: 'deadlock', object: 'sem', text: 'reader in down_read sem; writer in down_write sem' },
    ]);
  });

  it('also when the circle goes through another lock', async () => {
    const { found } = sample(await open('nestedReadInACircle'), 300);
    expect(found.map((f) => f.finding.oracle)).toEqual(['deadlock']);
  });

  it('finds the same deadlock in the lock itself', async () => {
    const { found } = sample(await open('nestedRead', 'atomic'), 500);
    expect(found.map((f) => f.finding.oracle)).toEqual(['deadlock']);
  });

  it('finds a wake-up that came before the sleep', async () => {
    const { outcomes } = sample(await open('lostWakeUp'), 200);
    expect(outcomes.deadlock).toBeGreaterThan(5);
    expect(outcomes.complete).toBeGreaterThan(5);
  });

  it('ends a timed sleep when nobody else can run, and says that it had to', async () => {
    const { engine } = await open('timedWait');
    expect(engine.run({ prefix: [], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.complete);
    expect(engine.sched.s[H.forced]).toBe(1);
    const resumed = readSteps(engine.sched).find((step) => step.op === OP.resume)!;
    expect([resumed.value, resumed.cause]).toEqual([0, -1]);
  });

  it('notes which notify a sleeper went on for', async () => {
    const { engine } = await open('waitAndNotify');
    // T1 looks, sleeps; T2 stores, notifies; T1 goes on.
    expect(engine.run({ prefix: [0, 0, 1, 1, 0], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.complete);
    const steps = readSteps(engine.sched);
    expect(steps[4]).toMatchObject({ tid: 0, op: OP.resume, value: 1, cause: 3 });
  });

  it('tells spinning for ever from waiting', async () => {
    const { outcomes, found } = sample(await open('spinningForEver'), 20);
    expect(outcomes).toEqual({ livelock: 20 });
    expect(found[0]!.finding.oracle).toBe('livelock');
  });

  it('gives up a schedule without end, and goes on with the next', async () => {
    expect(sample(await open('endless'), 5).outcomes).toEqual({ stepLimit: 5 });
  });

  it('unwinds a program that catches everything', async () => {
    expect(sample(await open('catchesEverything'), 5).outcomes).toEqual({ deadlock: 5 });
  });

  it('runs a thread without any step', async () => {
    expect(sample(await open('noStep'), 20).outcomes).toEqual({ complete: 20 });
  });

  it('says so when a thread blocks where the scheduler cannot see it', async () => {
    const { engine } = await open('blockedOutOfSight', 'lock', 300);
    expect(engine.run({ prefix: [], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.hung);
    expect(engine.sched.s[H.current]).toBe(0);
  });

  it('refuses a step that is not possible', async () => {
    const { engine } = await open('deadlock');
    // T1 has taken both.
    expect(engine.run({ prefix: [0, 0, 1], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.diverged);
    expect(engine.sched.s[H.outcomeArg]).toBe(2);
    expect(engine.run({ prefix: [0, 0, 0, 0], policy: pickerId('continue'), seed: 1 })).toBe(OUTCOME.complete);
  });
});
