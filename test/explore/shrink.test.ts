import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot, shippedScenarios } from '../../src/cli/package-root.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import type { Step } from '../../src/explore/control/steps.ts';
import { races } from '../../src/explore/replay/deciding.ts';
import { followSchedule } from '../../src/explore/replay/replay.ts';
import { describeFound, shrinkAndRecord } from '../../src/explore/replay/replay-record.ts';
import { packRuns } from '../../src/explore/replay/schedule-text.ts';
import { type RunWishes, shrink } from '../../src/explore/replay/shrink.ts';
import { fewestPreemptions } from '../../src/explore/replay/shrink-bound.ts';
import { shrinkLitmus } from '../../src/explore/replay/shrink-litmus.ts';
import { planCuts } from '../../src/explore/replay/shrink-plan.ts';
import { causalPast, preemptionsOf, segmentsOf, wishesOf } from '../../src/explore/replay/shrink-segments.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { CellPlan, VerbPlan } from '../../src/scenario/plan.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { ACCESS, OP } from '../../src/sync/control.ts';
import { allSchedules, FOUND, fakeRun, type Place } from './fake-runs.ts';
import { foundBy, OPTIONS, type Opened, tids, withProgram } from './recorded.ts';

const SEED = 20_140_910;
const budget = (runs = 5000, ms = 10_000) => ({ runs, until: performance.now() + ms });
const runOf =
  ({ engine, subject }: Opened): RunWishes =>
  (wishes) =>
    followSchedule(engine, subject, wishes);
const shrunkFrom = (host: Opened, schedule: string) => shrink(runOf(host), foundBy(host, schedule), budget())!;

/** Schedules as random walks and samplers have found them. */
const MODEL_B_FOUND = [
  '1,2,0x2,2,1x5,0x6,2x3,0x2,2,1x2,2x5,1x4',
  '0,1,2,0,2,1x3,0x2,1x2,0x2,2,0x3,2x2,1x2,2x2,0,2x4,1x4',
  '2,0,1,0,2,1x2,0,1x3,0x6,2x4,1,2x2,1,2x3,1x4',
  '0x3,2x2,0,1x6,0x5,2x4,1x2,0,2x4,1,2,1x3',
  '1,0x2,2x2,1x5,0x6,2,0x2,2x3,1,2,1,2x3,1x3,2,1',
  '2,0x2,2,0,1x5,0,1,0x3,2,0x3,2x2,1,2,1,2x4,1,2,1x3',
];

