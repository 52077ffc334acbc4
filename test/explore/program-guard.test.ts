import { describe, expect, test } from 'vitest';
import { openHost } from '../../src/explore/control/host.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { judgeSchedule } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import type { Finding } from '../../src/explore/subject/subject.ts';
import { OdpError } from '../../src/scenario/errors.ts';

/** Runs one schedule of a program; what is wrong with it, or with the program. */
async function judge(name: string, races: boolean): Promise<readonly Finding[] | OdpError> {
  const url = new URL(`./program-guard-programs.js#${name}`, import.meta.url).href;
  const subject = programSubject(name, await loadProgram(url));
  const host = await openHost({ kind: 'program', url }, subject, {
    ...{ threads: subject.threads, maxSteps: 100, timeouts: 0, hangMs: 5000 },
    ...{ granularity: 'lock', races },
  });
  try {
    const outcome = host.engine.run({ prefix: [], policy: pickerId('continue'), seed: 1 });
    return judgeSchedule(host.engine, subject, outcome);
  } catch (error) {
    if (error instanceof OdpError) return error;
    throw error;
  } finally {
    await host.close();
  }
}

const UNSEEN = 'ODP_E_PROGRAM_UNSEEN_ATOMICS';
const UNREPEATABLE = 'ODP_E_PROGRAM_NONDETERMINISTIC';

const REFUSED = [
  ['atomicsLoad', UNSEEN, 'Atomics.load'],
  ['atomicsWait', UNSEEN, 'Atomics.wait'],
  ['atomicsSub', UNSEEN, 'Atomics.sub'],
  ['otherView', UNSEEN, 'Atomics.add'],
  ['dateNow', UNREPEATABLE, 'Date.now()'],
  ['newDate', UNREPEATABLE, 'new Date()'],
  ['dateCall', UNREPEATABLE, 'new Date()'],
  ['performanceNow', UNREPEATABLE, 'performance.now()'],
  ['hrtime', UNREPEATABLE, 'process.hrtime()'],
  ['hrtimeBigint', UNREPEATABLE, 'process.hrtime.bigint()'],
  ['mathRandom', UNREPEATABLE, 'Math.random()'],
  ['randomValues', UNREPEATABLE, 'crypto.getRandomValues()'],
  ['timeout', UNREPEATABLE, 'setTimeout()'],
  ['microtask', UNREPEATABLE, 'queueMicrotask()'],
] as const;

describe('what the scheduler cannot see or repeat is refused, with its place', () => {
  test.each(REFUSED)('%s', async (name, code, call) => {
    const error = await judge(name, name === 'atomicsLoad');
    expect(error).toBeInstanceOf(OdpError);
    const [issue] = (error as OdpError).issues;
    expect(issue!.code).toBe(code);
    expect(issue!.message).toContain(call);
    expect(issue!.at).toMatchObject({ file: expect.stringMatching(/program-guard-programs\.ts$/) });
    expect((issue!.at as { line: number }).line).toBeGreaterThan(15);
  });

  test('a thread that returns a promise', async () => {
    const error = await judge('promised', false);
    expect(error).toBeInstanceOf(OdpError);
    expect((error as OdpError).code).toBe(UNREPEATABLE);
    expect((error as OdpError).message).toContain('promise');
  });
});

test.each([false, true])('what depends on nothing is allowed (races: %s)', async (races) => {
  expect(await judge('allowed', races)).toEqual([]);
});