describe('shrinking', () => {
  it('brings model B to its three preemptions, whichever schedule found it', async () => {
    await withProgram('../programs/model-b', (host) => {
      for (const found of MODEL_B_FOUND) {
        const small = shrunkFrom(host, found);
        expect(small.preemptions, found).toBe(3);
        expect(small.before.preemptions, found).toBeGreaterThan(5);
        expect(small.finding.text).toBe('a section that was counted ends with a mapping');
        expect(small.done).toBe(true);
        // What it returns is exact: it runs as it stands.
        const again = host.engine.run({ prefix: small.schedule, policy: 0, seed: 1 });
        expect(again).toBe(OUTCOME.threw);
      }
    });
  });

  it('of model B could not have done better: no schedule with two preemptions shows it', async () => {
    await withProgram('../programs/model-b', (host) => {
      const { finding } = foundBy(host, MODEL_B_FOUND[0]!);
      const none = fewestPreemptions(host.engine, host.subject, finding, 3, budget(20_000));
      expect(none).toMatchObject({ found: null, proved: true });
      expect(none.guarantee).toBe('all schedules with at most 2 preemptions');
      expect(none.schedules).toBeGreaterThan(100);
      expect(fewestPreemptions(host.engine, host.subject, finding, 3, budget(50))).toMatchObject({ proved: false });
    });
  });

  it('brings model A to its one preemption', async () => {
    await withProgram('../programs/model-a', (host) => {
      for (const found of ['1,0x2,1x2,0x3,1,0,1x2,0', '0x2,1x7,0x2,1x4,0x3', '0x2,1x3,0x3,1,0x2']) {
        const small = shrunkFrom(host, found);
        expect(small.preemptions, found).toBe(1);
        expect(small.steps.length, found).toBe(13);
      }
      const { finding } = foundBy(host, '0x2,1x3,0x3,1,0x2');
      const fewest = fewestPreemptions(host.engine, host.subject, finding, 4, budget());
      expect(fewest.found!.preemptions).toBe(1);
      expect(fewest.proved).toBe(true);
    });
  });

  it('leaves out the steps of a thread that has no part in it', async () => {
    await withProgram('replay-programs#bystander', (host) => {
      const small = shrunkFrom(host, '2,0,2x2,1,2x2,1');
      expect(packRuns(small.schedule)).toBe('0,1x2');
      expect(small.preemptions).toBe(1);
      expect(small.before).toMatchObject({ steps: 8, preemptions: 5 });
    });
  });

  it('puts a thread that must run to its end before or behind the others: it costs no preemption there', async () => {
    await withProgram('replay-programs#twoLocks', (host) => {
      const small = shrunkFrom(host, '2,0,2,1,2,0,2,1,2x2');
      expect(small.finding).toMatchObject({ oracle: 'deadlock', object: 'a, b' });
      expect(small.preemptions).toBe(1);
      expect(segmentsOf(small.schedule).filter(({ tid }) => tid === 2)).toHaveLength(1);
      // The one preemption is beside a lock.
      expect(small.after.astray).toBe(0);
    });
  });

  it('keeps to its own finding where the program has another that needs less', async () => {
    await withProgram('replay-programs#twoAssertions', (host) => {
      const moved = shrunkFrom(host, '1,0,1x1');
      expect(moved.finding.text).toBe('y is not set');
      const other = shrunkFrom(host, '0x2,1,0');
      expect(other.finding.text).toBe('x moved, to 5');
      expect(other.preemptions).toBe(1);
    });
  });

  it('says when a schedule does not show the finding at all', async () => {
    await withProgram('replay-programs#bystander', (host) => {
      const { finding } = foundBy(host, '0,1x2');
      expect(shrink(runOf(host), { finding, schedule: tids('1x2,0x2') }, budget())).toBeNull();
    });
  });

  it('keeps to its budget, and then says that it is not done', async () => {
    await withProgram('../programs/model-b', (host) => {
      const found = foundBy(host, MODEL_B_FOUND[1]!);
      for (const runs of [1, 2, 10, 40]) {
        const small = shrink(runOf(host), found, budget(runs))!;
        expect(small.runs).toBeLessThanOrEqual(runs);
        expect(small.done).toBe(false);
        expect(small.preemptions).toBeLessThanOrEqual(small.before.preemptions);
      }
    });
  });

  it('records what it has made small, and the record repeats it', async () => {
    await withProgram('../programs/model-b', (host) => {
      const found = foundBy(host, MODEL_B_FOUND[2]!);
      const how = { search: 'pos', seed: 3, schedules: 9738 };
      const result = shrinkAndRecord({ ...host, options: OPTIONS, found, how }, budget(), budget(20_000))!;
      expect(result.repeats).toBe(true);
      const shrunkFrom = { preemptions: 12, steps: 32 };
      expect(result.replay).toMatchObject({ preemptions: 3, found: { ...how, shrunkFrom, fewest: true } });
      expect(describeFound(result.replay)).toContain('no schedule with fewer than 3 preemptions shows it');
      expect(result.replay.operations).toHaveLength(result.replay.schedule.length);
    });
  });
});

describe('each stage of shrinking', () => {
  it('has a part in it: what the failure does not depend on goes first, then most switches, then those that go only together', async () => {
    await withProgram('replay-programs#bystander', (host) => {
      const [past] = shrunkFrom(host, '2,0,2x2,1,2x2,1').stages;
      expect(past).toEqual({ name: 'past', runs: 1, preemptions: 1, steps: 3 });
    });
    await withProgram('../programs/model-b', (host) => {
      const { stages } = shrunkFrom(host, MODEL_B_FOUND[1]!);
      expect(stages.map(({ name }) => name).slice(0, 5)).toEqual(['past', 'preemptions', 'order', 'threads', 'places']);
      expect(stages[1]!.preemptions).toBeLessThan(6);
      // A thread that is stopped just before its end runs on to it.
      expect(stages[4]!.preemptions).toBeLessThan(stages[3]!.preemptions);
    });
  });

  it('comes to the fewest preemptions there are, nearly always: against all schedules of small programs', () => {
    const lengths = [3, 3, 2];
    const all = [...allSchedules(lengths)];
    const place = fc.integer({ min: 0, max: 7 }).map((n): Place => (n < 3 ? [0, n] : n < 6 ? [1, n - 3] : [2, n - 6]));
    const rules = fc.array(fc.tuple(place, place), { minLength: 2, maxLength: 5 });
    let cases = 0;
    let missed = 0;
    let byOrder = 0;
    fc.assert(
      fc.property(rules, fc.nat(), (given, pick) => {
        const run = fakeRun(lengths, given);
        const shows = all.filter((schedule) => run(schedule).findings.length > 0);
        if (shows.length === 0) return;
        const fewest = Math.min(...shows.map((schedule) => preemptionsOf(run(schedule).steps)));
        const small = shrink(run, { finding: FOUND, schedule: shows[pick % shows.length]! }, budget(100_000))!;
        expect(run(small.schedule).findings).toEqual([FOUND]);
        cases++;
        if (small.preemptions > fewest) missed++;
        if (small.stages[2]!.preemptions < small.stages[1]!.preemptions) byOrder++;
        expect(small.preemptions - fewest).toBeLessThanOrEqual(1);
      }),
      { seed: SEED, numRuns: 300 },
    );
    expect(cases).toBeGreaterThan(60);
    expect(missed / cases).toBeLessThan(0.03);
    expect(byOrder).toBeGreaterThan(5);
  });
});

describe('wishes', () => {
  it('that are not possible are owed, and granted with the next one of their thread', async () => {
    await withProgram('replay-programs#twoLocks', ({ engine, subject }) => {
      const { steps } = followSchedule(engine, subject, tids('0x3,1x4,0,1,0,1,2x2'));
      expect(packRuns(steps.map((step) => step.tid))).toBe('0x3,1,0,1,0,1x3,2x6');
      // One for all that a thread has: it goes on with that wherever it was stopped.
      const all = followSchedule(engine, subject, [0, 0, 0, 1 | 32, 0, 2, 1, 0, 2, 1]);
      expect(packRuns(all.steps.map((step) => step.tid))).toBe('0x3,1,0,2,1,0,2,1x3,2x4');
    });
  });
});

describe('a schedule as switches', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 80 }), (schedule) => {
        expect(wishesOf(segmentsOf(schedule))).toEqual(schedule);
      }),
      { seed: SEED },
    );
  });

  it('with one switch left out has the same steps of each thread', () => {
    const schedule = tids('0x3,1x2,0x2,1,0');
    const segments = segmentsOf(schedule);
    for (let i = 0; i < segments.length - 2; i++) {
      const rest = wishesOf(segments.filter((_, k) => k !== i));
      expect([...rest].sort(), String(i)).toEqual([...schedule].sort());
      expect(segmentsOf(rest).length).toBeLessThan(segments.length);
    }
  });
});

describe('what a step depends on', () => {
  const step = (tid: number, op: number, addr: number, access: number, cause = -1): Step => ({
    ...{ tid, op, addr, access, cause },
    ...{ arg: 0, value: 0, enabled: 7, sleep: 0 },
  });
  const read = (tid: number, addr: number): Step => step(tid, OP.load, addr, ACCESS.read);
  const write = (tid: number, addr: number): Step => step(tid, OP.store, addr, ACCESS.write);

  it('are its thread, what does not commute with it, and who woke it', () => {
    const steps = [write(0, 1), write(1, 2), read(2, 1), read(0, 3), write(2, 9), read(0, 1), write(1, 1)];
    expect(causalPast(steps, 2)).toEqual([0, 2]);
    expect(causalPast(steps, 5)).toEqual([0, 3, 5]);
    expect(causalPast(steps, 6)).toEqual([0, 1, 2, 3, 5, 6]);
    const woken = [write(0, 1), step(1, OP.notify, 5, ACCESS.write), step(0, OP.resume, 5, ACCESS.local, 1)];
    expect(causalPast(woken, 2)).toEqual([0, 1, 2]);
  });

  it('are preemptions only where the thread could have gone on', () => {
    const steps = [write(0, 1), { ...write(1, 2), enabled: 0b110 }, { ...write(2, 3), enabled: 0b111 }];
    expect(preemptionsOf(steps)).toBe(1);
  });

  it('are races only where nothing but a lock orders them, the last first', () => {
    const lock = (tid: number): Step => step(tid, OP.mutexLock, 7, ACCESS.write);
    const unlock = (tid: number): Step => step(tid, OP.mutexUnlock, 7, ACCESS.write);
    // Sections of a lock race; a word that was handed over by a flag does not.
    const sections = [lock(0), write(0, 1), unlock(0), lock(1), read(1, 1), unlock(1)];
    expect(races(sections)).toEqual([
      [1, 4],
      [0, 3],
    ]);
    const handedOver = [write(0, 1), write(0, 2), read(1, 2), read(1, 1)];
    expect(races(handedOver)).toEqual([[1, 2]]);
    expect(races([read(0, 1), read(1, 1)])).toEqual([]);
  });
});

describe('a litmus', () => {
  const plan = (name: string, strategy: string): CellPlan => {
    const { file } = shippedScenarios(packageRoot()).find((one) => one.name === name)!;
    return resolveCells(loadScenario(file), { seed: 1, repeat: 1, strategies: [strategy] })[0]!;
  };
  const verb = (name: VerbPlan['verb'], target: string): VerbPlan => ({
    ...{ verb: name, target, mm: 0, start: 1, last: 1, file: -1 },
  });

  it('is cut by threads, verbs and steps of the setup', () => {
    const whole = plan('clamp-stolen-decrement', 'private-count-clamped');
    const cuts = planCuts(whole);
    const programs = whole.litmus!.programs;
    expect(cuts.map((cut) => cut.what)).toContain(`thread ${whole.threads[0]!.name}`);
    const withoutFirst = cuts[0]!.plan;
    expect(withoutFirst.litmus!.programs).toEqual(programs.slice(1));
    expect(withoutFirst.threads.map((thread) => thread.tid)).toEqual(whole.threads.slice(1).map((_, tid) => tid));
    expect(withoutFirst.litmus!.order.every(({ tid }) => tid < programs.length - 1)).toBe(true);
    // No program is left empty: that is a thread that is left out.
    for (const cut of cuts) for (const program of cut.plan.litmus!.programs) expect(program.length).toBeGreaterThan(0);
  });

  it('loses what its finding does not need', async () => {
    const seed = plan('seed-madvise-around-register', 'private-count');
    const litmus = seed.litmus!;
    // A fault behind the registration changes nothing.
    const more: CellPlan = {
      ...seed,
      litmus: {
        ...litmus,
        programs: [litmus.programs[0]!, [...litmus.programs[1]!, verb('read', 'B')]],
      },
    };
    const finding = { oracle: 'counter-underflow', object: 'umem 3', text: '' };
    const small = await shrinkLitmus(
      more,
      { finding, schedule: tids('0x14,1x5') },
      { ...OPTIONS, maxSteps: 3000 },
      budget(),
    );
    expect(small!.plan.litmus!.programs.map((program) => program.map((one) => one.verb))).toEqual([
      ['madvise'],
      ['register'],
    ]);
    expect(small!.cut.join()).toContain('read B');
    expect(small!.finding.oracle).toBe('counter-underflow');
  });
});
